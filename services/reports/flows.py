# SPDX-License-Identifier: Apache-2.0
"""The kernel's figures of a layer 4 service and its servers, each as one; pure.

A service may be several entries of the kernel, one for each of its addresses, and so may a
server of it. Rates are the kernel's own, over the last seconds: one look is enough for them, and
on a large unit looks may be far apart.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from services.api_reports import Flow, Layer4Report
from services.api_reports import Layer4Server as ServerView
from services.api_reports import Layer4Service as ServiceView
from services.drivers.ipvs import Statistics
from services.drivers.ipvs_wire import Counters
from services.model import Document, Layer4Server, Layer4Service
from services.model.layer4 import Protocol
from services.plan.ipvs import Live, ServiceKey, Table
from services.render.ipvs import dest_key, serves, service_keys

Counted = Mapping[ServiceKey, Statistics]


class Carried(NamedTuple):
    """The figures of several entries of the kernel, added up."""

    there: bool
    """Whether there is an entry at all."""
    counters: Counters
    live: Live

    @property
    def octets_per_s(self) -> int:
        """Both directions."""
        return self.counters.bytes_in_per_s + self.counters.bytes_out_per_s


def of_service(keys: Iterable[ServiceKey], counted: Counted) -> Carried:
    """What a service carries that is `keys` in the kernel; connections are its servers'."""
    found = [counted[key] for key in keys if key in counted]
    live = [now for each in found for now in each.live.values()]
    return _added((each.counters for each in found), live, there=bool(found))


def of_server(server: Layer4Server, keys: Iterable[ServiceKey], counted: Counted) -> Carried:
    """What a server carries below `keys`."""
    entries = [
        (of.dests[dest], of.live.get(dest, Live()))
        for key in keys
        if (of := counted.get(key)) is not None and (dest := dest_key(server, key)) in of.dests
    ]
    return _added(
        (counters for counters, _ in entries), [live for _, live in entries], there=bool(entries)
    )


def layer4_report(document: Document, table: Table, counted: Counted, *, at: float) -> Layer4Report:
    """The report of all layer 4 services, in their order; `table` is what they are wanted as."""
    services = tuple(_service(service, table, counted) for service in document.cluster.layer4)
    return Layer4Report(at=at, services=services)


def _service(service: Layer4Service, table: Table, counted: Counted) -> ServiceView:
    keys = service_keys(service)
    return ServiceView(
        label=service.label,
        addresses=tuple(map(str, service.addresses)),
        ports=shown_ports(service),
        protocol=service.protocol.value,
        forwarding=service.forwarding.value,
        scheduler=service.scheduler.value,
        flow=_flow(of_service(keys, counted)),
        servers=tuple(
            _server(server, [key for key in keys if serves(service, server, key)], table, counted)
            for server in service.servers
        ),
    )


def _server(
    server: Layer4Server, keys: Sequence[ServiceKey], table: Table, counted: Counted
) -> ServerView:
    carried = of_server(server, keys, counted)
    wanted = [
        found
        for key in keys
        if key in table and (found := table[key].dests.get(dest_key(server, key))) is not None
    ]
    return ServerView(
        label=server.label,
        address=str(server.address),
        port=server.port,
        weight=max((dest.weight for dest in wanted), default=0),
        there=carried.there,
        flow=_flow(carried),
    )


def shown_ports(service: Layer4Service) -> str:
    """Its ports, or the mark by which its packets are known."""
    return service.ports if service.protocol is not Protocol.MARK else f"mark {service.mark}"


def _flow(carried: Carried) -> Flow:
    live = carried.live
    return Flow(
        active=live.active,
        inactive=live.inactive,
        persistent=live.persistent,
        **carried.counters._asdict(),
    )


def _added(counters: Iterable[Counters], live: Iterable[Live], *, there: bool) -> Carried:
    return Carried(
        there,
        Counters(*map(sum, zip(Counters(), *counters, strict=True))),
        Live(*map(sum, zip(Live(), *live, strict=True))),
    )
