# SPDX-License-Identifier: Apache-2.0
"""Layer 4 virtual services and real servers: what the kernel's IPVS carries.

Fields and defaults follow the original appliance's screens, so that somebody who knows
those finds everything under its name; the schedulers' values are the kernel's own words.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from enum import StrEnum
from ipaddress import IPv4Address
from typing import Annotated

from pydantic import Field

from services.model.base import (
    Comment,
    EmailAddress,
    EmailSender,
    IPAddress,
    Port,
    Ports,
)
from services.model.checks import Layer4Check, uses
from services.model.service import PAGE_ADDRESS, PAGE_PORT, Server, Service

OWN_MARKS = 65_536
"""Marks from here on are the appliance's, given to services that need one; those below are
for rules that people write themselves."""

MOST_MARK = 2**31 - 1


class Protocol(StrEnum):
    """What the clients speak, or how else their packets are known."""

    TCP = "tcp"
    UDP = "udp"
    TCP_UDP = "tcp_udp"
    ONE_PACKET = "one_packet"
    MARK = "mark"


class Forwarding(StrEnum):
    """How packets reach a real server, and which way its answers take."""

    DR = "dr"
    NAT = "nat"
    TUN = "tun"
    SNAT = "snat"


DIRECT = frozenset({Forwarding.DR, Forwarding.TUN})
"""Methods that leave the packet as it came, its port included; the server answers the client."""


class Tunnel(StrEnum):
    """How packets are wrapped on their way to a real server elsewhere."""

    IPIP = "ipip"
    GUE = "gue"
    GRE = "gre"


class TunnelChecksum(StrEnum):
    """Whether wrapped packets have a checksum of their own."""

    NONE = "none"
    FULL = "full"
    REMOTE = "remote"


class Scheduler(StrEnum):
    """How the next connection's server is chosen."""

    WLC = "wlc"
    WRR = "wrr"
    LC = "lc"
    RR = "rr"
    SH = "sh"
    DH = "dh"
    MH = "mh"
    SED = "sed"
    NQ = "nq"
    FO = "fo"
    OVF = "ovf"
    LBLC = "lblc"
    LBLCR = "lblcr"


HASHING = frozenset({Scheduler.SH, Scheduler.MH})
"""Schedulers that choose by a hash of the client, and know switches for it."""


class Layer4Server(Server):
    """One server that answers for a layer 4 virtual service (RIP)."""

    port: Annotated[int, Field(ge=0, le=65535)] = Field(default=0, title="Port")
    """NAT and SNAT only: port the server listens on; 0 is the one that the client chose."""

    min_connections: Annotated[int, Field(ge=0, le=1_000_000)] = Field(
        default=0, title="Minimum connections"
    )
    """A server that was full takes new ones again below this; 0 is three quarters of the most."""

    max_connections: Annotated[int, Field(ge=0, le=1_000_000)] = Field(
        default=0, title="Maximum connections"
    )
    """Connections at which the server takes no further ones; 0 is unrestricted."""


class Layer4Service(Service):
    """A layer 4 virtual service: the addresses and ports clients connect to (VIP)."""

    ports: Ports = Field(default="80", title="Ports")
    """80 or 80,443 or 1000-1010; a firewall mark's own rules say which ports instead."""

    protocol: Protocol = Field(default=Protocol.TCP, title="Protocol")
    """One packet is UDP of which each packet is balanced by itself; mark: by firewall mark."""

    mark: Annotated[int, Field(ge=0, le=MOST_MARK)] = Field(default=0, title="Firewall mark")
    """Protocol mark: the number your own rules set, 1 to 65535. Others: given by the appliance."""

    forwarding: Forwarding = Field(default=Forwarding.DR, title="Forwarding method")
    """DR and TUN answer the client directly, NAT and SNAT by way of this appliance."""

    tunnel: Tunnel = Field(default=Tunnel.IPIP, title="Tunnel")
    """TUN only: how packets are wrapped; the servers must unwrap the same."""

    tunnel_port: Port = Field(default=6080, title="Tunnel port")
    """GUE only: UDP port on which the servers unwrap."""

    tunnel_checksum: TunnelChecksum = Field(default=TunnelChecksum.NONE, title="Tunnel checksum")
    """GUE and GRE; remote, GUE only, leaves it to the server's card. The servers must agree."""

    scheduler: Scheduler = Field(default=Scheduler.WLC, title="Balance")
    """wlc: weighted least connections; wrr: by weight in turn; sh and mh: by client address."""

    hash_port: bool = Field(default=False, title="Hash the port")
    """sh and mh: one client's connections spread, since its port counts too."""

    hash_fallback: bool = Field(default=False, title="Hash fallback")
    """sh and mh: who belongs to a server that takes nothing gets another one, and not none."""

    persistence_s: Annotated[int, Field(ge=0, le=86_400)] = Field(
        default=300, title="Persistence timeout"
    )
    """Seconds that an idle client is remembered and kept on its server; 0: not at all."""

    granularity: Annotated[int, Field(ge=1, le=32)] = Field(default=32, title="Granularity")
    """IPv4 prefix of clients that persistence takes for one: 24 is a whole /24 network."""

    granularity6: Annotated[int, Field(ge=1, le=128)] = Field(default=128, title="Granularity IPv6")
    """IPv6 prefix of clients that persistence takes for one, e.g. 64."""

    fallback_address: IPAddress | None = Field(
        default=IPv4Address(PAGE_ADDRESS), title="Fallback server"
    )
    """Answers while no real server is left; 127.0.0.1 port 9081 is the built-in page."""

    fallback_port: Port = Field(default=PAGE_PORT, title="Fallback port")
    """Port of the fallback server; in DR and TUN only the built-in page may have its own."""

    email_to: Annotated[tuple[EmailAddress, ...], Field(max_length=16)] = Field(
        default=(), title="E-mail alert to"
    )
    """Whom to tell of servers that fail. Kept for a later version: this one sends nothing."""

    email_from: EmailSender = Field(default="", title="E-mail alert from")
    """The sender of such e-mail. Kept for a later version: this one sends nothing."""

    check: Layer4Check = Field(default=Layer4Check(), title="Health check")
    """How the real servers are checked."""

    servers: Annotated[tuple[Layer4Server, ...], Field(max_length=1000)] = Field(
        default=(), title="Real servers"
    )
    """The real servers, in the order of the screen."""

    comment: Comment = Field(default="", title="Comment")
    """Free text for people."""


def naming(services: Iterable[Layer4Service], field: str) -> Iterator[tuple[int, str, str]]:
    """Place and label of every service that is checked with a stored file, and the file's name.

    `field` is the one of its check that names such files; one that the chosen kind of check has
    no use for names none.
    """
    for place, service in enumerate(services):
        if (name := getattr(service.check, field)) and uses(service.check, field):
            yield place, service.label, name


def several_ports(service: Layer4Service) -> bool:
    """Whether its packets come by more than one port or protocol, or nobody knows by which."""
    return service.protocol in {Protocol.TCP_UDP, Protocol.MARK} or not service.ports.isdigit()


def has_own_mark(service: Layer4Service) -> bool:
    """Whether the appliance marks its packets: the kernel knows one port of one protocol, or a
    firewall mark.
    """
    return service.protocol is not Protocol.MARK and several_ports(service)
