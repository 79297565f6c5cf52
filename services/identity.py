# SPDX-License-Identifier: Apache-2.0
"""Permanent ids for objects that have none yet, so that people never type one.

HAProxy's server-state file, its stick tables and its cookies know objects by number. A
document written by hand has no numbers, and is still the same configuration: whatever has
the label of an object that is there already is that object. A rename, the other way round,
keeps its number because the number stands in the document.

Fresh numbers come from a source of chance, two thousand million wide, rather than from a
counter: the number of an object that has gone must not soon come back with another one,
whose clients would then be sent by the old one's state.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar

from services.model import Document, RealServer, VirtualService

LARGEST_ID = 2**31 - 1
"""HAProxy's largest proxy and server id."""

_TRIES = 1000

_Object = TypeVar("_Object", VirtualService, RealServer)


def with_ids(document: Document, previous: Document | None, pick: Callable[[], int]) -> Document:
    """`document` with an id on every service and server; ids it already has stay.

    Objects without one take the id of the object with the same label in `previous`, servers
    within the same service, else a fresh number from `pick`, a source of chance: numbers
    outside 1 to `LARGEST_ID`, or in use in either document, are drawn again.
    """
    services = document.cluster.layer7
    before = previous.cluster.layer7 if previous is not None else ()
    if all(service.id and all(server.id for server in service.servers) for service in services):
        return document
    fresh = _Fresh(pick, used=(*_ids(services), *_ids(before)))
    by_id = {service.id: service for service in before}
    numbered = []
    for service in _numbered(services, before, fresh):
        old = by_id.get(service.id)
        servers = _numbered(service.servers, old.servers if old else (), fresh)
        numbered.append(service.model_copy(update={"servers": servers}))
    cluster = document.cluster.model_copy(update={"layer7": tuple(numbered)})
    return document.model_copy(update={"cluster": cluster})


def _ids(services: Iterable[VirtualService]) -> Iterable[int]:
    for service in services:
        yield service.id
        yield from (server.id for server in service.servers)


def _numbered(
    objects: Sequence[_Object], before: Sequence[_Object], fresh: _Fresh
) -> tuple[_Object, ...]:
    known = {thing.label.lower(): thing.id for thing in before}  # labels differ by more than case
    taken = {thing.id for thing in objects if thing.id}

    def numbered(thing: _Object) -> _Object:
        if thing.id:
            return thing
        number = known.pop(thing.label.lower(), 0)
        if not number or number in taken:  # taken: the old bearer of the label, renamed
            number = fresh.number()
        return thing.model_copy(update={"id": number})

    return tuple(numbered(thing) for thing in objects)


class _Fresh:
    """Numbers nobody has."""

    def __init__(self, pick: Callable[[], int], *, used: Iterable[int]) -> None:
        self._pick = pick
        self._used = set(used)

    def number(self) -> int:
        drawn = (self._pick() for _ in range(_TRIES))
        found = next((n for n in drawn if 1 <= n <= LARGEST_ID and n not in self._used), None)
        if found is None:  # a source without chance in it; the lowest free number does as well
            found = next(n for n in range(1, LARGEST_ID) if n not in self._used)
        self._used.add(found)
        return found
