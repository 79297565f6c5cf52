# SPDX-License-Identifier: Apache-2.0
"""Whatever is behind a command socket: an answer, or an error in time, never a hang."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

import services.command
from services.drivers import haproxy_socket
from services.drivers.haproxy import MasterHaproxy
from services.drivers.haproxy_socket import ask
from services.drivers.haproxy_workers import Workers
from services.errors import CommandFailed, Unable, Unreachable
from services.render import Place
from tests.fakes.units import FakeUnits

Talk = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def behind(talk: Talk, folder: Path) -> AsyncIterator[Path]:
    path = folder / "s"

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await talk(reader, writer)
        finally:
            writer.close()

    async with await asyncio.start_unix_server(answer, path):
        yield path


async def test_the_answer_is_everything_until_the_end(tmp_path: Path) -> None:
    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked = await reader.read()  # ends only because we hang up on our side
        writer.write(b"you said " + asked + b"\xff" * 3)

    async with behind(echo, tmp_path) as path:
        assert await ask(path, "show info", timeout_s=5) == "you said show info\n���"


async def test_nobody_there_is_unreachable(tmp_path: Path) -> None:
    with pytest.raises(Unreachable):
        await ask(tmp_path / "none", "show info", timeout_s=5)


async def test_silence_is_an_error_in_time(tmp_path: Path) -> None:
    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(1)

    async with behind(silent, tmp_path) as path:
        with pytest.raises(Unable, match=r"did not answer `show info` in 0\.05 s"):
            await ask(path, "show info", timeout_s=0.05)


async def test_an_answer_without_end_is_cut(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(haproxy_socket, "ANSWER_LIMIT", 1000)

    async def endless(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while not writer.is_closing():
            writer.write(b"x" * 1000)
            await asyncio.sleep(0)

    async with behind(endless, tmp_path) as path:
        with pytest.raises(Unable, match="no end"):
            await ask(path, "show stat", timeout_s=5)


async def test_a_replaced_worker_is_asked_again_until_the_new_one_answers(tmp_path: Path) -> None:
    pids = iter([41, 41, 42])

    async def two(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.write(f"Pid: {next(pids)}\nUptime_sec: 1\n\nthe rest\n\n".encode())

    async with behind(two, tmp_path) as path:
        workers = Workers(path, path)
        workers.replaced = frozenset({41})
        worker, rest = await workers.told("show stat")
        assert (worker.pid, rest) == (42, "the rest\n\n")


async def test_a_connection_cut_by_a_reload_is_tried_again(tmp_path: Path) -> None:
    tries = iter([b"", b"", b"Pid: 42\n\n"])

    async def late(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.write(next(tries))

    async with behind(late, tmp_path) as path:
        worker, _ = await Workers(path, path).told()
        assert worker.pid == 42


@pytest.mark.parametrize(
    "said", ["Can't find the target PID matching the prefix '@!11'\n", ""], ids=["ended", "cut off"]
)
async def test_a_leaving_worker_that_ends_meanwhile_says_nothing(tmp_path: Path, said: str) -> None:
    answers = {
        "show proc": "#<PID> <type>\n7 master 0\n# workers\n12 worker 1\n"
        "# old workers\n11 worker 2\n10 worker 3\n",
        "@!11 show stat": said,
        "@!10 show stat": "# pxname,svname\n",
    }

    async def master(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(answers[(await reader.read()).decode().strip()].encode())

    async with behind(master, tmp_path) as path:
        assert await Workers(path, path).of_leaving("show stat") == ["# pxname,svname\n"]


async def test_a_missing_program_is_told_with_its_remedy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(services.command, "CLEAN_ENV", {"PATH": "/nowhere"})
    driver = MasterHaproxy(Place(run=tmp_path), FakeUnits())
    with pytest.raises(CommandFailed) as failed:
        await driver.judge(b"")
    assert failed.value.what == "haproxy is not installed."
    assert "apt install haproxy" in failed.value.do
    assert list(tmp_path.glob("haproxy/candidate*")) == []
