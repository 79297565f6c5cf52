# SPDX-License-Identifier: Apache-2.0
"""Secrets and scripts of health checks, and which services need them. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from services.api import StoredFile, StoredKind
from services.model import Document
from services.model.layer4 import naming

Files = Mapping[StoredKind, Sequence[StoredFile]]
"""What is stored, by kind."""

WHERE = "Maintenance > Secrets and scripts"
"""Where a person finds all of them."""


@dataclass(frozen=True)
class StoredRow:
    """One that is stored, or only named."""

    kind: StoredKind
    name: str
    file: StoredFile | None
    """None: a check names it, and nobody has stored it."""
    users: tuple[str, ...]
    """Labels of the services that need it as they run."""
    soon: tuple[str, ...]
    """Labels of those that need it once the pending changes are applied."""

    @property
    def words(self) -> str:
        """Who needs it."""
        named = [*self.users, *(f"{label} (pending)" for label in self.soon)]
        return ", ".join(named) or "nobody"


def rows(files: Files, running: Document, drafted: Document) -> list[StoredRow]:
    """Everything stored or named, secrets first, by name."""
    found = []
    for kind in StoredKind:
        stored = {file.name: file for file in files.get(kind, ())}
        now, then = _users(running, kind), _users(drafted, kind)
        for name in sorted({*stored, *now, *then}):
            users = now.get(name, ())
            soon = tuple(label for label in then.get(name, ()) if label not in users)
            found.append(StoredRow(kind, name, stored.get(name), users, soon))
    return found


def _users(document: Document, kind: StoredKind) -> dict[str, tuple[str, ...]]:
    found: dict[str, tuple[str, ...]] = {}
    for _, label, name in naming(document.cluster.layer4, kind.field):
        found[name] = (*found.get(name, ()), label)
    return found


def options(files: Sequence[StoredFile], chosen: str) -> tuple[tuple[str, str], ...]:
    """What a field that names one offers: none, those there are, and what stands in it now."""
    names = [file.name for file in files]
    missing = [(chosen, f"{chosen} (not stored)")] if chosen and chosen not in names else []
    return (("", "None"), *((name, name) for name in names), *missing)
