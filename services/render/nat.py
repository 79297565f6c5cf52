# SPDX-License-Identifier: Apache-2.0
"""Rules that change addresses: SNAT forwarding, one-arm NAT, 1:1 NAT, auto-NAT.

Masquerading asks conntrack where a connection went at first, since IPVS has rewritten the
packet by then; so a server that clients also reach by themselves is left alone. Conntrack knows
IPVS's connections only when it is told of them. While nobody asks for that, what IPVS carries
has no connection, and no rule here meets it; once somebody does, it is let out unchanged before
the rules for everything else.

A server's own connections leave with its outside address if it has one, else by auto-NAT with
the unit's. Who came in by an outside address keeps their own, also where in and out are one
card. So does what the unit itself sends: a probe of a VIP must not come from another address.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from ipaddress import IPv4Network, IPv6Network
from typing import NamedTuple

from services.model import Document, Forwarding, Layer4Service, Local, NatEntry, NatProtocol
from services.model.base import Address
from services.model.layer4 import Protocol
from services.render.devices import Devices

FAMILIES = {4: "ip", 6: "ip6"}
"""nft's names by IP version."""

_PROTOCOL_FAMILY = {4: "ipv4", 6: "ipv6"}
_PROTOCOLS = {
    Protocol.TCP: "tcp",
    Protocol.UDP: "udp",
    Protocol.ONE_PACKET: "udp",
    Protocol.TCP_UDP: "{ tcp, udp }",
}
_LET_IN = {
    NatProtocol.TCP: "meta l4proto tcp",
    NatProtocol.UDP: "meta l4proto udp",
    NatProtocol.TCP_UDP: "meta l4proto { tcp, udp }",
}


def wants_conntrack(document: Document) -> bool:
    """Whether IPVS must tell conntrack of its connections: rules look for them, and it costs."""
    one_arm = document.cluster.layer4_advanced.one_arm_nat
    return any(
        service.forwarding is Forwarding.SNAT or (one_arm and service.forwarding is Forwarding.NAT)
        for service in document.cluster.layer4
    )


def inbound(document: Document) -> Iterator[str]:
    """1:1 NAT before routing: from the outside address to the server."""
    for entry in _entries(document):
        family = FAMILIES[entry.address.version]
        let_in = " ".join(filter(None, [_LET_IN.get(entry.protocol), _let_in_ports(entry)]))
        what = f"{family} daddr {entry.address} {let_in}".rstrip()
        yield f"{what} dnat {family} to {entry.server}"


def sources(document: Document) -> tuple[str, ...]:
    """What leaves with another source than it came with; the first rule that fits decides."""
    services = sorted(document.cluster.layer4, key=lambda service: service.id)
    carried = [
        rule
        for service in services
        for where in _wheres(service, document)
        for rule in _carried(service, where)
    ]
    came_in = ["ct status dnat accept"] if document.cluster.nat else []
    own = [*_one_arm_entries(document), *came_in, *_outgoing(document), *_auto(document)]
    if own and wants_conntrack(document):
        carried += _left_alone(services)
    return (*carried, *own)


def answers_here(document: Document) -> bool:
    """Whether IPv6 servers are to answer through this unit though the client is nearer.

    Of IPv4, the kernel is told not to send redirects; of IPv6, it can only be kept from it.
    """
    cluster = document.cluster
    behind = [
        address
        for service in cluster.layer4
        if service.forwarding is Forwarding.NAT
        for address in service.addresses
    ]
    behind += (entry.address for entry in cluster.nat)
    return any(address.version == 6 for address in behind) or 6 in _auto_families(document)


def ports(text: str) -> str:
    """A list of ports as a set of nft's."""
    return f"{{ {text.replace(',', ', ')} }}"


def addresses(of: Iterable[Address]) -> Iterator[tuple[str, str]]:
    """Nft's name of each family that is among the addresses, and a set of them."""
    found = tuple(of)
    for version, family in FAMILIES.items():
        if listed := [str(address) for address in found if address.version == version]:
            yield family, f"{{ {', '.join(listed)} }}"


def protocols(service: Layer4Service) -> str:
    """What a service that is known by ports speaks, to be compared with `meta l4proto`."""
    return _PROTOCOLS[service.protocol]


# ------------------------------------------------------------------- what IPVS carries


class _Where(NamedTuple):
    """Which packets of a service get another source."""

    family: str = ""
    """Empty: those of both."""
    words: str = ""
    """A condition; empty: all of them."""


def _wheres(service: Layer4Service, document: Document) -> Iterator[_Where]:
    if service.forwarding is Forwarding.SNAT:
        yield _Where()
    elif service.forwarding is Forwarding.NAT and document.cluster.layer4_advanced.one_arm_nat:
        # from a network of the unit's into the same one: the answer would go past the unit
        for network in _networks(document.local):
            family = FAMILIES[network.version]
            yield _Where(family, f"{family} saddr {network} {family} daddr {network} ")


def _networks(local: Local) -> Iterable[IPv4Network | IPv6Network]:
    return dict.fromkeys(own.network for card in local.interfaces for own in card.addresses)


def _carried(service: Layer4Service, where: _Where) -> Iterator[str]:
    if service.protocol is Protocol.MARK:
        yield f"meta mark {service.mark:#010x} {where.words}masquerade"
        return
    for family, vips in addresses(service.addresses):
        if where.family in {"", family}:
            yield (
                f"meta l4proto {protocols(service)} ct original {family} daddr {vips} "
                f"ct original proto-dst {ports(service.ports)} {where.words}masquerade"
            )


def _left_alone(services: Sequence[Layer4Service]) -> Iterator[str]:
    for service in services:
        if service.protocol is Protocol.MARK:
            yield f"meta mark {service.mark:#010x} accept"
    # once each: a set of nft's takes no address twice
    vips = dict.fromkeys(vip for service in services for vip in service.addresses)
    for family, listed in addresses(vips):
        yield f"ct original {family} daddr {listed} accept"


# ------------------------------------------------------------------ what servers send of themselves


def _entries(document: Document) -> list[NatEntry]:
    return sorted(document.cluster.nat, key=lambda entry: entry.id)


def _let_in_ports(entry: NatEntry) -> str:
    return f"th dport {ports(entry.ports)}" if entry.ports is not None else ""


def _one_arm_entries(document: Document) -> Iterator[str]:
    if not document.cluster.layer4_advanced.one_arm_nat:
        return
    for entry in _entries(document):
        family = FAMILIES[entry.address.version]
        for card in document.local.interfaces:
            for own in card.addresses:
                if entry.server in own.network:
                    called = f"ct original {family} daddr {entry.address}"
                    yield f"{called} {family} saddr {own.network} masquerade"


def _outgoing(document: Document) -> Iterator[str]:
    devices = Devices(document.local)
    for entry in _entries(document):
        family = FAMILIES[entry.address.version]
        out = f'oifname "{devices.of(entry.address)}"'
        yield f"{out} {family} saddr {entry.server} snat {family} to {entry.address}"


def _auto(document: Document) -> Iterator[str]:
    card = document.cluster.layer4_advanced.auto_nat
    for version in _auto_families(document):
        of_family = f"meta nfproto {_PROTOCOL_FAMILY[version]}"
        yield f'{of_family} oifname "{card}" fib saddr type != local masquerade'


def _auto_families(document: Document) -> list[int]:
    """Those that the external interface has an address of, to lend."""
    name = document.cluster.layer4_advanced.auto_nat
    return sorted(
        {
            own.version
            for card in document.local.interfaces
            for own in card.addresses
            if card.name == name
        }
    )
