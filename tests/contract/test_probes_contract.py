# SPDX-License-Identifier: Apache-2.0
"""What every `Probes` does: in memory, and as a process of its own on the loopback device."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePath

import pytest

from services.drivers.probe_jobs import UNIT, Probes, SocketProbes, probe_unit
from services.drivers.units import ChildUnits
from services.errors import Unreachable
from services.health.jobs import Job, Look, fingerprint_of, running_of
from services.health.targets import Manner, Target
from services.model.checks import CheckProtocol
from services.render import Place
from tests.cases import Case, Cases
from tests.fakes.probes import FakeProbes, ProbeProcess
from tests.poll import eventually_async

HOST = "127.0.0.1"


@dataclass
class World:
    probes: Probes
    another: Callable[[], Probes]
    """The next agent's."""
    kill: Callable[[], Awaitable[None]]
    """Ends the process as a shortage of memory would."""
    refused: int
    """A port on which nobody is."""
    silent: int
    """A port that takes everything and says nothing."""

    def job(self, port: int, *, secret: str = "", expect: str = "") -> Job:
        manner = Manner(CheckProtocol.UDP, 1, 1, fall=2, rise=2, expect=expect)
        return Job(Target(manner, HOST, port), secret)


case: Cases[World] = Cases()


@contextmanager
def _ports() -> Iterator[tuple[int, int]]:
    with (
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as bound,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent,
    ):
        silent.bind((HOST, 0))
        bound.bind((HOST, 0))
        refused = bound.getsockname()[1]
        bound.close()
        yield refused, silent.getsockname()[1]


@case.each
async def test_in_memory(case: Case[World]) -> None:
    process = ProbeProcess(refused=frozenset({(HOST, 9)}))

    async def kill() -> None:
        process.die()

    fake = FakeProbes(process)
    await case(World(fake, lambda: FakeProbes(process), kill, refused=9, silent=10))


@case.each
async def test_as_a_process(case: Case[World], tmp_path: Path) -> None:
    place = Place(run=PurePath(tmp_path / "run"))
    units = ChildUnits({UNIT: probe_unit(place, tmp_path / "scripts")})
    made: list[Probes] = []

    def another() -> Probes:
        made.append(SocketProbes(place, units))
        return made[-1]

    async def kill() -> None:
        os.kill((await units.seen(UNIT)).pid, signal.SIGKILL)

    with _ports() as (refused, silent):
        try:
            await case(World(another(), another, kill, refused, silent))
        finally:
            for each in made:
                await each.aclose()
            await units.stop(UNIT)


async def until(probes: Probes, good: Callable[[Look], bool]) -> Look:
    """The first news that is good."""
    async with asyncio.timeout(10):
        while True:
            for look in await probes.news():
                if good(look):
                    return look


@case
async def what_does_not_run_is_not_seen_and_takes_no_jobs(world: World) -> None:
    assert await world.probes.seen() is None
    with pytest.raises(Unreachable):
        await world.probes.replace([world.job(world.refused)])
    await world.probes.stop()


@case
async def it_begins_without_jobs_and_tells_those_it_is_given(world: World) -> None:
    await world.probes.start()
    assert await world.probes.seen() == running_of([])
    jobs = [world.job(world.refused), world.job(world.silent)]
    await world.probes.replace(jobs)
    assert await world.probes.seen() == running_of(jobs)
    await world.probes.replace(jobs[:1])
    assert await world.probes.seen() == running_of(jobs[:1])


@case
async def another_secret_is_another_fingerprint(world: World) -> None:
    await world.probes.start()
    await world.probes.replace([world.job(world.silent, secret="one")])
    first = await world.probes.seen()
    await world.probes.replace([world.job(world.silent, secret="two")])
    second = await world.probes.seen()
    assert first
    assert second
    assert first.names == second.names
    assert second.fingerprint == fingerprint_of([world.job(world.silent, secret="two")])
    assert first.fingerprint != second.fingerprint


@case
async def results_come_with_their_words(world: World) -> None:
    bad, good = world.job(world.refused), world.job(world.silent)
    await world.probes.start()
    await world.probes.replace([bad, good])
    look = await until(world.probes, lambda look: look.name == bad.name)
    assert (look.result.ok, look.result.words, look.up) == (False, "connection refused", False)
    if isinstance(world.probes, FakeProbes):
        world.probes.process.look()
    look = await until(world.probes, lambda look: look.name == good.name)
    assert (look.result.ok, look.up) == (True, True)
    world.probes.heard()
    assert world.probes.heard() == []


@case
async def starting_what_runs_adopts_it_with_its_jobs(world: World) -> None:
    await world.probes.start()
    jobs = [world.job(world.refused)]
    await world.probes.replace(jobs)
    await world.probes.aclose()
    after = world.another()
    await after.start()
    assert await after.seen() == running_of(jobs)


@case
async def the_next_agent_hears_the_last_result_at_once(world: World) -> None:
    bad = world.job(world.refused)
    await world.probes.start()
    await world.probes.replace([bad])
    await until(world.probes, lambda look: look.name == bad.name)
    await world.probes.aclose()
    look = await until(world.another(), lambda look: look.name == bad.name)
    assert (look.result.words, look.up) == ("connection refused", False)


@case
async def one_that_is_killed_is_gone_and_starts_empty(world: World) -> None:
    await world.probes.start()
    await world.probes.replace([world.job(world.silent)])
    await world.kill()
    await eventually_async(world.probes.seen, lambda seen: seen is None)
    await world.probes.start()
    assert await world.probes.seen() == running_of([])


@case
async def it_stops_and_that_twice(world: World) -> None:
    await world.probes.start()
    await world.probes.stop()
    await world.probes.stop()
    assert await world.probes.seen() is None
