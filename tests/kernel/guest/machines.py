# SPDX-License-Identifier: Apache-2.0
"""Real servers: each says who it is, whom it sees and where it was called, then gives back all.

UDP is bound address by address, since an answer from an address that was not asked is none.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, nullcontext, suppress

from tests.netns import Namespace

_READ = 1 << 16


@asynccontextmanager
async def answering(
    machine: Namespace | None, name: str, addresses: Sequence[str], ports: Sequence[int]
) -> AsyncIterator[None]:
    """Answer TCP and UDP on all ports of all addresses."""
    loop = asyncio.get_running_loop()
    async with AsyncExitStack() as left:
        for address in addresses:
            for port in ports:
                with machine.entered() if machine is not None else nullcontext():
                    stream = _bound(socket.SOCK_STREAM, address, port)
                    datagram = _bound(socket.SOCK_DGRAM, address, port)
                server = await asyncio.start_server(_Host(name), sock=stream, backlog=64)
                left.callback(server.close)
                left.callback(datagram.close)
                loop.add_reader(datagram, _give_back, name, datagram)
                left.callback(loop.remove_reader, datagram)
        yield


class _Host:
    """A server's side of every TCP connection."""

    def __init__(self, name: str) -> None:
        self._name = name

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError, TimeoutError):
            writer.write(_greeting(self._name, writer.get_extra_info("socket")))
            while data := await reader.read(_READ):
                writer.write(data)
                await writer.drain()
        writer.close()


def _bound(kind: socket.SocketKind, address: str, port: int) -> socket.socket:
    made = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, kind)
    made.setblocking(False)
    if kind is socket.SOCK_STREAM:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    made.bind((address, port))
    return made


def _give_back(name: str, here: socket.socket) -> None:
    data, peer = here.recvfrom(_READ)
    here.sendto(_line(name, peer, here.getsockname()) + data, peer)


def _greeting(name: str, here: socket.socket) -> bytes:
    return _line(name, here.getpeername(), here.getsockname())


def _line(name: str, peer: tuple[str, int], here: tuple[str, int]) -> bytes:
    return f"{name} {peer[0]} {here[0]} {here[1]}\n".encode()
