# SPDX-License-Identifier: Apache-2.0
"""The door to HAProxy: judge a file, start, reload, turn the knobs, and see what is.

HAProxy runs as a master with workers, because only that reloads without losing a
connection. What is true is asked of the worker itself: which file it has loaded stands in
its description, and whoever answers on the socket proves by its process id that it is not
a worker on its way out.

After a reload the workers before may live on for hours with their connections. They count
as live connections here, and a halt cuts those too: the person who halts a server does not
know that there ever was a reload.
"""

from __future__ import annotations

import asyncio
import logging
import signal
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Protocol

from services.drivers.haproxy_answers import (
    Processes,
    Worker,
    clients_from,
    connections_from,
    knobs_from,
)
from services.drivers.haproxy_binds import bind_refusal
from services.drivers.haproxy_file import PAGE, Listing, listing_of
from services.drivers.haproxy_folder import HaproxyFolder
from services.drivers.haproxy_judge import INSTALL, complaint
from services.drivers.haproxy_log import HaproxyLog, remedy
from services.drivers.haproxy_stats import add_connections, counters_from
from services.drivers.haproxy_workers import MASTER_POLL_S, Pause, Workers, batches
from services.drivers.processes import end, gone
from services.drivers.sample import Sample
from services.drivers.server_state import VERSION, carried
from services.drivers.units import Units, UnitSpec
from services.errors import CommandFailed, Refused, Unable, Unreachable
from services.plan.state import HaproxySeen, ServerKey, ServerKnobs
from services.render import Place

log = logging.getLogger(__name__)

UNIT = "haproxy"

START_S = 15.0
RELOAD_S = 30.0
"""Loading a file of 10,000 servers takes half a second on a quiet machine."""

SETTLE_S = 1.0
"""A knob is turned within a millisecond; it is read back until then, and for so long at most."""

COUNTED_S = 5.0
"""Printing statistics takes HAProxy longer than all else it is asked, so live connections
counted within this time are not counted again: soon enough for a plan's "so many are dropped",
and most applies need not wait for it."""

COUNTS = "show stat -1 5 -1"
EVERYTHING = "show stat -1 7 -1"
"""Statistics of all proxies; 1 is their client side, 2 the service as a whole, 4 servers."""

STRAY_S = 3.0
"""Time for a stray master to end by itself."""


class Haproxy(Protocol):
    """The layer 7 data plane. Every call may raise `Unable` or its children."""

    async def judge(self, config: bytes) -> None:
        """Let HAProxy itself judge a file; raises `Refused` with its words."""

    async def seen(self) -> HaproxySeen:
        """What is: the file, the worker, its knobs and live connections."""

    async def start(self) -> None:
        """Start with the file that lies on the disk, and wait until it answers."""

    async def stop(self) -> None:
        """End it, connections and all."""

    async def reload(self) -> None:
        """Replace the worker by one with the file that lies on the disk, losing nothing.

        Raises `Unable` with HAProxy's words if it refuses; the old worker then goes on.
        """

    async def set_servers(self, knobs: Mapping[ServerKey, ServerKnobs]) -> None:
        """Change weights, halt and bring back, at once; a halt cuts the server's connections."""

    async def end_strays(self) -> None:
        """Of several masters keep the one that answers, and end the others."""

    async def sample(self) -> Sample:
        """All counters of this moment."""


def haproxy_unit(place: Place) -> UnitSpec:
    """How HAProxy is started: a master in the foreground, its command socket for us alone."""
    door = ("-S", f"{place.master_socket},mode,600")
    return UnitSpec(
        argv=("haproxy", "-W", *door, "-f", str(place.config)),
        log=Path(place.log),
        mark=door,
        do=INSTALL,
    )


class MasterHaproxy:
    """The real HAProxy in master-worker mode; `units` starts and ends the master."""

    def __init__(self, place: Place, units: Units) -> None:
        self._place = place
        self._units = units
        self._workers = Workers(Path(place.admin_socket), Path(place.master_socket))
        self._folder = HaproxyFolder(Path(place.config), Path(place.state_file))
        self._log = HaproxyLog(Path(place.log))
        self._bound: frozenset[tuple[str, int]] = frozenset()
        """Where the worker listens, as far as it was us who loaded its file."""
        self._counted_at = -COUNTED_S
        self._connections: Counter[ServerKey] = Counter()
        self._clients: Counter[int] = Counter()
        """Live connections to servers and of clients, as they were counted then."""

    # -- files ------------------------------------------------------------------------------

    async def judge(self, config: bytes) -> None:
        """Let HAProxy itself judge a file; raises `Refused` with its words."""
        words = await complaint(self._folder, self._log, config)
        if not words:
            return
        words = listing_of(config).named(words)
        raise Refused(f"HAProxy refuses the configuration: {words}", do=remedy(words))

    # -- looking ----------------------------------------------------------------------------

    async def seen(self) -> HaproxySeen:
        """What is: the file, the worker, its knobs and live connections.

        These may be `COUNTED_S` old, unless we have halted a server since.
        """
        config = self._folder.config()
        stale = time.monotonic() - self._counted_at >= COUNTED_S
        question = f"show servers state;{COUNTS}" if stale else "show servers state"
        # the unit is looked at while the worker writes its answer
        told, unit = await asyncio.gather(self._told_or_none(question), self._units.seen(UNIT))
        if told is None:
            return HaproxySeen(config=config, masters=len(unit.pids))
        worker, answer = told
        states, _, stat = answer.partition("\n\n")
        if stale:
            await self._count(stat)
        return HaproxySeen(
            config=config,
            running=True,
            fingerprint=worker.fingerprint,
            servers=knobs_from(states),
            connections=dict(self._connections),
            clients=dict(self._clients),
            masters=len(unit.pids),
        )

    async def _told_or_none(self, question: str) -> tuple[Worker, str] | None:
        try:
            return await self._workers.told(question)
        except Unreachable:
            return None

    async def _count(self, stat: str) -> None:
        """Count live connections in the worker's statistics and in those of leaving ones."""
        workers = [stat, *await self._workers.of_leaving(COUNTS)]
        self._connections, self._clients = Counter(), Counter()
        for told in workers:
            self._connections.update(connections_from(told))
            self._clients.update(clients_from(told))
        self._counted_at = time.monotonic()

    async def sample(self) -> Sample:
        """All counters of this moment; live connections with those of leaving workers."""
        try:
            worker, stat = await self._workers.told(EVERYTHING)
        except Unreachable:
            return Sample(at=time.monotonic(), running=False)
        at = time.monotonic()
        servers, services = counters_from(stat, self._folder.listing().statuses)
        for old in await self._workers.of_leaving(EVERYTHING):
            add_connections(servers, services, old)
        return Sample(
            at=at, running=True, since_s=worker.since_s, servers=servers, services=services
        )

    # -- acting -----------------------------------------------------------------------------

    async def start(self) -> None:
        """Start with the file that lies on the disk, and wait until it answers."""
        fingerprint, listing = self._folder.to_load()
        self._folder.prepare()
        unit = await self._units.seen(UNIT)
        if unit.running:
            if await self._answers(fingerprint, START_S / 5):
                return
            log.warning("HAProxy runs and does not answer: it is started anew")
            await self._units.stop(UNIT)
        # health from before is worth nothing: nobody checked meanwhile
        self._folder.write_state(VERSION)
        self._workers.replaced = frozenset()
        self._bound = frozenset()
        self._counted_at = -COUNTED_S
        mark = self._log.mark()
        ended: Unable | None = None
        try:
            await self._units.start(UNIT)
        except CommandFailed:
            raise
        except Unable as error:
            ended = error
        if ended or not await self._answers(fingerprint, START_S):
            words = listing.named(self._log.since(mark)) or "its log has no word why."
            raise Unable(f"HAProxy does not start: {words}", do=remedy(words)) from ended

    async def _answers(self, fingerprint: str, within_s: float) -> bool:
        """Wait until a worker with this file answers; False if it ends or time is up."""
        pause = Pause(within_s)
        while True:
            with suppress(Unreachable):
                worker, _ = await self._workers.told()
                if worker.fingerprint == fingerprint:
                    return True
            if not (await self._units.seen(UNIT)).running or not await pause.again():
                return False

    async def stop(self) -> None:
        """End it, connections and all."""
        await self._units.stop(UNIT)

    async def reload(self) -> None:
        """Replace the worker by one with the file that lies on the disk, losing nothing."""
        fingerprint, listing = self._folder.to_load()
        self._require_binds(listing)
        before, (_, states) = await asyncio.gather(
            self._workers.processes(), self._workers.told("show servers state")
        )
        self._folder.write_state(carried(states, listing.servers))
        mark = self._log.mark()
        answer = await self._workers.reload(timeout_s=RELOAD_S)
        worker = None if answer.startswith("Success=0") else await self._replacement(before)
        if worker is None:
            words = listing.named(self._log.told(answer) or self._log.since(mark))
            raise Unable(
                f"HAProxy refuses to load the configuration and goes on with the old one: {words}",
                do=remedy(words),
            )
        self._workers.replaced = before.workers
        if worker.fingerprint != fingerprint:
            raise Unable(
                "HAProxy has loaded another configuration than the one meant.",
                do="Somebody else changes its file; apply again.",
            )
        self._bound = frozenset(bind for binds in listing.binds.values() for bind in binds)

    def _require_binds(self, listing: Listing) -> None:
        for service, binds in listing.binds.items():
            for address, port in binds:
                if (address, port) in self._bound:
                    continue
                if reason := bind_refusal(address, port):
                    # in HAProxy's own form, so that one remedy serves both
                    where = f"[{address}]:{port}" if ":" in address else f"{address}:{port}"
                    name = "fallback-page" if service == PAGE else f"vs{service}"
                    words = f"{name}: cannot bind socket ({reason}) for [{where}]"
                    raise Unable(
                        f"HAProxy cannot load the configuration: {listing.named(words)}.",
                        do=remedy(words),
                    )

    async def _replacement(self, before: Processes) -> Worker | None:
        """The new worker as soon as it answers; None if the master kept the old one.

        By then it has told the old one to take no more connections. Only the master knows of
        a failure, but it is busy with itself for longer: so both are asked.
        """
        kept = asyncio.create_task(self._kept(before))
        pause = Pause(RELOAD_S, longest_s=MASTER_POLL_S)
        try:
            while await pause.again():
                worker = await self._workers.other_than(before.workers)
                if worker is not None:
                    return worker
                if kept.done() and kept.result():
                    return None
            return None
        finally:
            kept.cancel()

    async def _kept(self, before: Processes) -> bool:
        """Whether the master kept the old worker; a question waits until it is done."""
        pause = Pause(RELOAD_S)
        while await pause.again():
            with suppress(Unable):
                now = await self._workers.processes()
                if now.failed > before.failed:
                    return True
                if now.worker not in {0, before.worker}:
                    return False
        return True

    async def set_servers(self, knobs: Mapping[ServerKey, ServerKnobs]) -> None:
        """Change weights, halt and bring back, at once; a halt cuts the server's connections."""
        lines = [line for key, wanted in sorted(knobs.items()) for line in _lines(key, wanted)]
        for batch in batches(lines):
            _, answer = await self._workers.told(batch)
            complaints = " ".join(answer.split())
            if complaints:
                names = ", ".join(map(self._folder.listing().name, sorted(knobs)))
                raise Unable(
                    f"HAProxy would not change {names}: {complaints[:200]}",
                    do="Apply the configuration again.",
                )
        self._counted_at = -COUNTED_S
        if halted := {key for key, wanted in knobs.items() if wanted.halted}:
            await self._workers.cut_in_leaving(halted)
        await self._read_back(knobs)

    async def _read_back(self, knobs: Mapping[ServerKey, ServerKnobs]) -> None:
        services = {service for service, _ in knobs}
        which = f" vs{services.pop()}" if len(services) == 1 else ""
        pause = Pause(SETTLE_S)
        while True:
            _, states = await self._workers.told(f"show servers state{which}")
            found = knobs_from(states)
            wrong = [key for key, wanted in knobs.items() if found.get(key) != wanted]
            if not wrong:
                return
            if not await pause.again():
                names = ", ".join(map(self._folder.listing().name, sorted(wrong)))
                raise Unable(
                    f"HAProxy does not take on the state of {names}.",
                    do="Somebody else may change it at the same time; try again.",
                )

    async def end_strays(self) -> None:
        """Of several masters keep the one that answers, and end the others."""
        keep = 0
        with suppress(Unable):
            keep = (await self._workers.processes()).master
        strays = [pid for pid in (await self._units.seen(UNIT)).pids if pid != keep]
        identity = haproxy_unit(self._place).identity
        for number in (signal.SIGTERM, signal.SIGKILL):
            await end(strays, number, identity)
            if await gone(strays, identity, within_s=STRAY_S):
                return
        raise Unable(
            f"A second HAProxy (process {', '.join(map(str, strays))}) does not end.",
            do="It hangs in the kernel: restart the unit.",
        )


def _lines(key: ServerKey, knobs: ServerKnobs) -> Iterator[str]:
    name = f"vs{key[0]}/rs{key[1]}"
    yield f"set server {name} weight {knobs.weight}"
    yield f"set server {name} state {'maint' if knobs.halted else 'ready'}"
    if knobs.halted:
        yield f"shutdown sessions server {name}"
