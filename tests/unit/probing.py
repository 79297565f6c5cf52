# SPDX-License-Identifier: Apache-2.0
"""Small servers on the loopback device for the probe to look at."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

from services.health.jobs import Job
from services.health.targets import Manner, Target, Way
from services.health.verdict import Result
from services.probe.looker import Looker
from services.probe.ping import Pinger

HOST = "127.0.0.1"

Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


def job(kind: Way, port: int, *, secret: str = "", timeout_s: int = 2, **manner: Any) -> Job:
    told = Manner(kind, 1, timeout_s, fall=2, rise=2)._replace(**manner)
    return Job(Target(told, HOST, port), secret)


async def look(wanted: Job, scripts: Path = Path("/nonexistent")) -> Result | None:
    """What one look finds."""
    pinger = Pinger()
    try:
        return await Looker(pinger, scripts, most=10).look(wanted)
    finally:
        pinger.close()


async def words(wanted: Job, scripts: Path = Path("/nonexistent")) -> str:
    """Why the server is not well; "well" if it is."""
    found = await look(wanted, scripts)
    assert found is not None
    return "well" if found.ok else found.words


@asynccontextmanager
async def stream(serve: Serve, *, tls: ssl.SSLContext | None = None) -> AsyncIterator[int]:
    """A server over TCP; its port."""
    tasks: set[asyncio.Task[Any]] = set()

    async def served(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task
        tasks.add(task)
        with suppress(OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            await serve(reader, writer)
        writer.transport.abort()

    server = await asyncio.start_server(served, HOST, 0, ssl=tls)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def scripted(first: bytes, answers: Mapping[bytes, bytes] | Iterable[bytes]) -> Serve:
    """A server of lines: what it begins with, then its answer to each line it gets."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(first)
        turns = iter(()) if isinstance(answers, Mapping) else iter(answers)
        while line := await reader.readline():
            known = answers.get(line.rstrip()) if isinstance(answers, Mapping) else next(turns, b"")
            if known is None:
                return
            writer.write(known)
            await writer.drain()

    return serve


class _Datagrams(asyncio.DatagramProtocol):
    def __init__(self, answer: Callable[[bytes], Iterable[bytes]]) -> None:
        self._answer = answer

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport: Any = transport

    def datagram_received(self, data: bytes, addr: Any) -> None:
        for each in self._answer(data):
            self._transport.sendto(each, addr)


@asynccontextmanager
async def datagrams(answer: Callable[[bytes], Iterable[bytes]]) -> AsyncIterator[int]:
    """A server over UDP; its port."""
    transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(
        lambda: _Datagrams(answer), local_addr=(HOST, 0)
    )
    try:
        yield transport.get_extra_info("sockname")[1]
    finally:
        transport.close()


def closed_port() -> int:
    """A port where nobody listens, neither TCP nor UDP."""
    import socket

    with socket.socket() as one, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as two:
        one.bind((HOST, 0))
        port: int = one.getsockname()[1]
        two.bind((HOST, port))
        return port
