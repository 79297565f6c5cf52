# SPDX-License-Identifier: Apache-2.0
"""The fewest writes from the table that was seen to the one that is wanted.

Whatever comes, comes before anything goes, so that no service passes through "no destination",
which clients would meet as an outage. What does not change is not written: its counters and
its connections go on. The table is ours as a whole; what somebody else put there goes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from services.plan.ipvs import DestKey, IpvsSeen, IpvsWanted, Live, Protocol, ServiceKey
from services.plan.ipvs_changes import (
    DropDest,
    DropService,
    IpvsChange,
    PutDest,
    PutService,
    SetTimeouts,
)


def plan_ipvs(wanted: IpvsWanted, seen: IpvsSeen) -> tuple[IpvsChange, ...]:
    """Ordered changes; `plan_ipvs(wanted, what following it leads to)` is empty."""
    return (*ipvs_up(wanted, seen), *ipvs_down(wanted, seen))


def ipvs_up(wanted: IpvsWanted, seen: IpvsSeen) -> tuple[IpvsChange, ...]:
    """What comes or changes; to be done before anything that sends packets here."""
    return (*_timeouts(wanted, seen), *_come(wanted, seen))


def ipvs_down(wanted: IpvsWanted, seen: IpvsSeen) -> tuple[IpvsChange, ...]:
    """What goes."""
    return tuple(_go(wanted, seen))


def _timeouts(wanted: IpvsWanted, seen: IpvsSeen) -> Iterator[IpvsChange]:
    if wanted.timeouts is not None and wanted.timeouts != seen.timeouts:
        yield SetTimeouts(timeouts=wanted.timeouts)


def _come(wanted: IpvsWanted, seen: IpvsSeen) -> Iterator[IpvsChange]:
    for key, entry in sorted(wanted.table.items(), key=_by_key):
        there = seen.table.get(key)
        if there is None or there.service != entry.service:
            yield PutService(key=key, service=entry.service, exists=there is not None)
        dests = there.dests if there is not None else {}
        if dests != entry.dests:
            for dest_key, dest in sorted(entry.dests.items()):
                before = dests.get(dest_key)
                if before != dest:
                    yield PutDest(service=key, key=dest_key, dest=dest, exists=before is not None)


def _go(wanted: IpvsWanted, seen: IpvsSeen) -> Iterator[IpvsChange]:
    leaving: list[IpvsChange] = []
    for key, entry in sorted(seen.table.items(), key=_by_key):
        live = seen.live.get(key, {})
        if key not in wanted.table:
            cut = sum(_clients(key, dest, live) for dest in entry.dests)
            leaving.append(DropService(key=key, drops=cut))
            continue
        for dest_key in sorted(entry.dests.keys() - wanted.table[key].dests.keys()):
            yield DropDest(service=key, key=dest_key, drops=_clients(key, dest_key, live))
    yield from leaving


def _by_key(item: tuple[ServiceKey, object]) -> ServiceKey:
    return item[0]


def _clients(service: ServiceKey, dest: DestKey, live: Mapping[DestKey, Live]) -> int:
    """Connections that end with a destination; those of UDP are never called active."""
    found = live.get(dest, Live())
    return found.active + (found.inactive if service.protocol is Protocol.UDP else 0)
