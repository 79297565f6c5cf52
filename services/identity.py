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

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TypeVar

from services.model import AnyService, Document, Layer4Service
from services.model.layer4 import MOST_MARK, OWN_MARKS, has_own_mark
from services.model.service import Named

LARGEST_ID = 2**31 - 1
"""HAProxy's largest proxy and server id."""

_TRIES = 1000

_Object = TypeVar("_Object", bound=Named)


def with_ids(document: Document, previous: Document | None, pick: Callable[[], int]) -> Document:
    """`document` with an id on every service, server and NAT entry; ids it already has stay.

    Objects without one take the id of the object with the same label in `previous`, servers
    within the same service, else a fresh number from `pick`, a source of chance: numbers
    outside 1 to `LARGEST_ID`, or in use in either document, are drawn again. A layer 4 service
    that needs a firewall mark gets one, too, and keeps it.
    """
    services, entries = document.cluster.services, document.cluster.nat
    before = previous.cluster.services if previous is not None else ()
    entries_before = previous.cluster.nat if previous is not None else ()
    if all(_whole(service) for service in services) and all(entry.id for entry in entries):
        return document
    used = (each.id for each in (*entries, *entries_before))
    fresh = _Fresh(pick, used=(*_ids(services), *_ids(before), *used))
    by_id = {service.id: service for service in before}
    numbered = []
    for service in _numbered(services, before, fresh):
        old = by_id.get(service.id)
        servers = _numbered(service.servers, old.servers if old else (), fresh)
        numbered.append(service.model_copy(update={"servers": servers}))
    marked = _marked(numbered, by_id)
    nat = _numbered(entries, entries_before, fresh)
    cluster = document.cluster.with_services(marked).model_copy(update={"nat": nat})
    return document.model_copy(update={"cluster": cluster})


def _whole(service: AnyService) -> bool:
    numbered = service.id and all(server.id for server in service.servers)
    return bool(numbered) and not _lacks_mark(service)


def _lacks_mark(service: AnyService) -> bool:
    return isinstance(service, Layer4Service) and not service.mark and has_own_mark(service)


def _marked(
    services: Sequence[AnyService], before: Mapping[int, AnyService]
) -> Iterator[AnyService]:
    """The services, each that lacks its mark with the one it had, else with the lowest free."""
    marks = _marks_of(services)
    known = marks | _marks_of(before.values())
    free = (mark for mark in range(OWN_MARKS, MOST_MARK, OWN_MARKS) if mark not in known)
    for service in services:
        if not _lacks_mark(service):
            yield service
            continue
        old = before.get(service.id)
        had = old.mark if isinstance(old, Layer4Service) and has_own_mark(old) else 0
        mark = had if had and had not in marks else next(free)
        marks.add(mark)
        yield service.model_copy(update={"mark": mark})


def _marks_of(services: Iterable[AnyService]) -> set[int]:
    return {each.mark for each in services if isinstance(each, Layer4Service)}


def _ids(services: Iterable[AnyService]) -> Iterable[int]:
    for service in services:
        yield service.id
        yield from (server.id for server in service.servers)


def _numbered(
    objects: Sequence[_Object], before: Sequence[Named], fresh: _Fresh
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
