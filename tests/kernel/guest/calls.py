# SPDX-License-Identifier: Apache-2.0
"""Clients: they say who answered them, from which address they were seen, and what came back."""

from __future__ import annotations

import asyncio
import socket
from typing import NamedTuple

from tests.netns import Namespace

WITHIN_S = 8.0
"""For anything that is to work; a lost first packet is sent again after one second."""
_READ = 1 << 16


class Answer(NamedTuple):
    """What a server says of itself and of whom it sees."""

    server: str
    source: str
    """The client, as the server sees it."""
    address: str
    """Where the server was called."""
    port: int

    @classmethod
    def read(cls, line: bytes) -> Answer:
        """From the line that a server greets with."""
        assert line, "the server has hung up without a word"
        server, source, address, port = line.decode().split()
        return cls(server, source, address, int(port))


class Call:
    """A TCP connection; a server answers with who it is, and then with what it is sent."""

    def __init__(
        self, answer: Answer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self.answer = answer
        self._reader = reader
        self._writer = writer

    @property
    def server(self) -> str:
        """Who answers."""
        return self.answer.server

    async def echo(self, size: int = 1000, *, within_s: float = WITHIN_S) -> None:
        """Send bytes, and get the very same back; raises `TimeoutError`, `ConnectionError`.

        What a call that timed out had sent comes before: do not ask twice.
        """
        sent = _bytes(size)
        async with asyncio.timeout(within_s):
            writing = asyncio.ensure_future(self._send(sent))
            try:
                try:
                    came = await self._reader.readexactly(size)
                except asyncio.IncompleteReadError as error:
                    raise ConnectionResetError("the server has hung up") from error
            finally:
                writing.cancel()
        assert came == sent

    async def outstanding(self, size: int) -> None:
        """Get back what was sent in vain, once the kernel sends it again."""
        async with asyncio.timeout(WITHIN_S):
            assert await self._reader.readexactly(size) == _bytes(size)

    async def end(self) -> bytes:
        """Say that nothing more comes, and read to the end what does."""
        async with asyncio.timeout(WITHIN_S):
            self._writer.write_eof()
            return await self._reader.read()

    def close(self) -> None:
        """Hang up."""
        self._writer.close()

    async def _send(self, data: bytes) -> None:
        self._writer.write(data)
        await self._writer.drain()


class Datagrams:
    """One UDP port of a client's, and whom it talks to."""

    def __init__(self, machine: Namespace, source: str, to: tuple[str, int]) -> None:
        self._socket = _bound(machine, source, socket.SOCK_DGRAM)
        self._socket.connect(to)

    async def ask(self, size: int = 1000) -> Answer:
        """Send a datagram of `size` bytes; who answers it, with the same bytes."""
        loop = asyncio.get_running_loop()
        sent = bytes(size)
        async with asyncio.timeout(WITHIN_S):
            await loop.sock_sendall(self._socket, sent)
            came = await loop.sock_recv(self._socket, _READ)
        line, _, rest = came.partition(b"\n")
        assert rest == sent
        return Answer.read(line)

    def close(self) -> None:
        """Close the port."""
        self._socket.close()


def _bytes(size: int) -> bytes:
    """No two neighbours alike, so that what comes in another order is noticed."""
    return (bytes(range(251)) * (size // 251 + 1))[:size]


async def called(
    machine: Namespace, source: str, to: tuple[str, int], *, within_s: float = WITHIN_S
) -> Call:
    """Connect, and hear who answers; raises `TimeoutError`, `OSError`."""
    calling = _bound(machine, source, socket.SOCK_STREAM)
    try:
        async with asyncio.timeout(within_s):
            await asyncio.get_running_loop().sock_connect(calling, to)
            reader, writer = await asyncio.open_connection(sock=calling)
            return Call(Answer.read(await reader.readline()), reader, writer)
    except BaseException:
        calling.close()
        raise


def _bound(machine: Namespace, source: str, kind: socket.SocketKind) -> socket.socket:
    family = socket.AF_INET6 if ":" in source else socket.AF_INET
    with machine.entered():
        made = socket.socket(family, kind)
    made.setblocking(False)
    made.bind((source, 0))
    return made
