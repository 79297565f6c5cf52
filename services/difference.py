# SPDX-License-Identifier: Apache-2.0
"""Two documents compared object by object, for people; pure.

A diff of the whole text would say where lines moved; an administrator wants to know which
service and which field.
"""

from __future__ import annotations

import difflib
import json
from dataclasses import dataclass

from services.draft import Object, objects
from services.model import LAYERS, NAT, Document


@dataclass(frozen=True)
class Changed:
    """One object that differs; None before: added, None after: removed."""

    name: str
    before: Object | None
    after: Object | None


def changed(old: Document, new: Document) -> tuple[Changed, ...]:
    """Every object that differs, the old document's first."""
    before, after = objects(old), objects(new)
    names = _names(old) | _names(new)
    keys = [*before, *(key for key in after if key not in before)]
    pairs = ((names[key], before.get(key), after.get(key)) for key in keys)
    return tuple(Changed(name, was, now) for name, was, now in pairs if was != now)


def difference(old: Document, new: Document) -> str:
    """Lines with `+` for added, `-` for removed, `~` before each changed object's name."""
    lines: list[str] = []
    for found in changed(old, new):
        mark = "+" if found.before is None else "-" if found.after is None else "~"
        lines.append(f"{mark} {found.name}")
        lines += _fields(found.before or {}, found.after or {})
    return "\n".join(lines)


def file_difference(name: str, old: bytes | None, new: bytes) -> str:
    """A unified diff of a generated file."""
    return "".join(
        difflib.unified_diff(
            (old or b"").decode(errors="replace").splitlines(keepends=True),
            new.decode(errors="replace").splitlines(keepends=True),
            f"{name} (now)",
            f"{name} (new)",
        )
    )


def _fields(was: Object, now: Object) -> list[str]:
    lines = []
    for field in [*was, *(field for field in now if field not in was)]:
        if field == "id" or was.get(field) == now.get(field):
            continue
        if field in was:
            lines.append(f"-   {field}: {_shown(was[field])}")
        if field in now:
            lines.append(f"+   {field}: {_shown(now[field])}")
    return lines


def _shown(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=True)


def _names(document: Document) -> dict[str, str]:
    names = {"local": "this unit", "layer4_advanced": "layer 4 advanced settings"}
    names |= {f"local/{card.name}": f"interface {card.name}" for card in document.local.interfaces}
    for layer in LAYERS:
        for service in getattr(document.cluster, layer):
            names[f"{layer}/{service.id}"] = f"virtual service {service.label}"
            for server in service.servers:
                name = f"real server {service.label}/{server.label}"
                names[f"{layer}/{service.id}/{server.id}"] = name
    names |= {f"{NAT}/{entry.id}": f"1:1 NAT {entry.label}" for entry in document.cluster.nat}
    return names
