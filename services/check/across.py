# SPDX-License-Identifier: Apache-2.0
"""Rules between services, and between a service and the unit it runs on.

Conflicts of address and port are judged across all services and the appliance's own ports,
by a sweep over each address's ranges: a thousand services on one VIP cost no more than a
sort. Each service at fault is named once with one it meets, not with all of them.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import NamedTuple

from services.check.network import spoken_for
from services.check.service import Path, Placed, placed, same_id, same_label, socket
from services.errors import Problem
from services.model import AnyService, Document, Layer4Service, Local
from services.model.base import Address, port_ranges
from services.model.layer4 import Protocol

OWN_PORTS: Mapping[int, str] = {22: "SSH"}
"""Ports the appliance itself listens on at every address, so that a layer 7 VIP on them could
not be bound, or would take the way in from whoever administers it. The built-in fallback page's
is not among them: it listens on addresses that are no VIP's."""


class _Listen(NamedTuple):
    """A range of ports on which a service listens at one address."""

    first: int
    last: int
    service: int
    """Its place among all services."""


class _Where(NamedTuple):
    """An address, and of which protocol its ports are."""

    address: Address
    udp: bool = False


_Listens = Mapping[_Where, Sequence[_Listen]]


def across(document: Document) -> Iterator[Problem]:
    """The problems between the services of `document`, its interfaces and its own ports."""
    services = placed(document)
    yield from _names(services)
    yield from _marks(services)
    yield from _unit_addresses(services, document.local)
    listens: dict[_Where, list[_Listen]] = defaultdict(list)
    for index, (path, service) in enumerate(services):
        ranges = port_ranges(service.ports)
        if not isinstance(service, Layer4Service):
            yield from _own_ports(path, service, ranges)
        for address in dict.fromkeys(service.addresses):
            for udp in _protocols(service):
                listens[_Where(address, udp)] += (_Listen(*ports, index) for ports in ranges)
    for where, found in listens.items():
        yield from _shared_ports(services, where, found)
    yield from _ways_to_vips(services, listens)


def _protocols(service: AnyService) -> tuple[bool, ...]:
    """Whose ports it takes: of TCP, False, of UDP, True; those of a mark nobody knows."""
    if not isinstance(service, Layer4Service):
        return (False,)
    match service.protocol:
        case Protocol.TCP:
            return (False,)
        case Protocol.UDP | Protocol.ONE_PACKET:
            return (True,)
        case Protocol.TCP_UDP:
            return (False, True)
        case Protocol.MARK:
            return ()


def _names(services: Sequence[Placed]) -> Iterator[Problem]:
    labels: dict[str, AnyService] = {}
    ids: dict[int, AnyService] = {}
    for path, service in services:
        first = labels.setdefault(service.label.lower(), service)
        if first is not service:
            yield same_label(path, service.label, first.label, "service")
        first = ids.setdefault(service.id, service) if service.id else service
        if first is not service:
            yield same_id(path, service.label, first.label, service.id)


def _marks(services: Sequence[Placed]) -> Iterator[Problem]:
    """A mark is the whole key of a service in the kernel: two would be one."""
    marks: dict[int, AnyService] = {}
    for path, service in services:
        if not isinstance(service, Layer4Service) or not service.mark:
            continue
        first = marks.setdefault(service.mark, service)
        if first is not service:
            own = service.protocol is Protocol.MARK
            yield Problem(
                (*path, "mark"),
                f"{service.label} has the firewall mark {service.mark}, which is {first.label}'s.",
                "Write another number, and let your rules set it."
                if own
                else "Write 0; the appliance gives a new one.",
            )


def _unit_addresses(services: Sequence[Placed], local: Local) -> Iterator[Problem]:
    """A VIP is an address nobody else has: it appears on whichever unit is active."""
    taken = spoken_for(local)
    owners = {own.ip: card.name for card in local.interfaces for own in card.addresses}
    for place, service in services:
        for position, address in enumerate(service.addresses):
            path = (*place, "addresses", position)
            if address in owners:
                yield Problem(
                    path,
                    f"{service.label} has {address}, which is {owners[address]}'s own address; a "
                    "VIP must be able to move to the peer, an interface's address stays.",
                    "Give the service an address that no interface has.",
                )
            elif address in taken:
                yield Problem(
                    path,
                    f"{service.label} has {address}, which is {taken[address]}.",
                    "Give the service an address that nobody else has.",
                )


def _own_ports(
    path: Path, service: AnyService, ranges: Sequence[tuple[int, int]]
) -> Iterator[Problem]:
    for port, owner in OWN_PORTS.items():
        if any(first <= port <= last for first, last in ranges):
            yield Problem(
                (*path, "ports"),
                f"{service.label} takes port {port}, where the appliance's own {owner} listens.",
                f"Leave out {port}, or publish it as another port; the servers may keep theirs.",
            )


def _shared_ports(
    services: Sequence[Placed], where: _Where, listens: Sequence[_Listen]
) -> Iterator[Problem]:
    """Services that listen at the same port of an address, by a sweep over its ranges."""
    holder: _Listen | None = None
    told: set[tuple[int, int]] = set()
    for found in sorted(listens):
        if holder is not None and found.first <= holder.last:
            early, late = sorted((holder, found), key=lambda listen: listen.service)
            if (early.service, late.service) not in told:
                told.add((early.service, late.service))
                by = " by UDP" if where.udp else ""
                path, service = services[late.service]
                yield Problem(
                    (*path, "ports"),
                    f"{service.label} and {services[early.service].service.label} both "
                    f"listen on {socket(where.address, found.first)}{by}.",
                    "Give one of them another port or address.",
                )
        if holder is None or found.last > holder.last:
            holder = found


class _Target(NamedTuple):
    """Where a service sends connections: a VIP of this appliance."""

    path: Path
    name: str
    address: Address
    port: int


def _targets(place: Placed, vips: Collection[Address]) -> Iterator[_Target]:
    path, service = place
    for position, server in enumerate(service.servers):
        if server.address in vips:
            here = (*path, "servers", position, "address")
            yield _Target(here, server.label, server.address, server.port)
    fallback = service.fallback_address
    if fallback is not None and fallback in vips:
        here = (*path, "fallback_address")
        yield _Target(here, "The fallback server", fallback, service.fallback_port)


def _ways_to_vips(services: Sequence[Placed], listens: _Listens) -> Iterator[Problem]:
    """Servers that are VIPs of this appliance: nobody listens there, or connections run in a ring.

    One service may well stand behind another of layer 7; only a way back is refused. In layer 4
    the kernel takes its own address for a server of its own, and hands over no connection.
    """
    vips = {where.address for where in listens}
    ways: dict[int, list[tuple[int, Path]]] = defaultdict(list)
    owners: dict[Address, dict[int, int]] = {}
    for index, place in enumerate(services):
        label = place.service.label
        for path, name, address, port in _targets(place, vips):
            if isinstance(place.service, Layer4Service):
                yield Problem(
                    path,
                    f"{name} of {label} is {address}, a VIP of this appliance, and a layer 4 "
                    "service sends to other machines only.",
                    "Give it the address of a real server.",
                )
                continue
            if address not in owners:
                owners[address] = _owners(listens.get(_Where(address), ()))
            owner = owners[address].get(port)
            if owner is None:
                yield Problem(
                    path,
                    f"{name} of {label} is {address}, a VIP of this appliance, and no "
                    f"service listens there on port {port}.",
                    "Give it the address of a real server.",
                )
            elif owner == index:
                yield Problem(
                    path,
                    f"{name} of {label} is the service's own VIP and port, "
                    f"{socket(address, port)}: every connection would run in a ring.",
                    "Give it the address of a real server.",
                )
            else:
                ways[index].append((owner, path))
    for ring, path in _ways_back(ways):
        names = [services[index].service.label for index in ring]
        told = " to ".join([*names[:5], "…", *names[-2:]] if len(names) > 8 else names)
        yield Problem(
            path,
            f"Connections would run in a ring, from {told}.",
            "Give one of these services real servers of its own.",
        )


def _owners(listens: Sequence[_Listen]) -> dict[int, int]:
    """Which service listens, by port."""
    return {
        port: listen.service
        for listen in reversed(listens)
        for port in range(listen.first, listen.last + 1)
    }


def _ways_back(ways: Mapping[int, Sequence[tuple[int, Path]]]) -> Iterator[tuple[list[int], Path]]:
    """Every way that leads back to a service it came from, with the ring it closes.

    Depth first with a stack of its own: a chain of services may be longer than Python's.
    """
    done: set[int] = set()
    for start in ways:
        if start in done:
            continue
        trail = {start: iter(ways[start])}  # in order, the way we came
        while trail:
            here = next(reversed(trail))
            for target, path in trail[here]:
                if target in trail:
                    came = list(trail)
                    yield [*came[came.index(target) :], target], path
                elif target not in done:
                    trail[target] = iter(ways.get(target, ()))
                    break
            else:
                done.add(here)
                del trail[here]
