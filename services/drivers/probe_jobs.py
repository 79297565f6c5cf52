# SPDX-License-Identifier: Apache-2.0
"""The door to `ballast-probe`: what it shall look at, and what it has found.

The probe outlives the agent and goes on looking, so what it does is asked of it and never
remembered: on a new connection it tells what it runs and the last result of each job. It reads
what strangers send, and so is believed in nothing but this: results of jobs it was given, in
bounds.
"""

from __future__ import annotations

import asyncio
import logging
import sys
from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path, PurePath
from typing import Protocol

from services.drivers.units import Units, UnitSpec
from services.errors import Unable, Unreachable
from services.health.jobs import (
    MOST_LINE,
    Job,
    Look,
    Running,
    fingerprint_of,
    jobs_line,
    told_from,
)
from services.health.verdict import KEPT
from services.render import Place

log = logging.getLogger(__name__)

UNIT = "probe"

START_S = 15.0
ANSWER_S = 5.0
"""Ten thousand jobs are taken on in half a second."""

POLL_S = 0.05
RETRY_S = 1.0
"""Pause between two attempts to hear of a probe that is not there."""


class Probes(Protocol):
    """The process that looks in the ways HAProxy cannot."""

    async def seen(self) -> Running | None:
        """What it has to do; None: it does not run, or does not answer."""

    async def replace(self, jobs: Collection[Job]) -> None:
        """Give it these jobs and no others. Raises `Unreachable`, `Unable`."""

    def heard(self) -> Sequence[Look]:
        """Take the results that have come since, oldest first of each job; those that are not
        taken are kept, `KEPT` of a job at most.
        """

    async def news(self) -> Sequence[Look]:
        """Wait until there are some, and take them; for ever while it does not run."""

    async def start(self) -> None:
        """Start it, or adopt the one that runs, and wait until it answers. Raises `Unable`."""

    async def stop(self) -> None:
        """End it. Raises `Unable`."""

    async def aclose(self) -> None:
        """Hang up; it goes on."""


def probe_unit(place: Place, scripts: PurePath) -> UnitSpec:
    """How the probe is started where no systemd does it."""
    door = ("--socket", str(place.probe_socket))
    return UnitSpec(
        argv=(sys.executable, "-m", "services.probe", *door, "--scripts", str(scripts)),
        log=Path(place.probe / "probe.log"),
        mark=door,
    )


@dataclass
class _Line:
    """One connection to the probe."""

    writer: asyncio.StreamWriter
    reading: asyncio.Task[None] | None = None
    running: Running | None = None
    changed: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def up(self) -> bool:
        return self.reading is not None and not self.reading.done()

    async def close(self) -> None:
        if self.reading is not None:
            self.reading.cancel()
            with suppress(asyncio.CancelledError):
                await self.reading
        self.writer.transport.abort()

    async def runs(self, good: Callable[[Running], bool], within_s: float) -> bool:
        """Wait until it says that it runs what is `good`; False if it hangs up or time is up."""
        try:
            async with asyncio.timeout(within_s):
                while self.running is None or not good(self.running):
                    self.changed.clear()
                    if not self.up:
                        return False
                    await self.changed.wait()
        except TimeoutError:
            return False
        return True


class SocketProbes:
    """The real one, behind its socket; `units` starts and ends it."""

    def __init__(self, place: Place, units: Units) -> None:
        self._socket = Path(place.probe_socket)
        self._units = units
        self._lock = asyncio.Lock()
        self._line: _Line | None = None
        self._news: dict[str, list[Look]] = {}
        self._woken = asyncio.Event()

    async def seen(self) -> Running | None:
        line = await self._connected()
        return line.running if line else None

    async def replace(self, jobs: Collection[Job]) -> None:
        line = await self._connected()
        if line is None:
            raise _silent(self._socket)
        wanted = fingerprint_of(jobs)
        try:
            line.writer.write(jobs_line(jobs))
            await line.writer.drain()
        except OSError as error:
            raise _silent(self._socket) from error
        if not await line.runs(lambda running: running.fingerprint == wanted, ANSWER_S):
            raise Unable(
                f"ballast-probe has not taken on its jobs within {ANSWER_S:g} s.",
                do="Look at `journalctl -u ballast-probe` and at the load of the unit.",
            )

    def heard(self) -> Sequence[Look]:
        taken, self._news = self._news, {}
        return [look for looks in taken.values() for look in looks]

    async def news(self) -> Sequence[Look]:
        while not self._news:
            self._woken.clear()
            if await self._connected() is None:
                await asyncio.sleep(RETRY_S)
            elif not self._news:
                await self._woken.wait()
        return self.heard()

    async def start(self) -> None:
        with suppress(OSError):
            self._socket.parent.mkdir(mode=0o750, exist_ok=True)
        if (await self._units.seen(UNIT)).running:
            if await self._answers(START_S / 5):
                return
            log.warning("ballast-probe runs and does not answer: it is started anew")
            await self._units.stop(UNIT)
        await self._units.start(UNIT)
        if not await self._answers(START_S):
            raise Unable(
                f"ballast-probe does not answer on {self._socket}.",
                do="Look at `journalctl -u ballast-probe`.",
            )

    async def stop(self) -> None:
        await self.aclose()
        await self._units.stop(UNIT)

    async def aclose(self) -> None:
        async with self._lock:
            if self._line is not None:
                await self._line.close()
                self._line = None

    async def _answers(self, within_s: float) -> bool:
        try:
            async with asyncio.timeout(within_s):
                while True:
                    if await self._connected() is not None:
                        return True
                    await asyncio.sleep(POLL_S)
        except TimeoutError:
            return False

    async def _connected(self) -> _Line | None:
        """A line on which the probe has said what it runs."""
        async with self._lock:
            if self._line is not None and self._line.up:
                return self._line
            if self._line is not None:
                await self._line.close()
                self._line = None
            try:
                reader, writer = await asyncio.open_unix_connection(self._socket, limit=MOST_LINE)
            except OSError:
                return None
            line = _Line(writer)
            line.reading = asyncio.create_task(self._read(reader, line))
            if not await line.runs(lambda _: True, ANSWER_S):
                await line.close()
                return None
            self._line = line
            return line

    async def _read(self, reader: asyncio.StreamReader, line: _Line) -> None:
        try:
            while data := await reader.readline():
                told = told_from(data)
                if isinstance(told, Running):
                    line.running = told
                    line.changed.set()
                elif line.running is not None and told.name in line.running.names:
                    kept = self._news.setdefault(told.name, [])
                    kept[:] = [*kept, told][-KEPT:]
                    self._woken.set()
        except OSError as error:
            log.debug("ballast-probe: %s", error)
        except ValueError:
            log.error("ballast-probe says what cannot be understood; its line is cut")
        finally:
            # whoever waits for something on this line has to look again
            line.changed.set()
            self._woken.set()


def _silent(socket: Path) -> Unreachable:
    return Unreachable(
        f"ballast-probe does not answer on {socket}.", do="See whether it runs: `ballast status`."
    )
