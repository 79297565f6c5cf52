# SPDX-License-Identifier: Apache-2.0
"""What the Overview shows of layer 4 services, made of the kernel's counters; pure."""

from __future__ import annotations

from collections.abc import Iterable

from services.api import Health, ServerStatus, ServiceStatus
from services.drivers.sample import Sample
from services.health.shares import Standing
from services.model import Layer4Server, Layer4Service
from services.plan.ipvs import ServiceKey
from services.render.ipvs import serves, service_keys
from services.reports.flows import Carried, Counted, of_server, of_service, shown_ports
from services.reports.status_words import service_health, taken_out

UNKNOWN = Standing(up=True, reason="not checked yet", checked=False)


def layer4_status(service: Layer4Service, now: Sample) -> ServiceStatus:
    """One service."""
    keys, counted = service_keys(service), now.layer4 or {}
    servers = tuple(
        _server(service, keys, server, counted, now.standings.get((service.id, server.id), UNKNOWN))
        for server in service.servers
    )
    found = of_service(keys, counted)
    trouble = "the kernel has no IPVS, or does not answer" if now.layer4 is None else ""
    health, reason = service_health(servers, trouble=trouble)
    return ServiceStatus(
        id=service.id,
        label=service.label,
        addresses=tuple(map(str, service.addresses)),
        ports=shown_ports(service),
        kind=f"L4 {service.forwarding.name}",
        health=health,
        reason=reason,
        connections=sum(server.connections for server in servers),
        sessions_total=found.counters.connections,
        sessions_per_s=found.counters.connections_per_s,
        bytes_per_s=found.octets_per_s,
        servers=servers,
    )


def _server(
    service: Layer4Service,
    keys: Iterable[ServiceKey],
    server: Layer4Server,
    counted: Counted,
    stands: Standing,
) -> ServerStatus:
    mine = [key for key in keys if serves(service, server, key)]
    found = of_server(server, mine, counted)
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
        connections=found.live.active,
        queued=0,
        sessions_total=found.counters.connections,
        sessions_per_s=found.counters.connections_per_s,
        bytes_per_s=found.octets_per_s,
        check_ms=stands.check_ms,
        since_s=int(stands.since_s or 0),
    )


def _health(server: Layer4Server, found: Carried, stands: Standing) -> tuple[Health, str]:
    if (out := taken_out(server.state)) is not None:
        return out
    if not found.there:
        return Health.DOWN, "the kernel does not have it yet"
    return (Health.UP if stands.up else Health.DOWN), stands.reason
