# SPDX-License-Identifier: Apache-2.0
"""What to ask about the services of a document; pure.

Every question has its control: a server is asked at its own address by the same kinds of
packet, so that silence at the VIP means something. Packets come from an address of this unit
that no failover moves. For NAT that is not enough, since a neighbour is answered directly by
whatever gateway; there the other question comes from an address outside the server's network:
of this unit if it has one elsewhere, else one of the networks kept for documentation, which
are nobody's (RFC 5737, 3849).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from ipaddress import ip_network

from services.doctor.asked import Frame, Kind, Knock, Path, Routed, WhoHas, Wrapped
from services.model import Document, Forwarding, Layer4Service
from services.model.base import Address, port_ranges
from services.model.document import AnyService
from services.model.layer4 import Layer4Server, Protocol
from services.render.ipvs import serves, service_keys

_KINDS = {
    Protocol.TCP: (Kind.TCP, Kind.ECHO),
    Protocol.UDP: (Kind.UDP, Kind.ECHO),
    Protocol.ONE_PACKET: (Kind.UDP, Kind.ECHO),
    Protocol.TCP_UDP: (Kind.TCP, Kind.UDP, Kind.ECHO),
    Protocol.MARK: (Kind.UDP, Kind.ECHO),
}
_NOBODYS = tuple(
    ip_network(text)
    for text in ("198.51.100.0/24", "203.0.113.0/24", "192.0.2.0/24", "2001:db8:ffff::/48")
)


@dataclass(frozen=True)
class Case:
    """One real server in one service, at one VIP or none."""

    service: Layer4Service
    server: Layer4Server
    vip: Address | None
    """DR and TUN only."""
    card: WhoHas | None
    """The question for the server's own card; None: it is no neighbour."""
    control: tuple[Knock, ...] = ()
    """At its own address, from nearby."""
    proof: tuple[Knock, ...] = ()
    """At the VIP, or for NAT from elsewhere."""
    hindrance: str = ""
    """Why there is no proof to be had, a sentence."""

    @property
    def port(self) -> int:
        """The TCP port that is asked; 0: none."""
        return next((knock.port for knock in self.control if knock.kind is Kind.TCP), 0)


class Cards:
    """The unit's own addresses, on their cards."""

    def __init__(self, document: Document) -> None:
        self._own = [
            (card.name, own) for card in document.local.interfaces for own in card.addresses
        ]

    def wire(self, address: Address) -> WhoHas | None:
        """The question for an address on the card whose network it is in."""
        for name, own in self._own:
            if address in own.network:
                return WhoHas(name, address)
        return None

    def near(self, address: Address) -> Address | None:
        """Our own address in its network; else the first of its family."""
        inside = (own.ip for _, own in self._own if address in own.network)
        return next(inside, None) or self.any(address.version)

    def any(self, version: int) -> Address | None:
        """The first own address of a family."""
        return next((own.ip for _, own in self._own if own.version == version), None)

    def elsewhere(self, address: Address) -> Address | None:
        """An address outside the network of `address`, to be answered by way of a gateway."""
        networks = [own.network for _, own in self._own]
        near = [network for network in networks if address in network]
        own = (
            own.ip
            for _, own in self._own
            if own.version == address.version and not any(own.ip in network for network in near)
        )
        nobodys = (
            network[-2]
            for network in _NOBODYS
            if network.version == address.version
            and not any(network.overlaps(other) for other in networks if _same(network, other))
        )
        return next(own, None) or next(nobodys, None)


def _same(one: object, other: object) -> bool:
    return type(one) is type(other)


def services_of(document: Document, service: int | None) -> tuple[AnyService, ...]:
    """The service of that id, or all."""
    return tuple(
        each for each in document.cluster.services if service is None or each.id == service
    )


def who_has(document: Document, services: Iterable[AnyService]) -> frozenset[WhoHas]:
    """Whom to ask for on the wire first: VIPs, and the servers behind them."""
    cards = Cards(document)
    addresses: set[Address] = set()
    for service in services:
        addresses.update(service.addresses)
        if isinstance(service, Layer4Service):
            addresses.update(server.address for server in service.servers)
    found = (cards.wire(address) for address in addresses)
    return frozenset(question for question in found if question is not None)


def cases(document: Document, services: Iterable[AnyService]) -> Iterator[Case]:
    """Everything that can be proven about the layer 4 services among these."""
    cards = Cards(document)
    for service in services:
        if isinstance(service, Layer4Service):
            for server in service.servers:
                yield from _of_server(cards, service, server)


def _of_server(cards: Cards, service: Layer4Service, server: Layer4Server) -> Iterator[Case]:
    if service.forwarding in {Forwarding.NAT, Forwarding.SNAT}:
        yield _translated(cards, service, server)
        return
    families = {key.version for key in service_keys(service) if serves(service, server, key)}
    for vip in service.addresses:
        if vip.version in families:
            yield _direct(cards, service, server, vip)


def _direct(cards: Cards, service: Layer4Service, server: Layer4Server, vip: Address) -> Case:
    rip = server.address
    card = cards.wire(rip)
    near, inner = cards.near(rip), _source(cards, rip, vip)
    if near is None or inner is None:
        return Case(service, server, vip, card, hindrance=_no_address(vip if near else rip))
    plain: Path = Frame(card.device, rip) if card else Routed()
    way: Path
    if service.forwarding is Forwarding.TUN:
        plain, way = Routed(), Wrapped(near, rip, service.tunnel, service.tunnel_port)
    elif card is not None:
        way = plain
    else:
        return Case(service, server, vip, None, hindrance="It is in no network of this unit.")
    return Case(
        service,
        server,
        vip,
        card,
        control=_knocks(service, near, rip, plain, _port(service)),
        proof=_knocks(service, inner, vip, way, _port(service)),
    )


def _source(cards: Cards, rip: Address, vip: Address) -> Address | None:
    """Whom the server is to answer: nearest to it, in the VIP's family."""
    return cards.near(rip) if rip.version == vip.version else cards.near(vip)


def _translated(cards: Cards, service: Layer4Service, server: Layer4Server) -> Case:
    rip = server.address
    card, near = cards.wire(rip), cards.near(rip)
    port = server.port or _port(service)
    if near is None:
        return Case(service, server, None, card, hindrance=_no_address(rip))
    path: Path = Frame(card.device, rip) if card else Routed()
    control = _knocks(service, near, rip, path, port)
    if service.forwarding is Forwarding.SNAT:
        return Case(service, server, None, card, control=control)
    far = cards.elsewhere(rip)
    if card is None or far is None:
        return Case(
            service,
            server,
            None,
            card,
            control=control,
            hindrance="It is behind a router, so the way of its answers cannot be seen from here.",
        )
    return Case(service, server, None, card, control, _knocks(service, far, rip, path, port))


def _no_address(address: Address) -> str:
    return f"This unit has no IPv{address.version} address of its own to ask from."


def _port(service: Layer4Service) -> int:
    return port_ranges(service.ports)[0][0]


def _knocks(
    service: Layer4Service, source: Address, target: Address, path: Path, port: int
) -> tuple[Knock, ...]:
    return tuple(
        Knock(kind, source, target, port if kind is Kind.TCP else 0, path)
        for kind in _KINDS[service.protocol]
    )
