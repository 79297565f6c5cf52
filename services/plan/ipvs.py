# SPDX-License-Identifier: Apache-2.0
"""The kernel's IPVS table as values: the same type for what is wanted and what was seen.

Keys and destinations are tuples because there are thousands of them at every look, and a table
is compared whole. Addresses are text in the normal form of `ipaddress`, as everywhere.

What the kernel keeps but does not use stands here in one form only, so that two tables that
work alike are equal: a service without persistence has no granularity, only a tunnel has an
encapsulation.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum, IntFlag, StrEnum
from typing import NamedTuple

IRREGULAR = -1
"""Granularity of a service whose mask has holes: somebody's hand made it, nobody wants it."""


class Protocol(StrEnum):
    """What a service's clients speak, or how else their packets are told apart."""

    TCP = "tcp"
    UDP = "udp"
    SCTP = "sctp"
    MARK = "mark"
    """By the firewall's mark: no address, no port, any protocol that is marked."""


class Forwarding(IntEnum):
    """How packets reach a destination; the kernel's numbers (IP_VS_CONN_F_*)."""

    NAT = 0
    LOCAL = 1
    TUN = 2
    DR = 3
    BYPASS = 4


class Tunnel(IntEnum):
    """How a tunnelled packet is wrapped; the kernel's numbers (IP_VS_CONN_F_TUNNEL_TYPE_*)."""

    IPIP = 0
    GUE = 1
    GRE = 2


class Checksum(IntFlag):
    """Checksums of GUE and GRE; the kernel's bits (IP_VS_TUNNEL_ENCAP_FLAG_*)."""

    NONE = 0
    FULL = 1
    REMOTE = 2
    """Left to the receiver's network card, GUE only."""


class Flags(IntFlag):
    """Switches of a service; the kernel's bits (IP_VS_SVC_F_*) that a person may set."""

    NONE = 0
    ONE_PACKET = 0x04
    """Every UDP packet is scheduled by itself."""
    FALLBACK = 0x08
    """sh and mh: the next server when the hashed one takes nothing."""
    PORT = 0x10
    """sh and mh: the client's port is hashed too."""
    THIRD = 0x20
    """The third bit kept for schedulers; none of Linux 6.12 uses it."""


class ServiceKey(NamedTuple):
    """What makes a virtual service another one."""

    version: int
    """IP version of its clients: 4 or 6."""
    protocol: Protocol
    address: str = ""
    port: int = 0
    """0: every port, only with persistence."""
    mark: int = 0

    def __str__(self) -> str:
        """As people write it: `tcp 192.0.2.1:80`, `mark 7 (IPv6)`."""
        if self.protocol is Protocol.MARK:
            return f"mark {self.mark} (IPv{self.version})"
        return f"{self.protocol} {_socket(self.address, self.port)}"


class DestKey(NamedTuple):
    """What makes a destination another one, inside its service."""

    address: str
    port: int

    def __str__(self) -> str:
        return _socket(self.address, self.port)


class Encapsulation(NamedTuple):
    """The wrapping of a tunnel."""

    tunnel: Tunnel = Tunnel.IPIP
    port: int = 0
    """UDP port of GUE."""
    checksum: Checksum = Checksum.NONE


IPIP = Encapsulation()


class Dest(NamedTuple):
    """How a destination gets its connections."""

    forwarding: Forwarding
    weight: int
    upper: int = 0
    """Connections at which it takes no more; 0: no limit."""
    lower: int = 0
    """Connections below which it takes some again; 0: three quarters of `upper`."""
    encapsulation: Encapsulation = IPIP


class Service(NamedTuple):
    """How a virtual service chooses."""

    scheduler: str
    flags: Flags = Flags.NONE
    persistence_s: int = 0
    """0: none."""
    granularity: int = 0
    """Prefix length of the clients that persistence takes for one; 0 without persistence."""
    engine: str = ""
    """Persistence engine, e.g. `sip`."""


@dataclass(frozen=True)
class Entry:
    """A service with its destinations."""

    service: Service
    dests: Mapping[DestKey, Dest] = field(default_factory=dict)


Table = Mapping[ServiceKey, Entry]


class Timeouts(NamedTuple):
    """Seconds after which a silent connection is forgotten."""

    tcp_s: int = 900
    tcp_fin_s: int = 120
    """After both sides have closed it."""
    udp_s: int = 300


class Live(NamedTuple):
    """What a destination carries now."""

    active: int = 0
    """Connections; of TCP the established ones."""
    inactive: int = 0
    persistent: int = 0
    """Clients that persistence remembers."""


@dataclass(frozen=True)
class IpvsWanted:
    """Layer 4 as it must be."""

    table: Table = field(default_factory=dict)
    timeouts: Timeouts | None = None
    """None: as the kernel has them."""


@dataclass(frozen=True)
class IpvsSeen:
    """Layer 4 as it is."""

    table: Table = field(default_factory=dict)
    timeouts: Timeouts = Timeouts()
    live: Mapping[ServiceKey, Mapping[DestKey, Live]] = field(default_factory=dict)


def _socket(address: str, port: int) -> str:
    if not port:
        return address
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"
