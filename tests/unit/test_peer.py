# SPDX-License-Identifier: Apache-2.0
"""The agent's door holds out against whoever only stands in it."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import uvicorn

from services.agent import peer
from services.client import Client
from services.errors import Unable
from tests.poll import eventually_async

ASK = b"GET /who HTTP/1.1\r\nHost: x\r\n"
MOST = 5


async def answer(scope: Any, receive: Any, send: Any) -> None:
    """Says who is asking."""
    who: peer.Peer = scope[peer.SCOPE_KEY]
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": who.user.encode()})


@asynccontextmanager
async def door(path: Path) -> AsyncIterator[Path]:
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(path))
        config = uvicorn.Config(
            answer,
            http=peer.PeerProtocol,
            log_config=None,
            access_log=False,
            lifespan="off",
        )
        server = uvicorn.Server(config)
        task = asyncio.create_task(server.serve(sockets=[listening]))
        try:
            while not server.started:
                await asyncio.sleep(0.01)
            yield path
        finally:
            server.should_exit = True
            await task


async def said(reader: asyncio.StreamReader) -> bytes:
    """All until the other side hangs up."""
    async with asyncio.timeout(10):
        try:
            return await reader.read()
        except (ConnectionResetError, BrokenPipeError):
            return b""


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(peer, "MOST_CONNECTIONS", MOST)
    monkeypatch.setattr(peer, "HEAD_S", 0.2)


@pytest.mark.parametrize("begun", [b"", b"GET /who HT", ASK, ASK + b"X-Slow: "])
async def test_who_does_not_finish_a_question_is_hung_up_on(tmp_path: Path, begun: bytes) -> None:
    async with door(tmp_path / "s") as path:
        reader, writer = await asyncio.open_unix_connection(path)
        writer.write(begun)
        assert await said(reader) == b""
        writer.close()
    assert peer.PeerProtocol.open_by.total() == 0


async def test_a_drop_now_and_then_does_not_stop_the_clock(tmp_path: Path) -> None:
    async with door(tmp_path / "s") as path:
        reader, writer = await asyncio.open_unix_connection(path)
        writer.write(ASK)

        async def drip() -> bool:
            writer.write(b"X: y\r\n")
            return reader.at_eof() or writer.is_closing()

        reading = asyncio.create_task(said(reader))
        await eventually_async(drip, within_s=5)
        assert await reading == b""
        writer.close()


async def test_an_account_that_holds_too_many_connections_is_told(tmp_path: Path) -> None:
    async with door(tmp_path / "s") as path:
        held = []
        for _ in range(MOST):
            reader, writer = await asyncio.open_unix_connection(path)
            writer.write(ASK + b"\r\n")
            await reader.readuntil(b"\r\n\r\n")  # answered, and kept open
            held.append(writer)
        with pytest.raises(Unable, match="connections to the agent open"):
            await Client(path).status()
        held.pop().close()

        async def served() -> bool:
            reader, writer = await asyncio.open_unix_connection(path)
            writer.write(ASK + b"Connection: close\r\n\r\n")
            found = await said(reader)
            writer.close()
            return found.startswith(b"HTTP/1.1 200 ")

        await eventually_async(served)
        for writer in held:
            writer.close()


async def test_beyond_twice_as_many_nobody_is_told_any_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(peer, "HEAD_S", 60)
    async with door(tmp_path / "s") as path:
        held = []
        for _ in range(2 * MOST):
            _, writer = await asyncio.open_unix_connection(path)
            held.append(writer)
        reader, writer = await asyncio.open_unix_connection(path)
        assert await said(reader) == b""
        writer.close()
        for each in held:
            each.close()
