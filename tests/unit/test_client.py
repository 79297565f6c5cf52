# SPDX-License-Identifier: Apache-2.0
"""What the client makes of an agent that talks nonsense."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from services.api import ErrorView, StoredKind
from services.client import Client
from services.errors import Refused, Unable, Unreachable


@asynccontextmanager
async def answering(path: Path, answer: bytes) -> AsyncIterator[Client]:
    """A client of somebody who says `answer` to everything."""

    async def say(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)
        writer.close()

    server = await asyncio.start_unix_server(say, path)
    try:
        yield Client(path)
    finally:
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


async def test_a_refusal_before_all_of_a_question_was_read_is_heard(tmp_path: Path) -> None:
    told = ErrorView(kind="Refused", what="That is too much.", do="Send less.").model_dump_json()
    async with answering(tmp_path / "s", http(413, told.encode())) as client:
        with pytest.raises(Refused, match="too much"):
            await client.store(StoredKind.SCRIPT, "big", "x" * 8_000_000)


async def test_an_answer_that_ends_with_its_connection_is_whole(tmp_path: Path) -> None:
    async with answering(tmp_path / "s", b"HTTP/1.1 200 X\r\n\r\n[]") as client:
        assert await client.journal() == ()


async def test_an_answer_that_is_cut_short_is_none(tmp_path: Path) -> None:
    async with answering(tmp_path / "s", http(200, b"[]").replace(b"h: 2", b"h: 9")) as client:
        with pytest.raises(Unreachable):
            await client.journal()
