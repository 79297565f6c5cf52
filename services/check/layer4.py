# SPDX-License-Identifier: Apache-2.0
"""Rules inside one layer 4 service, and what it demands of the unit's networks."""

from __future__ import annotations

from collections.abc import Iterator

from services.check import mh
from services.check.health import health
from services.check.service import Path, families
from services.errors import Problem
from services.model import Forwarding, Layer4Service, Local, Scheduler
from services.model.layer4 import (
    DIRECT,
    HASHING,
    OWN_MARKS,
    Protocol,
    Tunnel,
    TunnelChecksum,
    several_ports,
)
from services.model.service import PAGE_PORT


def layer4(path: Path, service: Layer4Service, local: Local) -> Iterator[Problem]:
    """The problems of the service at `path` that can be seen without the other services."""
    yield from _mark(path, service)
    yield from _ports(path, service)
    yield from _weights(path, service)
    yield from _hashing(path, service)
    yield from _checksum(path, service)
    yield from _fallback(path, service)
    yield from health(path, service)
    # the kernel knows another family behind a service in tunnels only
    if service.forwarding is not Forwarding.TUN:
        yield from families(path, service)
    if service.forwarding is Forwarding.DR:
        yield from _attached(path, service, local)


def _mark(path: Path, service: Layer4Service) -> Iterator[Problem]:
    here = (*path, "mark")
    if service.protocol is Protocol.MARK:
        if not 0 < service.mark < OWN_MARKS:
            yield Problem(
                here,
                f"{service.label} is known by a firewall mark of your own, which is from 1 to "
                f"{OWN_MARKS - 1}.",
                "Write the number that your rules set.",
            )
    elif service.mark % OWN_MARKS:
        yield Problem(
            here,
            f"{service.label} has the mark {service.mark}, but its packets are known by address "
            "and port.",
            "Choose the protocol mark, or leave the mark at 0.",
        )


def _ports(path: Path, service: Layer4Service) -> Iterator[Problem]:
    for place, server in enumerate(service.servers):
        if not server.port:
            continue
        here = (*path, "servers", place, "port")
        if service.forwarding in DIRECT:
            method = service.forwarding.name
            yield Problem(
                here,
                f"{server.label} has a port of its own, but in {method} it gets the packets as "
                "they came, with the virtual service's port.",
                "Write 0, or choose NAT for the service.",
            )
        elif several_ports(service):
            yield Problem(
                here,
                f"{server.label} has one port, but {service.label} has several: all of them would "
                "meet there.",
                "Write 0, which keeps each port, or make a service of each port.",
            )


def _weights(path: Path, service: Layer4Service) -> Iterator[Problem]:
    if service.scheduler is not Scheduler.MH:
        return
    places = sum(mh.turns([server.weight for server in service.servers]))
    if places > mh.PLACES:
        yield Problem(
            (*path, "scheduler"),
            f"The scheduler mh shares out {mh.PLACES:,} places, and the servers of "
            f"{service.label} ask for {places:,}: some would never get their share.",
            "Use smaller weights, or weights with a common divisor; or choose sh.",
        )


def _hashing(path: Path, service: Layer4Service) -> Iterator[Problem]:
    """The kernel takes these switches with any scheduler, and the others never look at them."""
    if service.scheduler in HASHING:
        return
    for field, on in (("hash_port", service.hash_port), ("hash_fallback", service.hash_fallback)):
        if on:
            yield Problem(
                (*path, field),
                f"{service.label} is balanced by {service.scheduler}, which hashes nothing.",
                "Switch it off, or choose the scheduler sh or mh.",
            )


def _checksum(path: Path, service: Layer4Service) -> Iterator[Problem]:
    here = (*path, "tunnel_checksum")
    if service.forwarding is not Forwarding.TUN or service.tunnel_checksum is TunnelChecksum.NONE:
        return
    if service.tunnel is Tunnel.IPIP:
        yield Problem(
            here,
            f"{service.label} is tunnelled by IPIP, which has no checksum of its own.",
            "Choose none, or the tunnel GUE or GRE.",
        )
    elif service.tunnel is Tunnel.GRE and service.tunnel_checksum is TunnelChecksum.REMOTE:
        yield Problem(
            here,
            f"{service.label} is tunnelled by GRE, whose checksum cannot be left to the "
            "server's card.",
            "Choose full or none, or the tunnel GUE.",
        )


def _fallback(path: Path, service: Layer4Service) -> Iterator[Problem]:
    address = service.fallback_address
    if address is None:
        return
    if address.is_loopback:
        if service.fallback_port != PAGE_PORT:
            yield Problem(
                (*path, "fallback_port"),
                f"Only the built-in page can answer for {service.label} at {address}, and it "
                f"listens on port {PAGE_PORT}.",
                f"Write {PAGE_PORT}, or the address of another server.",
            )
    elif address.version not in {vip.version for vip in service.addresses}:
        yield Problem(
            (*path, "fallback_address"),
            f"The fallback server of {service.label} has an IPv{address.version} address, but the "
            f"service has no IPv{address.version} VIP.",
            "Give it an address of the VIP's family.",
        )


def _attached(path: Path, service: Layer4Service, local: Local) -> Iterator[Problem]:
    """DR rewrites the hardware address alone: the server must be a neighbour."""
    networks = [own.network for card in local.interfaces for own in card.addresses]
    for place, server in enumerate(service.servers):
        if not any(server.address in network for network in networks):
            yield Problem(
                (*path, "servers", place, "address"),
                f"{server.label} ({server.address}) is in no network of this unit's interfaces, "
                "and DR reaches neighbours only.",
                "Give an interface an address in the server's network, or choose TUN or NAT.",
            )
