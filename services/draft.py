# SPDX-License-Identifier: Apache-2.0
"""Merging a person's pending changes into whatever runs now, object by object; pure.

Two people may edit at once as long as they edit different objects: a service, a server, an
interface are objects of their own. Whether an object changed underneath is judged by its
value and not by a revision number, so a change that was rolled back meanwhile is no clash.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from services.api import Edit
from services.errors import Clash, Problem
from services.model import LAYERS, NAT, SINGLE, Document, problems_from

Object = Mapping[str, Any]
"""One object as JSON, without the objects inside it."""


_NOT_WITHOUT = Problem(
    ("local",), "The unit's own settings cannot be deleted.", "Change their fields instead."
)


@dataclass(frozen=True)
class Merged:
    """What came out: a document, or why there is none."""

    document: Document | None
    problems: tuple[Problem, ...] = ()
    clashes: tuple[Clash, ...] = ()


def objects(document: Document) -> dict[str, dict[str, Any]]:
    """A document as a flat table of objects, in the document's order.

    Keys: `local`, `local/eth0`, `layer7/SERVICE`, `layer7/SERVICE/SERVER` with permanent ids,
    `layer4/` likewise, `nat/ENTRY`, and `layer4_advanced`.
    """
    tree = document.model_dump(mode="json")
    local = tree["local"]
    table = {f"local/{card['name']}": card for card in local.pop("interfaces")}
    table["local"] = local
    for layer in LAYERS:
        for service in tree["cluster"][layer]:
            servers = service.pop("servers")
            table[f"{layer}/{service['id']}"] = service
            for server in servers:
                table[f"{layer}/{service['id']}/{server['id']}"] = server
    table |= {f"{NAT}/{entry['id']}": entry for entry in tree["cluster"][NAT]}
    return table | {name: tree["cluster"][name] for name in SINGLE}


def assembled(table: Mapping[str, Object]) -> dict[str, Any]:
    """The inverse of `objects`, as JSON; it still has to pass the model."""
    local: dict[str, Any] = {**table["local"], "interfaces": []}
    services: dict[str, dict[str, dict[str, Any]]] = {layer: {} for layer in LAYERS}
    entries: list[Object] = []
    for key, found in table.items():
        match key.split("/"):
            case ["local", _]:
                local["interfaces"].append(found)
            case ["nat", _]:
                entries.append(found)
            case [layer, service]:
                services[layer][service] = {**found, "servers": []}
    for key, found in table.items():
        match key.split("/"):
            case [layer, service, _]:
                services[layer][service]["servers"].append(found)
    cluster: dict[str, Any] = {layer: list(found.values()) for layer, found in services.items()}
    cluster |= {NAT: entries} | {name: table[name] for name in SINGLE if name in table}
    return {"cluster": cluster, "local": local}


def with_edit(edits: Mapping[str, Edit], edit: Edit) -> dict[str, Edit]:
    """The pending edits by key with one more, which takes the place of an earlier one.

    One that begins where the earlier ended is one edit from the earlier's beginning; one
    that comes back to it is none. Deleting a service forgets what was edited inside it.
    """
    earlier = edits.get(edit.key)
    if earlier is not None and edit.before == earlier.after:
        edit = edit.model_copy(update={"before": earlier.before})
    kept = without_edit(edits, edit.key) if edit.after is None else dict(edits)
    if edit.before == edit.after:
        return without_edit(kept, edit.key)
    return kept | {edit.key: edit}


def without_edit(edits: Mapping[str, Edit], key: str) -> dict[str, Edit]:
    """The pending edits without that of one object and, with a service, of its servers."""
    return {name: edit for name, edit in edits.items() if name != key and not _inside(name, key)}


def merge(document: Document, edits: Iterable[Edit]) -> Merged:
    """`document` with `edits` in it; clashes and problems are all listed at once."""
    table: dict[str, Any] = dict(objects(document))
    clashes: list[Clash] = []
    for edit in edits:
        found = table.get(edit.key)
        if clash := _clash(edit, found, table):
            clashes.append(Clash(edit.key, clash))
        elif edit.after is not None:
            table[edit.key] = _named(edit.key, edit.after)
        else:
            for key in [key for key in table if key == edit.key or _inside(key, edit.key)]:
                del table[key]
    if clashes:
        return Merged(None, clashes=tuple(clashes))
    if "local" not in table:
        return Merged(None, problems=(_NOT_WITHOUT,))
    try:
        return Merged(Document.model_validate(assembled(table)))
    except ValidationError as error:
        return Merged(None, problems=problems_from(error, Document))


def _named(key: str, found: Object) -> Object:
    """The object under the name its key gives it, whatever it says itself."""
    kind, _, name = key.partition("/")
    last = name.rpartition("/")[2]
    if kind in (*LAYERS, NAT):
        return {**found, "id": int(last)}
    return {**found, "name": last} if last else found


def _inside(key: str, parent: str) -> bool:
    # the local half is one object whose cards are others: neither goes with the other
    return _is_service(parent) and key.startswith(parent + "/")


def _is_service(key: str) -> bool:
    layer, slash, _ = key.partition("/")
    return bool(slash) and layer in LAYERS


def _clash(edit: Edit, found: Object | None, table: Mapping[str, Object]) -> str | None:
    name = edit.label or edit.key
    parent = edit.key.rpartition("/")[0]
    if _is_service(parent) and parent not in table and edit.after is not None:
        return f"The service of {name} was deleted meanwhile."
    if found == edit.before or found == edit.after:
        return None
    if found is None:
        return f"{name} was deleted meanwhile."
    if edit.before is None:
        return f"{name} was added by somebody else meanwhile."
    fields = sorted(
        field for field in {*found, *edit.before} if found.get(field) != edit.before.get(field)
    )
    return f"{name} was changed meanwhile: {', '.join(fields)}."
