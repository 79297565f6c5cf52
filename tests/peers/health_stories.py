# SPDX-License-Identifier: Apache-2.0
"""Stories of health: from a server that stops answering to the table of the kernel.

They are told over a table in memory by `test_health.py`, and over the kernel's own in the guest.
"""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from services.drivers.checks import UNIT
from services.health.jobs import Job
from services.health.targets import Kind
from services.health.verdict import Result
from services.model import ServerState
from services.switch import switched
from tests.cases import Cases
from tests.layer4 import document, rip, vip
from tests.peers.looked_after import World
from tests.poll import eventually_async

WEB = document(vip(rip(1), rip(2)))
FIRST, SECOND = "198.51.100.1:80", "198.51.100.2:80"
PAGE = "192.168.2.21:9081"


class Servers:
    """Web servers on 198.51.100.1 and .2 that are there or not."""

    def __init__(self) -> None:
        self._open: dict[int, asyncio.Server] = {}

    async def open(self, number: int) -> None:
        self._open[number] = await asyncio.start_server(_greet, f"198.51.100.{number}", 80)

    def close(self, number: int) -> None:
        self._open.pop(number).close()

    def end(self) -> None:
        for number in tuple(self._open):
            self.close(number)


async def _greet(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        writer.close()
        await writer.wait_closed()


@asynccontextmanager
async def servers(*numbers: int) -> AsyncIterator[Servers]:
    there = Servers()
    for number in numbers:
        await there.open(number)
    try:
        yield there
    finally:
        there.end()


async def becomes(world: World, weights: dict[str, int]) -> None:
    await eventually_async(world.weights, lambda found: found == weights)


async def says(world: World, words: str) -> bool:
    """Whether the journal has these words, after one more look."""
    await world.book.look()
    return any(words in entry.what for entry in world.journal.newest(20))


story: Cases[World] = Cases()


@story
async def a_dead_server_gets_nothing_and_comes_back(world: World) -> None:
    async with servers(1, 2) as there:
        await world.apply(WEB)
        await becomes(world, {FIRST: 100, SECOND: 100})
        there.close(2)
        await becomes(world, {FIRST: 100, SECOND: 0})
        assert not await world.keeping.reconcile(), "health is wanted, so nothing drifted"
        await eventually_async(lambda: says(world, "web/web2 is down: connection refused"))
        assert world.book.standings[7, 2].reason == "connection refused"
        await there.open(2)
        await becomes(world, {FIRST: 100, SECOND: 100})
        await eventually_async(lambda: says(world, "web/web2 is back"))


@story
async def a_handshake_that_fails_is_looked_into(world: World) -> None:
    async def reason() -> str:
        await world.book.look()
        return world.book.standings[7, 1].reason

    async def asked() -> list[Job]:
        await world.book.look()
        return [job for job in world.probe.jobs.values() if job.target.manner.kind is Kind.TLS]

    cause = "TLS fails: the server closes the connection"
    async with servers(1) as there:
        await world.apply(document(vip(rip(1), check={"kind": "negotiate", "protocol": "https"})))
        await eventually_async(reason, lambda words: words.startswith("TLS handshake failed"))
        [job] = await eventually_async(asked)
        world.probe.find(job.name, Result(ok=False, words=cause, at=1.0))
        await eventually_async(reason, lambda words: words == cause)
        assert await asked() == [job]
        there.close(1)
        await eventually_async(reason, lambda words: words == "connection refused")
        await eventually_async(asked, lambda jobs: not jobs)
        assert not world.probe.runs


@story
async def the_page_answers_while_nobody_does(world: World) -> None:
    async with servers(1) as there:
        await world.apply(WEB)
        await becomes(world, {FIRST: 100, SECOND: 0})
        there.close(1)
        await becomes(world, {FIRST: 0, SECOND: 0, PAGE: 1})
        await there.open(1)
        await becomes(world, {FIRST: 100, SECOND: 0})


@story
async def checks_that_die_say_nothing_about_servers(world: World) -> None:
    async with servers(1):
        await world.apply(WEB)
        await becomes(world, {FIRST: 100, SECOND: 0})
        os.kill((await world.units.seen(UNIT)).pid, signal.SIGKILL)
        await eventually_async(lambda: world.units.seen(UNIT), lambda seen: not seen.running)
        assert await world.weights() == {FIRST: 100, SECOND: 0}
        await world.keeping.reconcile()
        assert (await world.units.seen(UNIT)).running
        for _ in range(20):
            assert await world.weights() == {FIRST: 100, SECOND: 0}
            await asyncio.sleep(0.1)


@story
async def a_new_agent_asks_before_it_writes(world: World) -> None:
    async with servers(1):
        await world.apply(WEB)
        await becomes(world, {FIRST: 100, SECOND: 0})
        await world.restarted().look()
        assert world.book.standings[7, 2].up is False
        assert await world.weights() == {FIRST: 100, SECOND: 0}


@story
async def a_changed_document_keeps_what_is_known(world: World) -> None:
    async with servers(1):
        await world.apply(WEB)
        await becomes(world, {FIRST: 100, SECOND: 0})
        drained = switched(WEB, [(7, 1)], state=ServerState.DRAIN, weight=None)
        await world.apply(drained)
        assert await world.weights() == {FIRST: 0, SECOND: 0, PAGE: 1}
        more = document(vip(rip(1), rip(2), rip(3)))
        await world.apply(more)
        await becomes(world, {FIRST: 100, SECOND: 0, "198.51.100.3:80": 0})


@story
async def always_on_and_always_off_are_believed(world: World) -> None:
    await world.apply(document(vip(rip(1), check={"kind": "always_on"})))
    assert await world.weights() == {FIRST: 100}
    await world.apply(document(vip(rip(1), check={"kind": "always_off"})))
    await becomes(world, {FIRST: 0, PAGE: 1})
    assert "always off" in world.book.standings[7, 1].reason
    await world.apply(document())
    assert await world.weights() == {}
    assert not (await world.units.seen(UNIT)).running


@story
async def a_quorum_hands_all_to_the_page(world: World) -> None:
    async with servers(1, 2) as there:
        await world.apply(document(vip(rip(1), rip(2), check={"quorum_down": 2})))
        await becomes(world, {FIRST: 100, SECOND: 100})
        there.close(2)
        await becomes(world, {FIRST: 0, SECOND: 0, PAGE: 1})
        await there.open(2)
        await becomes(world, {FIRST: 100, SECOND: 100})


@story
async def the_probe_looks_where_haproxy_cannot(world: World) -> None:
    pinged = document(vip(rip(1), rip(2), check={"kind": "ping"}))
    world.probe.refused = frozenset({("198.51.100.2", 0)})
    await world.apply(pinged)
    await becomes(world, {FIRST: 100, SECOND: 0})
    assert world.book.results((7, 2)).results[0].check == "ping"
    world.probe.die()
    assert await world.weights() == {FIRST: 100, SECOND: 0}
    assert world.probe.runs, "it was started anew"
    assert all(job.up is not None for job in world.probe.jobs.values())
    await world.restarted().look()
    assert await world.weights() == {FIRST: 100, SECOND: 0}
    await world.apply(WEB)
    await world.book.look()
    assert not world.probe.runs


@story
async def a_probe_that_does_not_start_is_told_and_harms_nobody(world: World) -> None:
    world.probe.broken = "no such program"
    await world.apply(document(vip(rip(1), check={"kind": "ping"})))
    assert await world.weights() == {FIRST: 100}
    assert "no such program" in world.appliance.notices["probe"]
    world.probe.broken = ""
    await world.book.look()
    assert "probe" not in world.appliance.notices
