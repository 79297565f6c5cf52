# SPDX-License-Identifier: Apache-2.0
"""An IPVS table in memory, with the kernel's rules."""

from __future__ import annotations

import errno
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from ipaddress import ip_address

from services.drivers.ipvs import LOAD, Statistics
from services.drivers.ipvs_proc import Sketch, sketched
from services.drivers.ipvs_refusal import LONGEST_S, NotDone, daemon_trouble, not_done, refused
from services.drivers.ipvs_sync import Info, Role, SyncDaemon
from services.drivers.ipvs_wire import Counters
from services.drivers.netlink import Refusal
from services.errors import Unable
from services.plan.ipvs import (
    Dest,
    DestKey,
    Entry,
    Forwarding,
    IpvsSeen,
    Live,
    Service,
    ServiceKey,
    Timeouts,
    Tunnel,
)
from services.plan.ipvs_changes import (
    DropDest,
    DropService,
    IpvsChange,
    PutDest,
    PutService,
    SetTimeouts,
    service_of,
)

SCHEDULERS = frozenset(
    ["rr", "wrr", "lc", "wlc", "lblc", "lblcr", "dh", "sh", "mh", "sed", "nq", "fo", "ovf", "twos"]
)
ENGINES = frozenset({"", "sip"})
CARDS = frozenset({"lo", "eth0", "eth1", "eth2", "eth3"})
ORDINARY_MESSAGE = 1472
"""Bytes, of a sync daemon on a card with an MTU of 1500."""


@dataclass
class FakeIpvs:
    """An empty table; `loaded` off: a kernel without IPVS."""

    services: dict[ServiceKey, Service] = field(default_factory=dict)
    dests: dict[ServiceKey, dict[DestKey, Dest]] = field(default_factory=dict)
    timeouts: Timeouts = Timeouts()
    live: dict[tuple[ServiceKey, DestKey], Live] = field(default_factory=dict)
    counters: dict[tuple[ServiceKey, DestKey], Counters] = field(default_factory=dict)
    running: dict[Role, SyncDaemon] = field(default_factory=dict)
    loaded: bool = True
    refusing: dict[ServiceKey | None, int] = field(default_factory=dict)
    """Services of which it refuses every change, and with what number; None: the timeouts."""
    written: list[IpvsChange] = field(default_factory=list)
    """Every change that was made."""

    def by_hand(self, change: IpvsChange) -> None:
        """What a person does with ipvsadm."""
        number = self._made(change)
        assert number == 0, change

    async def seen(self) -> IpvsSeen | None:
        if not self.loaded:
            return None
        live = {
            key: {place: self.live.get((key, place), Live()) for place in dests}
            for key, dests in self.dests.items()
        }
        return IpvsSeen(self._table(), self.timeouts, live)

    async def glance(self) -> Sketch | None:
        return sketched(self._table()) if self.loaded else None

    async def statistics(self) -> Mapping[ServiceKey, Statistics]:
        self._judge()
        found = {}
        for key, dests in self.dests.items():
            each = {place: self.counters.get((key, place), Counters()) for place in dests}
            whole = Counters(*(sum(column) for column in zip(*each.values(), strict=True)))
            live = {place: self.live.get((key, place), Live()) for place in dests}
            found[key] = Statistics(whole, each, live)
        return found

    async def write(self, changes: Sequence[IpvsChange]) -> tuple[NotDone, ...]:
        if changes:
            self._judge()
        told = []
        for change in changes:
            if number := self._made(change):
                told.append(not_done(change, Refusal(number)))
            else:
                self.written.append(change)
        return tuple(told)

    async def lacking(self, schedulers: Collection[str]) -> frozenset[str]:
        if schedulers:
            self._judge()
        return frozenset(schedulers) - SCHEDULERS

    async def flush(self) -> None:
        self._judge()
        self.services.clear()
        self.dests.clear()

    async def zero(self, service: ServiceKey | None = None) -> None:
        self._judge()
        if service is not None and service not in self.services:
            why, do = refused(Refusal(errno.ESRCH))
            raise Unable(f"The counters of {service} cannot be zeroed: {why}.", do=do)
        for key in [key for key in self.counters if service in {None, key[0]}]:
            del self.counters[key]

    async def daemons(self) -> tuple[SyncDaemon, ...]:
        self._judge()
        return tuple(self.running[role] for role in Role if role in self.running)

    async def start_daemon(self, daemon: SyncDaemon) -> None:
        self._judge()
        number = 0
        if self._mixed():
            number = errno.EINVAL
        elif daemon.role in self.running:
            number = errno.EEXIST
        elif daemon.device not in CARDS:
            number = errno.ENODEV
        if number:
            why, do = daemon_trouble(Refusal(number))
            role = daemon.role.name.lower()
            raise Unable(f"The sync daemon ({role}) cannot be started: {why}.", do=do)
        length = daemon.max_length or ORDINARY_MESSAGE
        self.running[daemon.role] = replace(daemon, max_length=length)

    async def stop_daemon(self, role: Role) -> None:
        self._judge()
        self.running.pop(role, None)

    async def info(self) -> Info:
        self._judge()
        return Info("1.2.1", 4096)

    def _judge(self) -> None:
        if not self.loaded:
            raise Unable("This kernel has no IPVS.", do=LOAD)

    def _table(self) -> dict[ServiceKey, Entry]:
        return {
            key: Entry(service, dict(self.dests[key])) for key, service in self.services.items()
        }

    def _mixed(self) -> bool:
        return any(
            _version(place) != key.version for key, dests in self.dests.items() for place in dests
        )

    def _made(self, change: IpvsChange) -> int:
        """Make a change; the kernel's number if it would refuse."""
        if number := self.refusing.get(service_of(change), 0):
            return number
        match change:
            case PutService():
                if number := _unfit_service(change):
                    return number
                self.services[change.key] = change.service
                self.dests.setdefault(change.key, {})
            case PutDest():
                if change.service not in self.services:
                    return errno.ESRCH
                if number := self._unfit_dest(change):
                    return number
                self.dests[change.service][change.key] = change.dest
            case DropDest():
                self.dests.get(change.service, {}).pop(change.key, None)
            case DropService():
                self.services.pop(change.key, None)
                self.dests.pop(change.key, None)
            case SetTimeouts():
                if max(change.timeouts) > LONGEST_S:
                    return errno.EINVAL
                self.timeouts = Timeouts(
                    *(new or old for new, old in zip(change.timeouts, self.timeouts, strict=True))
                )
        return 0

    def _unfit_dest(self, change: PutDest) -> int:
        dest = change.dest
        address = ip_address(change.key.address)
        if _version(change.key) != change.service.version and (
            dest.forwarding is not Forwarding.TUN or self.running
        ):
            return errno.EINVAL
        if dest.weight < 0 or dest.lower > dest.upper:
            return errno.ERANGE
        if dest.encapsulation.tunnel is Tunnel.GUE and not dest.encapsulation.port:
            return errno.EINVAL
        if address.is_multicast or address.is_unspecified:
            return errno.EINVAL
        if address.version == 6 and address.is_link_local:
            return errno.EINVAL
        return 0


def _unfit_service(change: PutService) -> int:
    service = change.service
    if service.scheduler not in SCHEDULERS or service.engine not in ENGINES:
        return errno.ENOENT
    if change.key.version == 6 and service.persistence_s and not 1 <= service.granularity <= 128:
        return errno.EINVAL
    return 0


def _version(key: DestKey) -> int:
    return 6 if ":" in key.address else 4
