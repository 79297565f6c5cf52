# SPDX-License-Identifier: Apache-2.0
"""What the Overview shows, made of a document and two samples of counters; pure.

The colours are the guide's: green when every server answers, yellow when one or more
failed, red when all failed, blue when all were taken offline on purpose.
"""

from __future__ import annotations

from services.api import Health, ServerStatus, ServiceStatus
from services.drivers.sample import Sample, ServerCounters, ServiceCounters
from services.model import Document, RealServer, VirtualService
from services.reports.layer4_status import layer4_status
from services.reports.status_words import per_s, service_health, taken_out


def services_status(document: Document, now: Sample, before: Sample) -> tuple[ServiceStatus, ...]:
    """Every service of the document, in its order; rates are between the two samples."""
    return (
        *(layer4_status(service, now) for service in document.cluster.layer4),
        *(_service(service, now, before) for service in document.cluster.layer7),
    )


def _service(service: VirtualService, now: Sample, before: Sample) -> ServiceStatus:
    servers = tuple(_server(service, server, now, before) for server in service.servers)
    counters = now.services.get(service.id, ServiceCounters())
    earlier = before.services.get(service.id)
    health, reason = service_health(
        servers, trouble="" if now.running else "HAProxy is not running"
    )
    return ServiceStatus(
        id=service.id,
        label=service.label,
        addresses=tuple(str(address) for address in service.addresses),
        ports=service.ports,
        kind=f"L7 {service.mode.value}",
        health=health,
        reason=reason,
        connections=counters.connections,
        sessions_total=counters.sessions_total,
        sessions_per_s=counters.sessions_per_s,
        bytes_per_s=per_s(
            counters.bytes_total, earlier.bytes_total if earlier else None, now, before
        ),
        servers=servers,
    )


def _server(
    service: VirtualService, server: RealServer, now: Sample, before: Sample
) -> ServerStatus:
    key = (service.id, server.id)
    counters = now.servers.get(key)
    earlier = before.servers.get(key)
    health, reason = _server_health(server, counters, now)
    found = counters or ServerCounters(up=False, reason="")
    return ServerStatus(
        id=server.id,
        label=server.label,
        address=str(server.address),
        port=server.port,
        weight=server.weight,
        state=server.state,
        health=health,
        reason=reason,
        connections=found.connections,
        queued=found.queued,
        sessions_total=found.sessions_total,
        sessions_per_s=found.sessions_per_s,
        bytes_per_s=per_s(found.bytes_total, earlier.bytes_total if earlier else None, now, before),
        check_ms=found.check_ms,
        since_s=found.since_s,
    )


def _server_health(
    server: RealServer, counters: ServerCounters | None, now: Sample
) -> tuple[Health, str]:
    if (out := taken_out(server.state)) is not None:
        return out
    if not now.running:
        return Health.DOWN, "HAProxy is not running"
    if counters is None:
        return Health.DOWN, "HAProxy does not know it yet"
    return (Health.UP if counters.up else Health.DOWN), counters.reason
