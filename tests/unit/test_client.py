# SPDX-License-Identifier: Apache-2.0
"""What the client makes of an agent that talks nonsense."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from services.client import Client
from services.errors import Unable


@asynccontextmanager
async def answering(path: Path, answer: bytes) -> AsyncIterator[Client]:
    """A client of somebody who says `answer` to everything."""

    async def say(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)
        writer.close()

    server = await asyncio.start_unix_server(say, path)
    client = Client(path)
    try:
        yield client
    finally:
        await client.aclose()
        server.close()
        await server.wait_closed()


def http(status: int, body: bytes) -> bytes:
    return b"HTTP/1.1 %d X\r\nContent-Length: %d\r\n\r\n%s" % (status, len(body), body)


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"\x00\xff garbage\r\n\r\n",
        http(200, b""),
        http(200, b"null"),
        http(200, b"[" * 100_000),
        http(200, b'[{"at":null,"who":"a","what":"b"}]'),
        http(200, b'[{"at":1e300,"who":"a","what":"b"}]'),
        http(500, b"Internal Server Error"),
        http(500, b'{"kind":"SystemExit","what":"x","do":"y"}'),
        http(500, b'{"kind":"__builtins__","what":"x","do":"y"}'),
    ],
)
async def test_every_answer_that_is_none_is_unable(tmp_path: Path, answer: bytes) -> None:
    for ask in (Client.journal, Client.revisions, Client.status, Client.confirm):
        async with answering(tmp_path / "s", answer) as client:
            with pytest.raises(Unable):
                await ask(client)
        (tmp_path / "s").unlink(missing_ok=True)
