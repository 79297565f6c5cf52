# SPDX-License-Identifier: Apache-2.0
"""What a document demands of one real server; pure.

A machine is known by its address: whatever services have that address among their servers
send it packets, and one set of commands must serve all of them. Of these services it gets the
VIPs of both families: a server with a second address in the other family is one machine, which
the document cannot tell, and a VIP that nobody sends to disturbs nobody on a loopback.

A NAT server answers by way of this unit: its gateway is an address that is always at the unit
which is active, so a VIP inside the server's network where there is one. Without one it is the
interface's own address, which in a pair stays behind when the other unit takes over.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from services.model import Document, Forwarding, Layer4Service
from services.model.base import Address, InterfaceAddress
from services.model.layer4 import DIRECT, Protocol, Tunnel
from services.render.ipvs import own_address

_PROTOCOLS = {
    Protocol.TCP: ("tcp",),
    Protocol.UDP: ("udp",),
    Protocol.ONE_PACKET: ("udp",),
    Protocol.TCP_UDP: ("tcp", "udp"),
    Protocol.MARK: ("tcp", "udp"),
}


@dataclass(frozen=True)
class Vip:
    """One VIP that a server takes packets for."""

    address: Address
    protocols: tuple[str, ...]
    """`tcp`, `udp`."""

    @property
    def version(self) -> int:
        """4 or 6."""
        return self.address.version

    @property
    def prefix(self) -> int:
        """Of a single host: 32 or 128."""
        return self.address.max_prefixlen


@dataclass(frozen=True)
class Device:
    """A Linux device that unwraps."""

    name: str
    """15 signs at most, as the kernel has them."""
    kind: str
    module: str
    any: bool = False
    """ip6tnl only: takes both IP versions."""


@dataclass(frozen=True)
class Gateway:
    """Where a NAT server sends its answers."""

    address: Address
    floating: bool
    """Whether it moves to the active unit of a pair."""


@dataclass(frozen=True)
class Facts:
    """Everything that is to be set on one real server."""

    rip: Address
    names: tuple[str, ...]
    """Of the server in its services: `web/web1`."""
    direct: tuple[tuple[str, Forwarding], ...]
    """Services by DR and TUN."""
    nat: tuple[str, ...]
    """Services by NAT."""
    vips: tuple[Vip, ...]
    """Of its DR and TUN services, in order of address."""
    tunnels: frozenset[Tunnel]
    gue_ports: tuple[int, ...]
    unit: Address | None
    """This unit's own address in the server's family: where tunnels come from."""
    gateway: Gateway | None
    """None: no NAT service, or the server is in no network of this unit."""

    @property
    def version(self) -> int:
        """IP version of the server's address."""
        return self.rip.version

    @property
    def vips4(self) -> tuple[Vip, ...]:
        """The IPv4 ones."""
        return tuple(vip for vip in self.vips if vip.version == 4)

    @property
    def vips6(self) -> tuple[Vip, ...]:
        """The IPv6 ones."""
        return tuple(vip for vip in self.vips if vip.version == 6)

    @property
    def devices(self) -> tuple[Device, ...]:
        """What a Linux server unwraps with; GUE hands on to the devices of plain tunnels."""
        found = []
        plain = self.tunnels - {Tunnel.GRE}
        if plain and self.version == 6:
            found.append(Device("ballast-ip6", "ip6tnl", "ip6_tunnel", any=True))
        if plain and self.version == 4 and self.vips4:
            found.append(Device("ballast-ipip", "ipip", "ipip"))
        if plain and self.version == 4 and self.vips6:
            found.append(Device("ballast-sit", "sit", "sit"))
        if Tunnel.GRE in self.tunnels:
            name, kind = ("ballast-gre", "gre") if self.version == 4 else ("ballast-gre6", "ip6gre")
            found.append(Device(name, kind, "ip_gre" if self.version == 4 else "ip6_gre"))
        return tuple(found)


def facts_of(document: Document, rip: Address) -> Facts:
    """What `document` demands of the real server at `rip`."""
    services = [
        (service, server)
        for service in document.cluster.layer4
        for server in service.servers
        if server.address == rip
    ]
    direct = tuple(service for service, _ in services if service.forwarding in DIRECT)
    nat = tuple(service for service, _ in services if service.forwarding is Forwarding.NAT)
    tunnelled = [service for service in direct if service.forwarding is Forwarding.TUN]
    return Facts(
        rip=rip,
        names=tuple(f"{service.label}/{server.label}" for service, server in services),
        direct=tuple((service.label, service.forwarding) for service in direct),
        nat=tuple(service.label for service in nat),
        vips=tuple(_vips(direct)),
        tunnels=frozenset(service.tunnel for service in tunnelled),
        gue_ports=tuple(sorted({one.tunnel_port for one in tunnelled if one.tunnel is Tunnel.GUE})),
        unit=_unit(document, rip),
        gateway=_gateway(document, rip, nat) if nat else None,
    )


def _vips(services: tuple[Layer4Service, ...]) -> Iterator[Vip]:
    protocols: dict[Address, set[str]] = {}
    for service in services:
        for vip in service.addresses:
            protocols.setdefault(vip, set()).update(_PROTOCOLS[service.protocol])
    for vip in sorted(protocols, key=lambda vip: (vip.version, int(vip))):
        yield Vip(vip, tuple(sorted(protocols[vip])))


def _attached(document: Document, rip: Address) -> InterfaceAddress | None:
    """The unit's own address in the server's network."""
    own = (address for card in document.local.interfaces for address in card.addresses)
    return next((address for address in own if rip in address.network), None)


def _unit(document: Document, rip: Address) -> Address | None:
    attached = _attached(document, rip)
    return attached.ip if attached else own_address(document.local, rip.version)


def _gateway(
    document: Document, rip: Address, services: tuple[Layer4Service, ...]
) -> Gateway | None:
    attached = _attached(document, rip)
    if attached is None:
        return None
    # those of its own services first: while these answer, their VIPs are up
    vips = (vip for each in (*services, *document.cluster.services) for vip in each.addresses)
    floating = next((vip for vip in vips if vip in attached.network), None)
    return Gateway(floating or attached.ip, floating=floating is not None)
