# SPDX-License-Identifier: Apache-2.0
"""Daemons that outlive the agent: start, stop, and find again.

The agent's death must not touch the data plane, and the next agent must find what runs
instead of starting a second: two HAProxies would share a VIP silently, old and new
configuration mixed. So a daemon gets its own session, and it is found again by its command
line; nothing about it is kept in memory or in a file. Starting what runs is success.

This is for laboratories and containers. On the appliance systemd does it, behind the same
protocol (`services.drivers.systemd`).
"""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from services.command import start_daemon
from services.drivers.processes import Found, Identity, age_s, end, find, gone, reap
from services.errors import Unable

SETTLE_S = 0.25
"""A daemon that dislikes its file or its port is gone within this time."""
TERM_S = 5.0
KILL_S = 2.0
LOG_LIMIT = 4 << 20
"""Bytes; a log that is longer when its daemon is started begins anew."""
TAIL = 2000
"""Bytes of a log that go into an error."""


@dataclass(frozen=True)
class UnitSpec:
    """How a daemon is started and known."""

    argv: tuple[str, ...]
    """It must stay in the foreground."""
    log: Path
    """Where its standard output and error go."""
    mark: tuple[str, ...] = ()
    """Arguments that stand side by side in its command line and in nobody else's, e.g. `-S` and
    a socket's path; empty: all of `argv` but the program."""
    account: str | None = None
    """The account that its first process changes to once it runs; None: it stays in ours."""
    do: str = "Look into its log, and whether the package is installed."
    """What to do when it cannot be started."""

    @property
    def identity(self) -> Identity:
        """What its processes are known by."""
        program = self.argv[0].rpartition("/")[2]
        return Identity(program, self.mark or self.argv[1:], self.account)


@dataclass(frozen=True)
class UnitSeen:
    """A daemon as it is."""

    running: bool
    pid: int = 0
    """The oldest master; 0: none."""
    since_s: int = 0
    """For how long it has been running."""
    detail: str = ""
    """Why it is not running, if that is known."""
    pids: tuple[int, ...] = ()
    """All masters, oldest first; more than one means strays."""


class Units(Protocol):
    """Daemons by name."""

    async def start(self, unit: str) -> None:
        """Start it, or do nothing if it runs.

        Raises `Unable`, with its own last words if it ends at once.
        """

    async def stop(self, unit: str) -> None:
        """End it and all its workers; not running is success. Raises `Unable`."""

    async def seen(self, unit: str) -> UnitSeen:
        """What is running of it."""


class ChildUnits:
    """Starts daemons itself, each in a session of its own."""

    def __init__(self, specs: Mapping[str, UnitSpec]) -> None:
        self._specs = dict(specs)
        self._locks = {unit: asyncio.Lock() for unit in specs}
        self._children: dict[int, str] = {}
        """Those this process has started and not yet buried, with their unit."""
        self._ended: dict[str, str] = {}
        """How the last one of a unit ended."""

    async def start(self, unit: str) -> None:
        spec = self._specs[unit]
        async with self._locks[unit]:
            if (await self._found(unit)).masters:
                return
            _begin_anew_if_long(spec.log)
            begins = _size(spec.log)
            pid = start_daemon(spec.argv, log_to=spec.log, do=spec.do)
            self._children[pid] = unit
            self._ended.pop(unit, None)
            if await gone([pid], None, within_s=SETTLE_S):
                self._bury()
                words = tail(spec.log, since=begins)
                raise Unable(
                    f"{unit} {self._ended.get(unit, 'ended')} at once: {words or 'no word why'}",
                    do=spec.do,
                )

    async def stop(self, unit: str) -> None:
        identity = self._specs[unit].identity
        async with self._locks[unit]:
            found = await self._found(unit)
            for number, within_s in ((signal.SIGTERM, TERM_S), (signal.SIGKILL, KILL_S)):
                if not found.family:
                    break
                # a master passes the request on to its workers; the last word spares nobody
                targets = found.masters if number == signal.SIGTERM else found.family
                await end(targets, number, identity)
                await gone(found.family, identity, within_s=within_s)
                found = await self._found(unit)
            self._ended.pop(unit, None)
        if found.family:
            pids = ", ".join(map(str, sorted(found.family)))
            raise Unable(
                f"{unit} does not end, not even when killed (process {pids}).",
                do="It hangs in the kernel: look in the kernel's log, restart the unit.",
            )

    async def seen(self, unit: str) -> UnitSeen:
        found = await self._found(unit)
        if not found.masters:
            return UnitSeen(running=False, detail=self._ended.get(unit, ""))
        first = found.masters[0]
        return UnitSeen(running=True, pid=first, since_s=age_s(first), pids=found.masters)

    async def _found(self, unit: str) -> Found:
        found = await asyncio.to_thread(find, self._specs[unit].identity)
        # afterwards, so that one which died while we looked is told about as well
        self._bury()
        return found

    def _bury(self) -> None:
        for pid, unit in tuple(self._children.items()):
            status = reap(pid)
            if status is not None:
                del self._children[pid]
                self._ended[unit] = _how(status)


def tail(path: Path, *, since: int = 0) -> str:
    """The end of a log in one line, bounded, without control characters."""
    try:
        with path.open("rb") as file:
            file.seek(max(since, _size(path) - TAIL))
            text = file.read(TAIL).decode(errors="replace")
    except OSError:
        return ""
    return one_line(text)


def one_line(text: str) -> str:
    """The end of what a program said as it may stand in a sentence: no control characters."""
    clean = "".join(sign if sign.isprintable() else " " for sign in text)
    return " ".join(clean.split())[-TAIL:]


def _how(status: int) -> str:
    if os.WIFSIGNALED(status):
        number = os.WTERMSIG(status)
        return f"was ended by signal {number} ({signal.strsignal(number)})"
    return f"ended with status {os.WEXITSTATUS(status)}"


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0


def _begin_anew_if_long(path: Path) -> None:
    if _size(path) > LOG_LIMIT:
        os.truncate(path, 0)
