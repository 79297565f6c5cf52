# SPDX-License-Identifier: Apache-2.0
"""Rules between services, and between a service and the unit it runs on.

Conflicts of address and port are judged across all services and the appliance's own ports,
by a sweep over each address's ranges: a thousand services on one VIP cost no more than a
sort. Each service at fault is named once with one it meets, not with all of them.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from services.check.layer7 import Path, same_id, same_label, socket
from services.check.network import edges
from services.errors import Problem
from services.model import Document, Local, VirtualService
from services.model.base import Address, port_ranges

OWN_PORTS: Mapping[int, str] = {22: "SSH"}
"""Ports the appliance itself listens on at every address, so that a VIP on them could not be
bound, or would take the way in from whoever administers it. The built-in fallback page's
port, 9081, is not among them: it listens on the loopback address only, which is no VIP."""

SERVICES: Path = ("cluster", "layer7")


class _Listen(NamedTuple):
    """A range of ports on which a service listens at one address."""

    first: int
    last: int
    service: int
    """Its place in the document."""


_Listens = Mapping[Address, Sequence[_Listen]]


def across(document: Document) -> Iterator[Problem]:
    """The problems between the services of `document`, its interfaces and its own ports."""
    services = document.cluster.layer7
    yield from _names(services)
    yield from _unit_addresses(services, document.local)
    listens: dict[Address, list[_Listen]] = defaultdict(list)
    for index, service in enumerate(services):
        ranges = port_ranges(service.ports)
        yield from _own_ports(index, service, ranges)
        for address in dict.fromkeys(service.addresses):
            listens[address] += (_Listen(*ports, index) for ports in ranges)
    for address, found in listens.items():
        yield from _shared_ports(services, address, found)
    yield from _rings(services, listens)


def _names(services: Sequence[VirtualService]) -> Iterator[Problem]:
    labels: dict[str, int] = {}
    ids: dict[int, int] = {}
    for index, service in enumerate(services):
        first = labels.setdefault(service.label.lower(), index)
        if first != index:
            yield same_label((*SERVICES, index), service.label, services[first].label, "service")
        first = ids.setdefault(service.id, index) if service.id else index
        if first != index:
            yield same_id((*SERVICES, index), service.label, services[first].label, service.id)


def _unit_addresses(services: Sequence[VirtualService], local: Local) -> Iterator[Problem]:
    """A VIP is an address nobody else has: it appears on whichever unit is active."""
    taken: dict[Address, str] = {}
    for card in local.interfaces:
        for own in card.addresses:
            for edge, kind in zip(edges(own.network), ("network", "broadcast"), strict=False):
                taken[edge] = f"the {kind} address of {own.network}"
    taken |= {found: "the gateway" for found in (local.gateway, local.gateway6) if found}
    owners = {own.ip: card.name for card in local.interfaces for own in card.addresses}
    for index, service in enumerate(services):
        for place, address in enumerate(service.addresses):
            path = (*SERVICES, index, "addresses", place)
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
    index: int, service: VirtualService, ranges: Sequence[tuple[int, int]]
) -> Iterator[Problem]:
    for port, owner in OWN_PORTS.items():
        if any(first <= port <= last for first, last in ranges):
            yield Problem(
                (*SERVICES, index, "ports"),
                f"{service.label} takes port {port}, where the appliance's own {owner} listens.",
                f"Leave out {port}, or publish it as another port; the servers may keep theirs.",
            )


def _shared_ports(
    services: Sequence[VirtualService], address: Address, listens: Sequence[_Listen]
) -> Iterator[Problem]:
    """Services that listen at the same port of `address`, by a sweep over its ranges."""
    holder: _Listen | None = None
    told: set[tuple[int, int]] = set()
    for found in sorted(listens):
        if holder is not None and found.first <= holder.last:
            early, late = sorted((holder, found), key=lambda listen: listen.service)
            if (early.service, late.service) not in told:
                told.add((early.service, late.service))
                yield Problem(
                    (*SERVICES, late.service, "ports"),
                    f"{services[late.service].label} and {services[early.service].label} both "
                    f"listen on {socket(address, found.first)}.",
                    "Give one of them another port or address.",
                )
        if holder is None or found.last > holder.last:
            holder = found


def _rings(services: Sequence[VirtualService], listens: _Listens) -> Iterator[Problem]:
    """Services whose servers lead back to themselves: every connection would run in a ring.

    One service may well stand behind another; only a way back is refused.
    """
    ways: dict[int, list[tuple[int, Path]]] = defaultdict(list)
    owners: dict[Address, dict[int, int]] = {}
    for index, service in enumerate(services):
        here = (*SERVICES, index)
        targets = [
            ((*here, "servers", place, "address"), server.label, server.address, server.port)
            for place, server in enumerate(service.servers)
            if server.address in listens
        ]
        if (fallback := service.fallback_address) is not None and fallback in listens:
            path = (*here, "fallback_address")
            targets.append((path, "The fallback server", fallback, service.fallback_port))
        for path, name, address, port in targets:
            if address not in owners:
                owners[address] = _owners(listens[address])
            owner = owners[address].get(port)
            if owner is None:
                yield Problem(
                    path,
                    f"{name} of {service.label} is {address}, a VIP of this appliance, and no "
                    f"service listens there on port {port}.",
                    "Give it the address of a real server.",
                )
            elif owner == index:
                yield Problem(
                    path,
                    f"{name} of {service.label} is the service's own VIP and port, "
                    f"{socket(address, port)}: every connection would run in a ring.",
                    "Give it the address of a real server.",
                )
            else:
                ways[index].append((owner, path))
    for ring, path in _ways_back(ways):
        names = [services[index].label for index in ring]
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
