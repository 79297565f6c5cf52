# SPDX-License-Identifier: Apache-2.0
"""A conversation over TCP that takes so much and no more from the other end."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from functools import cache
from typing import Any

from services.health.jobs import Job
from services.probe.found import Failed

MOST_BYTES = 64 << 10
"""Read in one look; no check has a use for more."""


class Conversation:
    """Both directions of one connection; every call may raise `OSError` and `Failed`."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._left = MOST_BYTES
        self._heard = False

    async def say(self, data: bytes) -> None:
        """Send it."""
        self._writer.write(data)
        await self._writer.drain()

    async def line(self) -> str:
        """The next line, without its end."""
        try:
            data = await self._reader.readuntil(b"\n")
        except asyncio.IncompleteReadError as error:
            raise self._hung_up() from error
        except asyncio.LimitOverrunError as error:
            raise _endless() from error
        self._heard = True
        self._took(len(data))
        return data.rstrip(b"\r\n").decode(errors="replace")

    async def exactly(self, size: int) -> bytes:
        """So many bytes."""
        self._took(size)  # before they are waited for: a length may be a lie
        try:
            data = await self._reader.readexactly(size)
        except asyncio.IncompleteReadError as error:
            raise self._hung_up() from error
        self._heard = True
        return data

    async def rest(self, most: int) -> bytes:
        """Everything until the other end hangs up, which may be `most` bytes."""
        data = bytearray()
        while piece := await self._reader.read(most + 1 - len(data)):
            data += piece
            if len(data) > most:
                raise _endless(most)
        return bytes(data)

    async def secure(self) -> None:
        """Go on under TLS; whose certificate it is does not matter here."""
        await self._writer.start_tls(tls(verified=False))

    def certificate(self) -> Mapping[str, Any]:
        """The server's, as `ssl.SSLSocket.getpeercert` tells one that was verified."""
        return self._writer.get_extra_info("peercert") or {}

    def _took(self, size: int) -> None:
        self._left -= size
        if self._left < 0:
            raise _endless()

    def _hung_up(self) -> Failed:
        return Failed("connection closed" if self._heard else "connection closed without a word")


def _endless(most: int = MOST_BYTES) -> Failed:
    return Failed(f"the answer is longer than {most >> 10} kB")


@asynccontextmanager
async def connected(
    job: Job, *, under_tls: bool = False, any_name: bool = False
) -> AsyncIterator[Conversation]:
    """A conversation with the job's server; raises `OSError`.

    `any_name`: a certificate that is to be checked may be for any name.
    """
    manner, address, port = job.target
    secured = tls(verified=manner.verify_tls, any_name=any_name) if under_tls else None
    # a name of our own making would be sent where none was given
    name = (manner.host or address) if under_tls else None
    reader, writer = await asyncio.open_connection(
        address, port, ssl=secured, server_hostname=name, limit=MOST_BYTES
    )
    try:
        yield Conversation(reader, writer)
    finally:
        # at once, without a farewell that the other end could draw out
        writer.transport.abort()


@cache
def tls(*, verified: bool, any_name: bool = False) -> ssl.SSLContext:
    """How TLS is spoken; made once, because reading the authorities takes a while."""
    context = ssl.create_default_context()
    context.check_hostname = not any_name
    if not verified:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context
