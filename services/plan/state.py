# SPDX-License-Identifier: Apache-2.0
"""The system as values: what is wanted of it, and what was seen of it.

Only what an apply may change stands here. Counters, health and rates are status, not
state: they never cause a change.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from services.plan.ipvs import IpvsSeen, IpvsWanted

ServerKey = tuple[int, int]
"""A layer 7 server: the service's permanent id, the server's."""


@dataclass(frozen=True)
class File:
    """A generated file: where, what, and who may read it."""

    path: str
    """Absolute."""
    data: bytes
    mode: int = 0o644


@dataclass(frozen=True)
class ServerKnobs:
    """The part of a real server that changes at run time, without a reload.

    Drain is weight 0: HAProxy itself calls a server of weight 0 draining, keeps its
    connections and its sticky clients, and both the file and the runtime API can say it.
    """

    weight: int
    """0-256."""
    halted: bool


@dataclass(frozen=True)
class HaproxyWanted:
    """The layer 7 data plane as it must be."""

    config: File
    fingerprint: str
    """Names everything in `config` that only a reload can change; see `services.render`."""
    servers: Mapping[ServerKey, ServerKnobs]
    running: bool = True
    """False while there is no layer 7 service: then no process is needed."""


@dataclass(frozen=True)
class HaproxySeen:
    """The layer 7 data plane as it is, told by the running worker itself."""

    config: bytes | None = None
    """The generated file as it lies on the disk."""
    running: bool = False
    fingerprint: str = ""
    """Of the file the running worker has loaded."""
    servers: Mapping[ServerKey, ServerKnobs] = field(default_factory=dict)
    connections: Mapping[ServerKey, int] = field(default_factory=dict)
    """Live connections, so that a plan can say how many it drops."""
    clients: Mapping[int, int] = field(default_factory=dict)
    """Live client connections by service, those that ask for nothing at the moment included."""
    masters: int = 0
    """Master processes found; more than one means a stray that shares our ports."""


@dataclass(frozen=True)
class ChecksWanted:
    """The HAProxy that looks after layer 4 servers as it must be."""

    config: File = File("", b"")
    fingerprint: str = ""
    """Names all of `config`."""
    running: bool = False
    """False while it has nothing to look at."""


@dataclass(frozen=True)
class ChecksSeen:
    """The HAProxy that looks after layer 4 servers as it is."""

    config: bytes | None = None
    running: bool = False
    fingerprint: str = ""
    """Of the file it has loaded."""


@dataclass(frozen=True, order=True)
class AddressKey:
    """An address on a device."""

    device: str
    address: str
    """With prefix, normal form: `192.168.2.100/32`."""


@dataclass(frozen=True)
class LinksWanted:
    """Addresses and routes that must be there."""

    addresses: Mapping[AddressKey, bool]
    """True: floating (a VIP), False: the interface's own."""
    gateways: Mapping[int, str] = field(default_factory=dict)
    """Default gateway by IP version, 4 or 6."""
    clients: Mapping[AddressKey, frozenset[int]] = field(default_factory=dict)
    """Services whose clients connect to an address, by their ids."""
    outside: frozenset[AddressKey] = frozenset()
    """Floating addresses that lead to one real server, past all services."""
    mtu: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Device:
    """A network device as the kernel has it."""

    name: str
    up: bool
    carrier: bool
    mac: str
    mtu: int


@dataclass(frozen=True)
class LinksSeen:
    """Addresses and routes that are there."""

    devices: Mapping[str, Device] = field(default_factory=dict)
    ours: Mapping[AddressKey, bool] = field(default_factory=dict)
    """Addresses that carry our tag, True: floating; those on a card switched off do not count,
    so that a plan adds them again, which switches the card on."""
    foreign: frozenset[AddressKey] = frozenset()
    """Everybody else's: shown as "not saved", never touched."""
    gateways: Mapping[int, str] = field(default_factory=dict)
    """Default gateways that carry our tag, by IP version."""


@dataclass(frozen=True)
class Wanted:
    """The whole system as a document makes it."""

    haproxy: HaproxyWanted
    links: LinksWanted
    files: tuple[File, ...] = ()
    """Other generated files, e.g. resolv.conf."""
    hostname: str = ""
    sysctls: Mapping[str, str] = field(default_factory=dict)
    """Settings of the kernel by their path below /proc/sys, e.g. `net/ipv4/ip_forward`."""
    ipvs: IpvsWanted = field(default_factory=IpvsWanted)
    rules: str = ""
    """Our nftables rules; empty: no table."""
    checks: ChecksWanted = field(default_factory=ChecksWanted)


@dataclass(frozen=True)
class Seen:
    """The whole system as it is."""

    haproxy: HaproxySeen = field(default_factory=HaproxySeen)
    links: LinksSeen = field(default_factory=LinksSeen)
    files: Mapping[str, bytes | None] = field(default_factory=dict)
    """What lies at each generated file's path; None: nothing."""
    hostname: str = ""
    sysctls: Mapping[str, str | None] = field(default_factory=dict)
    """None: this kernel has no such setting, or it may not be changed from here."""
    ipvs: IpvsSeen | None = field(default_factory=IpvsSeen)
    """None: this kernel has no IPVS."""
    rules: str | None = ""
    """Our nftables rules that are loaded; None: this machine has no nftables."""
    checks: ChecksSeen = field(default_factory=ChecksSeen)
    clients: Mapping[AddressKey, frozenset[int]] = field(default_factory=dict)
    """`LinksWanted.clients` of the document that runs: who is cut when an address goes."""
    outside: frozenset[AddressKey] = frozenset()
    """`LinksWanted.outside` of the document that runs; nobody counts who connects by them."""
