# SPDX-License-Identifier: Apache-2.0
"""Stored secrets and scripts in memory."""

from __future__ import annotations

import re
from collections.abc import Sequence

from services.agent.stored import missing
from services.api import StoredFile, StoredKind
from services.errors import NotFound, Problem, Refused
from services.model import Document
from services.model.layer4 import naming


class FakeStored:
    """Keeps them by kind and name, with the rules of the real ones."""

    def __init__(self) -> None:
        self.texts: dict[StoredKind, dict[str, str]] = {kind: {} for kind in StoredKind}

    def listed(self, kind: StoredKind) -> tuple[StoredFile, ...]:
        hidden = kind is StoredKind.SECRET
        found = sorted(self.texts[kind].items())
        return tuple(StoredFile(name=n, size=0 if hidden else len(text)) for n, text in found)

    def put(self, kind: StoredKind, name: str, text: str) -> None:
        if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,62}", name):
            raise Refused("That is no name of a stored file.", do="Use letters and digits.")
        if not (text.startswith("#!/") if kind is StoredKind.SCRIPT else text):
            raise Refused(f"The {kind.value} {name} will not do.", do="Give another text.")
        self.texts[kind][name] = text

    def remove(self, kind: StoredKind, name: str, running: Document) -> None:
        if name not in self.texts[kind]:
            raise NotFound(f"There is no {kind.value} {name}.", do="Name another.")
        named = naming(running.cluster.layer4, kind.field)
        if users := [label for _, label, used in named if used == name]:
            raise Refused(
                f"The {kind.value} {name} is needed for the checks of {users[0]}.",
                do="Change these first.",
            )
        del self.texts[kind][name]

    def script(self, name: str) -> str:
        if name not in self.texts[StoredKind.SCRIPT]:
            raise NotFound(f"There is no script {name}.", do="Name another.")
        return self.texts[StoredKind.SCRIPT][name]

    def missing(self, document: Document) -> Sequence[Problem]:
        return missing(document, self.texts)
