# SPDX-License-Identifier: Apache-2.0
"""Processes of one daemon, found by what stands in /proc and ended by exactly their identity.

A pid file outlives its process and may name a stranger; the kernel's own table does not lie.
A daemon is recognised by its program and arguments, of which some are unique to it (the path
of its socket). Its workers have the same arguments, so the masters are those whose parent is
none of them. Looked at are only processes in our own network and PID namespaces, because a
lab's appliance beside us has the same paths; and only processes of our own account, or of the
one that the daemon changes to, count as masters, because anybody may start something that calls
itself haproxy.

Signals go through a pidfd, opened before the identity is checked once more: a number that
was reused meanwhile can not be hit.
"""

from __future__ import annotations

import asyncio
import os
import pwd
import signal
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

_IN_EXEC_S = 0.002
_IN_EXEC_TRIES = 5
"""A process that is just replacing its program has no arguments for some microseconds."""
_KERNEL_THREAD = 0x00200000
_FLAGS, _STARTED = 6, 19
"""Fields of /proc/PID/stat, counted from the state on."""


@dataclass(frozen=True)
class Identity:
    """What the processes of one daemon have in common."""

    program: str
    """The program's name, without its folder."""
    mark: tuple[str, ...]
    """Arguments that stand side by side in its command line; empty: it has none at all."""
    account: str | None = None
    """The account that its master gives itself, if it does not stay in ours."""

    @property
    def accounts(self) -> frozenset[int]:
        """User ids of its masters: ours, for it begins there, and its own."""
        own = {os.geteuid()}
        if self.account is not None:
            with suppress(KeyError):  # not there, so nobody can change to it
                own.add(pwd.getpwnam(self.account).pw_uid)
        return frozenset(own)

    def matches(self, argv: Sequence[str]) -> bool:
        """Whether a command line is this daemon's."""
        if not argv or argv[0].rpartition("/")[2] != self.program:
            return False
        rest, width = tuple(argv[1:]), len(self.mark)
        if not width:
            return not rest
        return any(rest[at : at + width] == self.mark for at in range(len(rest) - width + 1))


@dataclass(frozen=True)
class Found:
    """The processes of one daemon."""

    masters: tuple[int, ...] = ()
    """Oldest first."""
    family: frozenset[int] = frozenset()
    """Masters and what descends from them."""


def find(identity: Identity) -> Found:
    """Look through the kernel's table. Blocks for some milliseconds."""
    parents: dict[int, int] = {}
    own: set[int] = set()
    accounts = identity.accounts
    for pid in _running(identity):
        told = _parent_and_owner(pid)
        if told is not None and _beside_us(pid):
            parents[pid] = told[0]
            if told[1] in accounts:
                own.add(pid)
    masters = {pid for pid in own if parents[pid] not in parents}
    family = set(masters)
    for _ in parents:
        family |= {pid for pid, parent in parents.items() if parent in family}
    return Found(tuple(sorted(masters, key=lambda pid: (started_s(pid), pid))), frozenset(family))


def started_s(pid: int) -> float:
    """When it was started, in seconds since the machine's start; 0 if it is gone."""
    stat = _stat(pid)
    return int(stat[_STARTED]) / os.sysconf("SC_CLK_TCK") if stat else 0.0


def age_s(pid: int) -> int:
    """For how many seconds it has been running."""
    return max(0, int(time.clock_gettime(time.CLOCK_BOOTTIME) - started_s(pid)))


def reap(pid: int) -> int | None:
    """Bury a child of ours that has ended: its wait status; None if it lives or is no child."""
    with suppress(ChildProcessError):
        found, status = os.waitpid(pid, os.WNOHANG)
        if found == pid:
            return status
    return None


async def end(pids: Iterable[int], number: signal.Signals, identity: Identity) -> None:
    """Send a signal to those of `pids` that still are this daemon's."""
    with _handles(pids, identity) as handles:
        for fd in handles.values():
            with suppress(ProcessLookupError):
                signal.pidfd_send_signal(fd, number)


async def gone(pids: Iterable[int], identity: Identity | None, *, within_s: float) -> bool:
    """Wait until none of `pids` is this daemon's any more; False when time is up.

    None instead of an identity is for children of ours not yet buried: their number cannot
    be another's.
    """
    with _handles(pids, identity) as handles:
        loop = asyncio.get_running_loop()
        ended = {fd: asyncio.Event() for fd in handles.values()}
        for fd, event in ended.items():
            loop.add_reader(fd, event.set)
        try:
            async with asyncio.timeout(within_s):
                for event in ended.values():
                    await event.wait()
        except TimeoutError:
            return False
        finally:
            for fd in ended:
                loop.remove_reader(fd)
        return True


@contextmanager
def _handles(pids: Iterable[int], identity: Identity | None) -> Iterator[dict[int, int]]:
    """Process handles by pid, for those which are what we take them for."""
    with ExitStack() as stack:
        handles = {}
        for pid in pids:
            with suppress(ProcessLookupError):
                fd = os.pidfd_open(pid)
                stack.callback(os.close, fd)
                if identity is None or identity.matches(_argv(pid)):
                    handles[pid] = fd
        yield handles


def _running(identity: Identity) -> Iterator[int]:
    for entry in os.scandir("/proc"):
        if entry.name.isdigit() and identity.matches(_argv(int(entry.name))):
            yield int(entry.name)


def _argv(pid: int) -> list[str]:
    for _ in range(_IN_EXEC_TRIES):
        data = _read(pid, "cmdline")
        if data:
            return os.fsdecode(data).rstrip("\0").split("\0")
        stat = _stat(pid)
        if not stat or stat[0] in "ZX" or int(stat[_FLAGS]) & _KERNEL_THREAD:
            return []
        time.sleep(_IN_EXEC_S)
    return []


def _stat(pid: int) -> list[str]:
    """The fields after the name, which may contain anything."""
    return _read(pid, "stat").decode(errors="replace").rpartition(")")[2].split()


def _parent_and_owner(pid: int) -> tuple[int, int] | None:
    lines = _read(pid, "status").decode(errors="replace").splitlines()
    fields = dict(line.split(":", 1) for line in lines if ":" in line)
    if not fields:
        return None
    return int(fields["PPid"]), int(fields["Uid"].split()[1])


def _read(pid: int, name: str) -> bytes:
    """A file of that process, empty if it is gone; by hand, since hundreds are read at a look."""
    try:
        fd = os.open(f"/proc/{pid}/{name}", os.O_RDONLY)
    except OSError:
        return b""
    try:
        return os.read(fd, 1 << 16)
    except OSError:
        return b""
    finally:
        os.close(fd)


def _beside_us(pid: int) -> bool:
    try:
        return all(
            Path(f"/proc/{pid}/ns/{kind}").readlink() == Path(f"/proc/self/ns/{kind}").readlink()
            for kind in ("net", "pid")
        )
    except OSError:
        return False
