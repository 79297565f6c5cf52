# SPDX-License-Identifier: Apache-2.0
"""Who is in a lab and under which addresses: values only, so every part agrees on them.

The addresses are those of a factory-new appliance (192.168.2.21/24 on eth0), so that what
a newcomer sees in the lab is what they will see on the machine. Every lab has the same
ones: namespaces keep two labs apart, not numbers.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

BRIDGE = "service"
"""The network everybody is on; its bridge is the gateway as well."""
GATEWAY = ("192.168.2.1/24", "fd00:2::1/64")
APPLIANCE = "appliance"
CLIENT = "client"
APPLIANCE_ADDRESSES = ("192.168.2.21/24", "fd00:2::21/64")
"""What the first document gives to eth0. The lab itself leaves eth0 bare, as a machine is."""
VIP = "192.168.2.100"
"""The address of the first document's layer 7 service."""
DIRECT_VIP = "192.168.2.99"
"""The address of its layer 4 service, which every real server has on its loopback, too."""
MAX_SERVERS = 90
"""Addresses from .101 to .190 are the servers', those from .200 the clients'."""
WEB_PORT = 80

BUSY: Mapping[str, str] = {
    "net/ipv4/tcp_tw_reuse": "1",
    "net/ipv4/ip_local_port_range": "1024 65535",
}
"""Whoever opens many connections needs them, or runs out of ports within seconds."""

SILENT: Mapping[str, str] = {
    "net/ipv4/conf/all/arp_ignore": "1",
    "net/ipv4/conf/all/arp_announce": "2",
}
"""Of a real server that has a VIP on its loopback: who asks for it gets the appliance."""

AS_IN_THE_IMAGE: Mapping[str, str] = {
    **BUSY,
    "net/ipv4/ip_nonlocal_bind": "1",
    "net/ipv6/ip_nonlocal_bind": "1",
    "net/ipv4/conf/all/arp_notify": "1",
    "net/ipv4/conf/default/arp_notify": "1",
    "net/ipv6/conf/all/ndisc_notify": "1",
    "net/ipv6/conf/default/ndisc_notify": "1",
    "net/unix/max_dgram_qlen": "4096",
}
"""The kernel settings that the appliance's image ships with."""


@dataclass(frozen=True)
class Link:
    """One network card of a node, and where its cable ends."""

    name: str
    cable: str
    """Name of the other end, in the namespace of the bridge."""
    bridged: bool = True
    """False: the card has a carrier and leads nowhere."""
    addresses: tuple[str, ...] = ()


@dataclass(frozen=True)
class Node:
    """One machine of the lab: a network namespace with a host name of its own."""

    name: str
    links: tuple[Link, ...]
    sysctls: Mapping[str, str] = field(default_factory=dict)
    """Value by path below /proc/sys."""
    loopback: tuple[str, ...] = ()
    """Addresses that it has beside 127.0.0.1 and ::1."""


@dataclass(frozen=True)
class Server:
    """One real server."""

    name: str
    ipv4: str
    ipv6: str

    @property
    def node(self) -> Node:
        """The machine it runs on, set up for direct routing as the guide teaches it."""
        addresses = (f"{self.ipv4}/24", f"{self.ipv6}/64")
        card = Link("eth0", f"to-{self.name}", addresses=addresses)
        return Node(self.name, (card,), {**BUSY, **SILENT}, loopback=(f"{DIRECT_VIP}/32",))


@dataclass(frozen=True)
class Layout:
    """A whole lab."""

    servers: int = 3
    """Real servers of the first document."""
    spares: int = 3
    """Further ones, running as well, for services that somebody adds."""

    def __post_init__(self) -> None:
        if min(self.servers, self.spares) < 0 or self.servers + self.spares > MAX_SERVERS:
            raise ValueError(f"a lab has room for {MAX_SERVERS} real servers")

    @property
    def real_servers(self) -> tuple[Server, ...]:
        """web1 at 192.168.2.101 and fd00:2::101, and so on; the spare ones come last."""
        numbers = range(1, self.servers + self.spares + 1)
        return tuple(
            Server(f"web{number}", f"192.168.2.{100 + number}", f"fd00:2::{100 + number}")
            for number in numbers
        )

    @property
    def nodes(self) -> tuple[Node, ...]:
        """Every machine, the appliance first."""
        unused = tuple(Link(f"eth{n}", f"to-eth{n}", bridged=False) for n in (1, 2, 3))
        appliance = Node(APPLIANCE, (Link("eth0", "to-eth0"), *unused), AS_IN_THE_IMAGE)
        mine = tuple(f"{address}/24" for address in CLIENT_IPV4) + tuple(
            f"{address}/64" for address in CLIENT_IPV6
        )
        client = Node(CLIENT, (Link("eth0", "to-client", addresses=mine),), BUSY)
        return (appliance, client, *(server.node for server in self.real_servers))


CLIENT_IPV4 = tuple(f"192.168.2.{number}" for number in range(200, 208))
CLIENT_IPV6 = tuple(f"fd00:2::{number}" for number in range(200, 208))
"""Several, because source IP persistence shows with several clients only."""
