# SPDX-License-Identifier: Apache-2.0
"""External checks: programs of the administrator's, called as ldirectord calls them.

    NAME VIP VIP-PORT RIP RIP-PORT        exit status 0: the server is healthy

A script may hang, flood or fork. It gets a session of its own, so that it and its children are
ended together; one that has left the session is given to us by the kernel when its parent
ends (PR_SET_CHILD_SUBREAPER, prctl(2)), and is ended then. Its words are read up to a limit;
one that goes on has failed.
"""

from __future__ import annotations

import asyncio
import errno
import logging
import os
import re
import signal
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from services.command import start_watched
from services.health.jobs import Job
from services.probe.found import Failed, Found, Unlooked, quoted

log = logging.getLogger(__name__)

MOST_AT_ONCE = 32
"""Scripts that run at a time; others wait for their turn, and their time has not begun."""

MOST_BYTES = 64 << 10
"""Of what a script may say, errors included."""

SHOWN = 300
"""Bytes at the end of its words in which the reason is looked for."""

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,62}", re.ASCII)
_ITS_FAULT = frozenset({errno.ENOEXEC, errno.ENOENT, errno.EACCES, errno.ELOOP})
"""It says no interpreter, or one that is not there."""
_ROUNDS = 20
"""How often strays are looked for again: one that forks faster than that loses to the limit
of processes that the unit has."""


class Scripts:
    """The scripts in a folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._running: set[int] = set()

    async def look(self, job: Job) -> Found:
        """Run the script to its end; raises `Failed` with its last words."""
        manner, address, port = job.target
        path = self._path(manner.script)
        argv = [str(path), manner.vip, str(manner.vip_port), address, str(port)]
        try:
            pid, output = start_watched(argv)
        except OSError as error:
            if error.errno not in _ITS_FAULT:
                raise Unlooked(f"{manner.script}: {error.strerror}") from error
            raise Failed(f"{manner.script} cannot be started: {error.strerror}") from error
        self._running.add(pid)
        said = bytearray()
        try:
            status = await _ended(pid, output, said, manner.script)
        finally:
            # an awaited end is reaped only now: until then the number is nobody else's
            self._end(pid)
            os.close(output)
        if status == 0:
            return Found()
        last = quoted(bytes(said[-SHOWN:])) if said else ""
        how = _how(status)
        raise Failed(f"{manner.script} {how}: {last}" if last else f"{manner.script} {how}")

    def _path(self, name: str) -> Path:
        if not _NAME.fullmatch(name):
            raise Unlooked(f"{name!r} is no name of a script")
        path = self._folder / name
        if not path.is_file():
            raise Unlooked(f"the script {name} is not there")
        return path

    def _end(self, pid: int) -> None:
        """End what is left of a script: its session, then whoever has left it."""
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(pid, signal.SIGKILL)
        with suppress(ChildProcessError):
            os.waitpid(pid, 0)
        self._running.discard(pid)
        for _ in range(_ROUNDS):
            strays = list(self._strays())
            for stray in strays:
                with suppress(ProcessLookupError, PermissionError):
                    os.kill(stray, signal.SIGKILL)
                with suppress(ChildProcessError):
                    os.waitpid(stray, 0)
            if not strays:
                return
        log.warning("a script's processes do not end")

    def _strays(self) -> Iterator[int]:
        """Children of ours that belong to no script that runs."""
        for pid in children():
            with suppress(ProcessLookupError):
                if pid not in self._running and os.getsid(pid) not in self._running:
                    yield pid


def children() -> list[int]:
    """Our own processes, those included that were left to us."""
    found: list[int] = []
    for task in Path("/proc/self/task").iterdir():
        with suppress(OSError):
            found += map(int, (task / "children").read_text().split())
    return found


async def _ended(pid: int, output: int, said: bytearray, name: str) -> int:
    """Wait for its end, reading what it says; returns how it ended, not yet reaped."""
    loop = asyncio.get_running_loop()
    done: asyncio.Future[None] = loop.create_future()
    handle = os.pidfd_open(pid)

    def read() -> None:
        data = os.read(output, MOST_BYTES)
        said.extend(data)
        if len(said) > MOST_BYTES and not done.done():
            done.set_exception(Failed(f"{name} says more than {MOST_BYTES >> 10} kB"))
        if not data or len(said) > MOST_BYTES:
            loop.remove_reader(output)

    def end() -> None:
        loop.remove_reader(handle)
        if not done.done():
            done.set_result(None)

    loop.add_reader(output, read)
    loop.add_reader(handle, end)
    try:
        await done
        with suppress(BlockingIOError):  # its last words may lie there still
            said.extend(os.read(output, MOST_BYTES))
    finally:
        loop.remove_reader(output)
        loop.remove_reader(handle)
        os.close(handle)
    return _status(pid)


def _status(pid: int) -> int:
    """How one that has ended did so: its status, or the signal's number below zero."""
    found = os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
    if found is None:
        return 0
    return found.si_status if found.si_code == os.CLD_EXITED else -found.si_status


def _how(status: int) -> str:
    if status < 0:
        return f"was ended by signal {-status} ({signal.strsignal(-status)})"
    return f"ended with status {status}"
