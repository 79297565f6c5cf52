# SPDX-License-Identifier: Apache-2.0
"""What the Overview shows of layer 4 services, made of the kernel's counters; pure.

A service may be several entries of the kernel, one for each of its addresses: they are shown
as one, and so are their entries for a server.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from services.api import Health, ServerStatus, ServiceStatus
from services.drivers.ipvs import Statistics
from services.drivers.ipvs_wire import Counters
from services.drivers.sample import Sample
from services.health.shares import Standing
from services.model import Layer4Server, Layer4Service
from services.model.layer4 import Protocol
from services.plan.ipvs import Live, ServiceKey
from services.render.ipvs import dest_key, serves, service_keys
from services.status_words import per_s, service_health, taken_out

UNKNOWN = Standing(up=True, reason="not checked yet", checked=False)


class _Sum(NamedTuple):
    """The counters of several entries of the kernel."""

    there: bool
    connections: int
    sessions: int
    octets: int


def layer4_status(service: Layer4Service, now: Sample, before: Sample) -> ServiceStatus:
    """One service; rates are between the two samples."""
    keys = service_keys(service)
    servers = tuple(_server(service, keys, server, now, before) for server in service.servers)
    found, earlier = _of_service(keys, now), _of_service(keys, before)
    trouble = "the kernel has no IPVS, or does not answer" if now.layer4 is None else ""
    health, reason = service_health(servers, trouble=trouble)
    return ServiceStatus(
        id=service.id,
        label=service.label,
        addresses=tuple(map(str, service.addresses)),
        ports=service.ports if service.protocol is not Protocol.MARK else f"mark {service.mark}",
        kind=f"L4 {service.forwarding.name}",
        health=health,
        reason=reason,
        connections=sum(server.connections for server in servers),
        sessions_total=found.sessions,
        sessions_per_s=per_s(found.sessions, earlier.sessions, now, before),
        bytes_per_s=per_s(found.octets, earlier.octets, now, before),
        servers=servers,
    )


def _server(
    service: Layer4Service,
    keys: Iterable[ServiceKey],
    server: Layer4Server,
    now: Sample,
    before: Sample,
) -> ServerStatus:
    mine = [key for key in keys if serves(service, server, key)]
    found, earlier = _of_server(server, mine, now), _of_server(server, mine, before)
    stands = now.standings.get((service.id, server.id), UNKNOWN)
    health, reason = _health(server, found, stands)
    return ServerStatus(
        id=server.id,
        label=server.label,
        address=str(server.address),
        port=server.port or next((key.port for key in mine), 0),
        weight=server.weight,
        state=server.state,
        health=health,
        reason=reason,
        connections=found.connections,
        queued=0,
        sessions_total=found.sessions,
        sessions_per_s=per_s(found.sessions, earlier.sessions, now, before),
        bytes_per_s=per_s(found.octets, earlier.octets, now, before),
        check_ms=stands.check_ms,
        since_s=int(stands.since_s or 0),
    )


def _health(server: Layer4Server, found: _Sum, stands: Standing) -> tuple[Health, str]:
    if (out := taken_out(server.state)) is not None:
        return out
    if not found.there:
        return Health.DOWN, "the kernel does not have it yet"
    return (Health.UP if stands.up else Health.DOWN), stands.reason


def _of_service(keys: Iterable[ServiceKey], sample: Sample) -> _Sum:
    table: Mapping[ServiceKey, Statistics] = sample.layer4 or {}
    return _summed((table[key].counters, Live()) for key in keys if key in table)


def _of_server(server: Layer4Server, keys: Iterable[ServiceKey], sample: Sample) -> _Sum:
    table: Mapping[ServiceKey, Statistics] = sample.layer4 or {}
    entries = []
    for key in keys:
        of, dest = table.get(key), dest_key(server, key)
        if of is not None and dest in of.dests:
            entries.append((of.dests[dest], of.live.get(dest, Live())))
    return _summed(entries)


def _summed(entries: Iterable[tuple[Counters, Live]]) -> _Sum:
    listed = list(entries)
    return _Sum(
        there=bool(listed),
        connections=sum(live.active for _, live in listed),
        sessions=sum(counters.connections for counters, _ in listed),
        octets=sum(counters.bytes_in + counters.bytes_out for counters, _ in listed),
    )
