# SPDX-License-Identifier: Apache-2.0
"""Talking to HAProxy's processes: to the worker that serves, and to those on their way out.

Old and new worker share the listening socket for some milliseconds after a reload, so an
answer counts only if its process id is not that of a worker that was replaced. A worker
that finishes its connections has no socket of its own any more: it is reached through the
master.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Collection, Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from services.drivers.haproxy_answers import (
    Processes,
    Worker,
    processes_from,
    sessions_from,
    worker_from,
)
from services.drivers.haproxy_socket import LINE_LIMIT, ask
from services.errors import Unable, Unreachable
from services.plan.state import ServerKey

ANSWER_S = 5.0
"""A worker answers in milliseconds; one that takes so long is hung, or the unit is swamped."""

MASTER_AWAY_S = 1.0
MASTER_POLL_S = 0.002
"""A master that replaces itself does not listen for some milliseconds."""

POLL_S = (0.002, 0.05)
"""First and longest pause between two looks."""


ENDED = "Can't find the target PID"
"""A master's answer to a question for a worker that is no more (HAProxy, src/cli.c)."""

_CUT_OFF = (ConnectionResetError, BrokenPipeError)
"""Somebody was there and is gone; unlike nobody there at all, it passes."""


class Pause:
    """Waits that grow from short to long until the time is up."""

    def __init__(self, within_s: float, *, longest_s: float = POLL_S[1]) -> None:
        self._until = time.monotonic() + within_s
        self._next_s, self._longest_s = POLL_S[0], longest_s

    async def again(self) -> bool:
        """Wait a little; False if the time is up."""
        if time.monotonic() >= self._until:
            return False
        await asyncio.sleep(self._next_s)
        self._next_s = min(self._next_s * 1.5, self._longest_s)
        return True


class Workers:
    """The processes behind HAProxy's two sockets."""

    def __init__(self, admin: Path, master: Path) -> None:
        self._admin = admin
        self._master = master
        self.replaced: frozenset[int] = frozenset()
        """Workers that may still pick up a question in the moment after a reload."""

    async def told(self, line: str = "") -> tuple[Worker, str]:
        """The worker that serves, and its answer to `line`.

        Raises `Unreachable` if there is none.
        """
        command = f"show info;{line}" if line else "show info"
        pause = Pause(ANSWER_S)
        while True:
            try:
                answer = await ask(self._admin, command, timeout_s=ANSWER_S)
            except Unreachable as error:
                # cut off in the middle: the worker that had picked it up was replaced
                if not isinstance(error.__cause__, _CUT_OFF):
                    raise
                answer = ""
            info, _, rest = answer.partition("\n\n")
            if info:
                worker = worker_from(info)
                if worker.pid not in self.replaced:
                    return worker, rest
            if not await pause.again():
                raise Unable(
                    "HAProxy's new worker gives no answer, or an old one goes on answering.",
                    do="Restart HAProxy if it stays.",
                )

    async def other_than(self, old: Collection[int]) -> Worker | None:
        """The worker that serves, if it is none of `old`; asked once."""
        try:
            info = await ask(self._admin, "show info", timeout_s=ANSWER_S)
        except Unreachable:
            return None
        worker = worker_from(info) if info else None
        return worker if worker and worker.pid not in old else None

    async def reload(self, *, timeout_s: float) -> str:
        """Tell the master to load its file anew; what it says, which up to 2.6 is nothing."""
        try:
            return await ask(self._master, "reload", timeout_s=timeout_s)
        except Unreachable as error:
            if isinstance(error.__cause__, _CUT_OFF):
                return ""
            raise

    async def command(self, line: str) -> str:
        """What the master answers to a question.

        Asked again if it refuses or hangs up: under a reload it replaces itself, twice.
        """
        pause = Pause(MASTER_AWAY_S, longest_s=MASTER_POLL_S)
        while True:
            try:
                answer = await ask(self._master, line, timeout_s=ANSWER_S)
            except Unreachable as error:
                passing = isinstance(error.__cause__, (ConnectionRefusedError, *_CUT_OFF))
                if not passing or not await pause.again():
                    raise
            else:
                if answer or not await pause.again():
                    return answer

    async def processes(self) -> Processes:
        """The master and its workers."""
        return processes_from(await self.command("show proc"))

    async def leaving(self) -> tuple[int, ...]:
        """Workers that finish their connections; none if nobody can tell."""
        try:
            return (await self.processes()).leaving
        except Unable:
            return ()

    async def of_leaving(self, command: str) -> list[str]:
        """What each leaving worker answers; one that ends meanwhile has nothing to say."""
        answers = []
        for pid in await self.leaving():
            with suppress(Unable):
                answers.append(await self._of(pid, command))
        return answers

    async def _of(self, pid: int, command: str) -> str:
        """What one worker answers through the master; raises `Unreachable` when it has ended."""
        answer = await self.command(f"@!{pid} {command}")
        if not answer or answer.startswith(ENDED):
            raise Unreachable(f"HAProxy's worker {pid} has ended.", do="Ask the one that serves.")
        return answer

    async def cut_in_leaving(self, halted: Collection[ServerKey]) -> None:
        """End the connections that leaving workers hold to these servers.

        One by one: a worker that is leaving refuses `shutdown sessions server`.
        """
        for pid in await self.leaving():
            with suppress(Unable):  # it may end by itself at any moment
                sessions = await self._of(pid, "show sess")
                lines = [
                    f"@!{pid} shutdown session {handle}"
                    for key, handle in sessions_from(sessions)
                    if key in halted
                ]
                for batch in batches(lines):
                    await self.command(batch)


def batches(lines: Sequence[str]) -> Iterator[str]:
    """The commands in as few lines as HAProxy's buffer allows."""
    batch = ""
    for line in lines:
        if batch and len(batch) + len(line) >= LINE_LIMIT:
            yield batch
            batch = ""
        batch = f"{batch};{line}" if batch else line
    if batch:
        yield batch
