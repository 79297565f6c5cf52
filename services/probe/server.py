# SPDX-License-Identifier: Apache-2.0
"""The probe's socket: jobs in, results out, to as many agents as there are, mostly one.

What is sent is made when it can be sent, from the newest result of each job that has news. So
a reader that is slow gets fewer results and not more memory, and nobody there costs nothing.
"""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import struct
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from services.health.jobs import MOST_LINE, jobs_from, told_line
from services.probe.watches import Looking, Watches

log = logging.getLogger(__name__)

MOST_AGENTS = 8
_UCRED = struct.Struct("iII")


class _Agent:
    """A connection and what it has not been told yet."""

    def __init__(self, writer: asyncio.StreamWriter) -> None:
        self.writer = writer
        self.news: dict[str, None] = {}
        """Names of jobs, in the order of their results."""
        self.woken = asyncio.Event()

    def note(self, name: str) -> None:
        self.news[name] = None
        self.woken.set()


class ProbeServer:
    """Serves one list of jobs on a UNIX socket."""

    def __init__(self, look: Looking) -> None:
        self.watches = Watches(look, self._tell)
        self._agents: set[_Agent] = set()

    async def serve(self, path: Path) -> asyncio.Server:
        """Begin to listen, for root and our own account only; raises `OSError`."""
        path.unlink(missing_ok=True)
        # the folder keeps others out: of the two accounts that get into it one is root, who has
        # no right on the appliance to pass over a mode
        before = os.umask(0o111)
        try:
            return await asyncio.start_unix_server(self._served, path, limit=MOST_LINE)
        finally:
            os.umask(before)

    async def close(self) -> None:
        """End every look and hang up."""
        await self.watches.close()
        for agent in self._agents:
            agent.writer.transport.abort()

    def _tell(self, name: str) -> None:
        for agent in self._agents:
            agent.note(name)

    async def _served(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if not _may_command(writer) or len(self._agents) >= MOST_AGENTS:
            writer.transport.abort()
            return
        with self._connected(writer) as agent:
            telling = asyncio.create_task(self._telling(agent))
            try:
                await self._obey(reader, agent)
            except (OSError, ValueError, asyncio.IncompleteReadError) as error:
                log.warning("a connection ends: %s", type(error).__name__)
            finally:
                telling.cancel()
                with suppress(asyncio.CancelledError, OSError):
                    await telling

    @contextmanager
    def _connected(self, writer: asyncio.StreamWriter) -> Iterator[_Agent]:
        agent = _Agent(writer)
        self._agents.add(agent)
        try:
            yield agent
        finally:
            self._agents.discard(agent)
            writer.transport.abort()

    async def _obey(self, reader: asyncio.StreamReader, agent: _Agent) -> None:
        agent.writer.write(told_line(self.watches.running))
        for name in self.watches.names:
            agent.note(name)
        while line := await reader.readline():
            self.watches.replace(jobs_from(line))
            running = told_line(self.watches.running)
            for each in self._agents:
                each.writer.write(running)

    async def _telling(self, agent: _Agent) -> None:
        while True:
            await agent.woken.wait()
            agent.woken.clear()
            while agent.news:
                name = next(iter(agent.news))
                del agent.news[name]
                if look := self.watches.last(name):
                    agent.writer.write(told_line(look))
                await agent.writer.drain()


def _may_command(writer: asyncio.StreamWriter) -> bool:
    """Jobs name addresses to send to: they are root's to give, or whoever started this."""
    sock: socket.socket = writer.get_extra_info("socket")
    raw = sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _UCRED.size)
    _, uid, _ = _UCRED.unpack(raw)
    return uid in {0, os.geteuid()}
