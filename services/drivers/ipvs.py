# SPDX-License-Identifier: Apache-2.0
"""The kernel's IPVS table: read whole, changed in batches.

IPVS has no transactions: a request that is refused neither stops nor undoes the others. So a
batch is made as far as it goes, what could not be done is returned change by change, and
whoever asked looks again and plans anew. What somebody else did between the look and the write
is no refusal: a thing that is there already is changed instead of made, one that has gone is
made instead of changed, and removing what is not there is success.

pyroute2 has a module for IPVS, and its verb `update` deletes; see `ipvs_wire` for what it
costs. Nothing of it is used here.

Calls block while another program changes the table, so each is in a thread.
"""

from __future__ import annotations

import asyncio
import errno
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol, TypeVar

from services.drivers import genetlink, ipvs_sync, ipvs_wire
from services.drivers.ipvs_proc import Sketch, read_sketch
from services.drivers.ipvs_refusal import NotDone, daemon_trouble, not_done, refused
from services.drivers.ipvs_sync import Info, Role, SyncDaemon
from services.drivers.ipvs_wire import Attributes, Command, Counters
from services.drivers.netlink import GENERIC, Refusal, Request, ask, dump, dump_each, send
from services.errors import Unable
from services.plan.ipvs import DestKey, Entry, IpvsSeen, Live, Service, ServiceKey
from services.plan.ipvs import Protocol as PacketsOf
from services.plan.ipvs_changes import (
    DropDest,
    DropService,
    IpvsChange,
    PutDest,
    PutService,
    SetTimeouts,
)

Result = TypeVar("Result")

LOAD = "Load its module: modprobe ip_vs."

_TRIAL = ServiceKey(6, PacketsOf.MARK, mark=2**32 - 1)
_UNFIT = Service("", persistence_s=1, granularity=0)
"""With it the kernel makes no service of IPv6, see `_lacking`."""


@dataclass(frozen=True)
class Statistics:
    """What a service has carried, and its destinations."""

    counters: Counters = Counters()
    dests: Mapping[DestKey, Counters] = field(default_factory=dict)
    live: Mapping[DestKey, Live] = field(default_factory=dict)


class Ipvs(Protocol):
    """Layer 4. Everything raises `Unable` when the kernel does not answer or has no IPVS."""

    async def seen(self) -> IpvsSeen | None:
        """The whole table; None, and no error: this process has none, since the kernel has no IPVS
        or gives it to the first user namespace only.
        """

    async def glance(self) -> Sketch | None:
        """What a single file tells of the table, to be compared with `sketched`."""

    async def statistics(self) -> Mapping[ServiceKey, Statistics]:
        """Counters and connections of everything."""

    async def write(self, changes: Sequence[IpvsChange]) -> tuple[NotDone, ...]:
        """Make changes in their order; what could not be done is told, the rest is done."""

    async def lacking(self, schedulers: Collection[str]) -> frozenset[str]:
        """Which of these schedulers the kernel does not have and cannot load; writes nothing."""

    async def flush(self) -> None:
        """Take every service away."""

    async def zero(self, service: ServiceKey | None = None) -> None:
        """Begin to count anew; None: everywhere. A service that is not there is refused."""

    async def daemons(self) -> tuple[SyncDaemon, ...]:
        """The sync daemons that run, at most one of each role."""

    async def start_daemon(self, daemon: SyncDaemon) -> None:
        """Start a sync daemon; one of its role that runs already is refused."""

    async def stop_daemon(self, role: Role) -> None:
        """Stop the sync daemon of that role; none there is success."""

    async def info(self) -> Info:
        """What the kernel tells of its IPVS."""


class KernelIpvs:
    """The kernel's, in the network namespace of this process."""

    async def seen(self) -> IpvsSeen | None:
        return await _asked(_seen)

    async def glance(self) -> Sketch | None:
        return await _asked(read_sketch)

    async def statistics(self) -> Mapping[ServiceKey, Statistics]:
        return await _asked(_statistics)

    async def write(self, changes: Sequence[IpvsChange]) -> tuple[NotDone, ...]:
        making = tuple(changes)
        return await _asked(lambda: _write(making)) if making else ()

    async def lacking(self, schedulers: Collection[str]) -> frozenset[str]:
        names = sorted(schedulers)
        return await _asked(lambda: _lacking(names)) if names else frozenset()

    async def flush(self) -> None:
        _demand(await _told(_plain(Command.FLUSH)), "The table cannot be emptied")

    async def zero(self, service: ServiceKey | None = None) -> None:
        body = _plain(Command.ZERO)
        if service is not None:
            body = ipvs_wire.service_request(Command.ZERO, service)
        _demand(await _told(body), f"The counters of {service or 'layer 4'} cannot be zeroed")

    async def daemons(self) -> tuple[SyncDaemon, ...]:
        bodies = await _asked(lambda: dump(_family(), _plain(Command.GET_DAEMON), to=GENERIC))
        return tuple(ipvs_sync.read_daemon(body) for body in bodies)

    async def start_daemon(self, daemon: SyncDaemon) -> None:
        refusal = await _told(ipvs_sync.daemon_request(daemon))
        if refusal is not None:
            why, do = daemon_trouble(refusal)
            role = daemon.role.name.lower()
            raise Unable(f"The sync daemon ({role}) cannot be started: {why}.", do=do)

    async def stop_daemon(self, role: Role) -> None:
        refusal = await _told(ipvs_sync.no_daemon_request(role))
        if refusal is None or refusal.number != errno.ESRCH:
            _demand(refusal, f"The sync daemon ({role.name.lower()}) cannot be stopped")

    async def info(self) -> Info:
        [body] = await _asked(lambda: ask(_family(), _plain(Command.GET_INFO), to=GENERIC))
        return ipvs_sync.read_info(body)


async def _asked(question: Callable[[], Result]) -> Result:
    def told() -> Result:
        try:
            return question()
        except OSError as error:
            if error.errno == errno.ENOBUFS:
                raise Unable(
                    "The kernel's answers about layer 4 found no room in their buffer.",
                    do="Apply again; if it stays so, raise net.core.rmem_default.",
                ) from error
            raise Unable(
                f"The kernel does not answer about layer 4: {error.strerror or error}.",
                do="Look in the kernel's log.",
            ) from error

    return await asyncio.to_thread(told)


async def _told(body: bytes) -> Refusal | None:
    [refusal] = await _asked(lambda: send([Request(_family(), body)], to=GENERIC))
    return refusal


def _demand(refusal: Refusal | None, what: str) -> None:
    if refusal is not None:
        why, do = refused(refusal)
        raise Unable(f"{what}: {why}.", do=do)


def _family() -> int:
    found = genetlink.family(ipvs_wire.FAMILY)
    if found is None:
        raise Unable("This kernel has no IPVS.", do=LOAD)
    return found


def _plain(command: Command) -> bytes:
    return ipvs_wire.plain_request(command)


# ------------------------------------------------------------------------------------------ reading


def _seen() -> IpvsSeen | None:
    family = genetlink.family(ipvs_wire.FAMILY)
    if family is None:
        return None
    try:
        return _table(family)
    except PermissionError:
        return None


def _table(family: int) -> IpvsSeen:
    table: dict[ServiceKey, Entry] = {}
    live: dict[ServiceKey, dict[DestKey, Live]] = {}
    for row in _rows(family):
        dests = [ipvs_wire.read_told(body) for body in row.dests]
        table[row.key] = Entry(row.service, {key: dest for key, dest, _ in dests})
        live[row.key] = {key: carried for key, _, carried in dests}
    [timeouts] = ask(family, _plain(Command.GET_CONFIG), to=GENERIC)
    return IpvsSeen(table, ipvs_wire.read_timeouts(timeouts), live)


def _statistics() -> dict[ServiceKey, Statistics]:
    found = {}
    for row in _rows(_family()):
        dests = [(ipvs_wire.read_told(body), ipvs_wire.dest_attributes(body)) for body in row.dests]
        found[row.key] = Statistics(
            ipvs_wire.read_service_counters(row.found),
            {told.key: ipvs_wire.read_dest_counters(each) for told, each in dests},
            {told.key: told.live for told, _ in dests},
        )
    return found


class _Row(NamedTuple):
    key: ServiceKey
    service: Service
    found: Attributes
    dests: Sequence[bytes]


def _rows(family: int) -> Iterator[_Row]:
    """Every service with the kernel's answers about its destinations."""
    rows = []
    for body in dump(family, _plain(Command.GET_SERVICE), to=GENERIC):
        found = ipvs_wire.service_attributes(body)
        if (known := ipvs_wire.read_service(found)) is not None:
            rows.append((*known, found))
    questions = (ipvs_wire.dests_request(key) for key, _, _ in rows)
    answers = dump_each(family, questions, to=GENERIC)
    for (key, service, found), bodies in zip(rows, answers, strict=True):
        yield _Row(key, service, found, bodies)


# ------------------------------------------------------------------------------------------ writing


def _write(changes: Sequence[IpvsChange]) -> tuple[NotDone, ...]:
    family = _family()
    answers = send([_request(family, change) for change in changes], to=GENERIC)
    refused = {
        place: refusal
        for place, refusal in enumerate(answers)
        if refusal is not None and not _gone_already(changes[place], refusal.number)
    }
    again = [place for place, refusal in refused.items() if _other_way(changes[place], refusal)]
    if again:
        # what is there is changed, what is not is made
        requests = [_request(family, changes[place], turned=True) for place in again]
        for place, refusal in zip(again, send(requests, to=GENERIC), strict=True):
            if refusal is None:
                del refused[place]
            else:
                refused[place] = refusal
    return tuple(not_done(changes[place], refusal) for place, refusal in sorted(refused.items()))


def _lacking(schedulers: Sequence[str]) -> frozenset[str]:
    """Ask for services that the kernel cannot make: nothing is written, and it says what it lacks.

    It looks for the scheduler, and loads its module, before it judges the prefix length of the
    clients (ip_vs_add_service() since Linux 2.6.28). Files would say less: /sys/module not what is
    built in, and /lib/modules is hidden from the agent. A kernel without IPv6 judges nothing of it,
    so that there a scheduler is found to be lacking only when it is written.
    """
    family = _family()
    trials = [
        PutService(key=_TRIAL, service=_UNFIT._replace(scheduler=name)) for name in schedulers
    ]
    answers = send([_request(family, trial) for trial in trials], to=GENERIC)
    return frozenset(
        name
        for name, refusal in zip(schedulers, answers, strict=True)
        if refusal is not None and refusal.number == errno.ENOENT
    )


def _request(family: int, change: IpvsChange, *, turned: bool = False) -> Request:
    return Request(family, _body(change, turned=turned))


def _body(change: IpvsChange, *, turned: bool) -> bytes:
    match change:
        case PutService():
            command = Command.SET_SERVICE if change.exists is not turned else Command.NEW_SERVICE
            return ipvs_wire.service_request(command, change.key, change.service)
        case PutDest():
            command = Command.SET_DEST if change.exists is not turned else Command.NEW_DEST
            return ipvs_wire.dest_request(command, change.service, change.key, change.dest)
        case DropDest():
            return ipvs_wire.dest_request(Command.DEL_DEST, change.service, change.key)
        case DropService():
            return ipvs_wire.service_request(Command.DEL_SERVICE, change.key)
        case SetTimeouts():
            return ipvs_wire.timeouts_request(change.timeouts)


def _gone_already(change: IpvsChange, number: int) -> bool:
    if isinstance(change, DropService):
        return number == errno.ESRCH
    return isinstance(change, DropDest) and number in {errno.ESRCH, errno.ENOENT}


def _other_way(change: IpvsChange, refusal: Refusal) -> bool:
    if not isinstance(change, PutService | PutDest):
        return False
    if not change.exists:
        return refusal.number == errno.EEXIST
    # of a service, ENOENT would be its scheduler; of a destination, ESRCH its service
    return refusal.number == (errno.ESRCH if isinstance(change, PutService) else errno.ENOENT)
