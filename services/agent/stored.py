# SPDX-License-Identifier: Apache-2.0
"""Secrets and scripts of health checks: files beside the document, which names them.

A secret is put in and never read back by anybody who asks: it reaches the process that logs in
with it, and no journal, revision or answer. A script is kept where `ballast-probe` may read and
start it and not change it, and is shown to whoever may store one. Each kind has a folder of its
own, apart from the keys and passwords that the unit made for itself: a check must not be able to
send those to a server.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from services.api import LARGEST_STORED, StoredFile, StoredKind
from services.drivers.files import unable, write_durably
from services.errors import NotFound, Problem, Refused
from services.model import Document
from services.model.base import FileName, shown
from services.model.layer4 import naming
from services.plan.state import File

LONGEST_SECRET = 1000
"""Signs; no server takes a longer password."""

MOST = 1000
"""Files of a kind."""

_NAME: TypeAdapter[str] = TypeAdapter(FileName)


@dataclass(frozen=True)
class _Shelf:
    folder: Path
    folder_mode: int
    mode: int


class Stored:
    """What is stored below the agent's own folder."""

    def __init__(self, state: Path) -> None:
        self.scripts = state / "scripts"
        """The folder the probe starts scripts from."""
        self._shelves = {
            StoredKind.SECRET: _Shelf(state / "secrets" / "checks", 0o700, 0o600),
            StoredKind.SCRIPT: _Shelf(self.scripts, 0o755, 0o755),
        }

    def names(self, kind: StoredKind) -> tuple[str, ...]:
        """All of a kind, by name."""
        try:
            found = os.listdir(self._shelves[kind].folder)  # noqa: PTH208  only names
        except FileNotFoundError:
            return ()
        return tuple(sorted(name for name in found if not name.startswith(".")))

    def listed(self, kind: StoredKind) -> tuple[StoredFile, ...]:
        """All of a kind, as they may be shown: of a secret its name and nothing else."""
        hidden = kind is StoredKind.SECRET
        folder = self._shelves[kind].folder
        return tuple(
            StoredFile(name=name, size=0 if hidden else (folder / name).stat().st_size)
            for name in self.names(kind)
        )

    def put(self, kind: StoredKind, name: str, text: str) -> bool:
        """Store it, in place of one of that name; True if it is new.

        Raises `Refused` for a name or a text that will not do, `Unable`.
        """
        name = _named(name)
        data = (_secret if kind is StoredKind.SECRET else _script)(name, text)
        known = self.names(kind)
        if name not in known and len(known) >= MOST:
            raise Refused(f"There are {MOST} {kind.value}s.", do="Delete some first.")
        shelf = self._shelves[kind]
        try:
            shelf.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            shelf.folder.chmod(shelf.folder_mode)
        except OSError as error:
            raise unable(error, str(shelf.folder)) from error
        write_durably(File(str(shelf.folder / name), data, shelf.mode))
        return name not in known

    def remove(self, kind: StoredKind, name: str) -> None:
        """Throw it away; raises `NotFound`, `Unable`."""
        path = self._shelves[kind].folder / _named(name)
        try:
            path.unlink()
        except FileNotFoundError as error:
            raise _absent(kind, name) from error
        except OSError as error:
            raise unable(error, str(path)) from error

    def script(self, name: str) -> str:
        """The text of a script; raises `NotFound`, `Refused`, `Unable`."""
        path = self.scripts / _named(name)
        try:
            return path.read_bytes().decode()
        except FileNotFoundError as error:
            raise _absent(StoredKind.SCRIPT, name) from error
        except OSError as error:
            raise unable(error, str(path)) from error
        except UnicodeDecodeError as error:
            raise Refused(
                f"The script {name} is not in UTF-8.",
                do="Somebody else put it there: store it anew.",
            ) from error

    def secret_of(self, name: str) -> str:
        """The text of a secret, for the process that needs it; empty: there is none."""
        try:
            return (self._shelves[StoredKind.SECRET].folder / _named(name)).read_text("utf-8")
        except (OSError, UnicodeDecodeError):
            return ""

    def missing(self, document: Document) -> Sequence[Problem]:
        """What the document names and nobody has stored."""
        return missing(document, {kind: self.names(kind) for kind in StoredKind})

    def require_unused(self, document: Document, kind: StoredKind, name: str) -> None:
        """Raise `Refused` while a check of the document needs it."""
        named = naming(document.cluster.layer4, kind.field)
        users = [label for _, label, used in named if used == name]
        if users:
            more = f" and {len(users) - 1} more" if len(users) > 1 else ""
            raise Refused(
                f"The {kind.value} {name} is needed for the checks of {users[0]}{more}.",
                do="Change these first.",
            )


def missing(document: Document, names: Mapping[StoredKind, Collection[str]]) -> Sequence[Problem]:
    """What the document names and is not among the names."""
    return [
        Problem(
            ("cluster", "layer4", place, "check", kind.field),
            f"{label} is checked with the {kind.value} {name}, which is not stored.",
            f"Store it: `ballast {_REMEDIES[kind]} {name}`, or in the console Maintenance, Secrets "
            "and scripts.",
        )
        for kind, known in names.items()
        for place, label, name in naming(document.cluster.layer4, kind.field)
        if name not in known
    ]


def _absent(kind: StoredKind, name: str) -> NotFound:
    return NotFound(f"There is no {kind.value} {name}.", do=f"See `ballast {kind.value} list`.")


_REMEDIES = {StoredKind.SECRET: "secret set", StoredKind.SCRIPT: "script add"}


def _named(name: str) -> str:
    try:
        if found := _NAME.validate_python(name):
            return found
    except ValidationError:
        pass
    raise Refused(
        f"{shown(name)} is no name of a stored file.",
        do="Use letters, digits, dot, underscore and minus, 63 characters at most, and begin "
        "with a letter or a digit.",
    )


def _secret(name: str, text: str) -> bytes:
    text = text.replace("\r\n", "\n").removesuffix("\n")
    if not text:
        raise Refused(f"The secret {name} would be empty.", do="Give its text.")
    if len(text) > LONGEST_SECRET:
        raise Refused(
            f"The secret {name} is longer than {LONGEST_SECRET} signs.", do="Give a shorter one."
        )
    lines = text.split("\n")
    if len(lines) > 2 or not all(line.isprintable() for line in lines):
        raise Refused(
            f"The secret {name} has control characters or more than two lines.",
            do="Give the password in one line; for RADIUS the shared secret in a second one.",
        )
    return text.encode()


def _script(name: str, text: str) -> bytes:
    # written on Windows it would look for an interpreter whose name ends with a sign of its own
    data = text.replace("\r\n", "\n").encode()
    if len(data) > LARGEST_STORED:
        raise Refused(
            f"The script {name} is larger than {LARGEST_STORED >> 10} kB.",
            do="A check need not be: let it be shorter.",
        )
    if not data.startswith(b"#!/") or b"\0" in data:
        raise Refused(
            f"The script {name} does not say what runs it.",
            do="Begin it with a line like #!/bin/sh or #!/usr/bin/python3.",
        )
    return data
