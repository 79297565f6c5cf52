# SPDX-License-Identifier: Apache-2.0
"""What every `Checks` does, in memory and in earnest.

Each case is a coroutine that gets a world: no file, nothing running, a server that listens on
198.51.100.1 port 80 and none on .2. The real HAProxy runs in a network namespace of the case's
own.
"""

from __future__ import annotations

import asyncio
import os
import signal
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from services.drivers.checks import UNIT, Checks, HaproxyChecks, checks_unit
from services.drivers.units import ChildUnits
from services.errors import Unable
from services.health.targets import Target, targets_of
from services.model import Document
from services.plan.state import ChecksSeen, ChecksWanted
from services.render import Place
from services.render.checks import checks_wanted
from tests.cases import Case, Cases
from tests.fakes.checks import FakeChecks
from tests.layer4 import document, rip, vip
from tests.peers.dataplane import alone
from tests.poll import eventually_async

TWO = document(vip(rip(1), rip(2)))
THREE = document(vip(rip(1), rip(2), rip(1, id=3, label="other", port=8080), forwarding="nat"))


def target(of: Document, server: int) -> Target:
    """What is looked at for a server of service 7."""
    [found] = targets_of(of)[7, server]
    return found


@dataclass
class World:
    """The checks, and the hands of others at the same machine."""

    checks: Checks
    place: Place
    write: Callable[[bytes], object]
    kill: Callable[[], Awaitable[object]]

    def put(self, wanted: Document) -> ChecksWanted:
        """Put the document's file in place."""
        new = checks_wanted(wanted, self.place)
        self.write(new.config.data)
        return new

    async def up(self, wanted: Target) -> bool | None:
        """Whether it is taken for healthy; None: nobody has looked yet."""
        found = (await self.checks.found() or {})[wanted.name]
        return found.up if found.checked else None


@asynccontextmanager
async def in_memory() -> AsyncIterator[World]:
    files: dict[str, bytes] = {}
    fake = FakeChecks(lambda: files.get("checks.cfg"), lambda: files.pop("checks.cfg", None))
    fake.down[target(TWO, 2).name] = "connection refused"

    async def kill() -> None:
        fake.kill()

    yield World(fake, Place(), lambda data: files.update({"checks.cfg": data}), kill)


@asynccontextmanager
async def in_earnest() -> AsyncIterator[World]:
    async def hang_up(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()

    with tempfile.TemporaryDirectory() as folder:
        place = Place(run=Path(folder), account=None)
        Path(place.checks).mkdir()
        units = ChildUnits({UNIT: checks_unit(place)})

        async def kill() -> None:
            os.kill((await units.seen(UNIT)).pid, signal.SIGKILL)
            await eventually_async(lambda: _gone(units))

        server = await asyncio.start_server(hang_up, "198.51.100.1", 80)
        try:
            yield World(
                HaproxyChecks(place, units), place, Path(place.checks_config).write_bytes, kill
            )
        finally:
            await units.stop(UNIT)
            server.close()


async def _gone(units: ChildUnits) -> bool:
    return not (await units.seen(UNIT)).running


case: Cases[World] = Cases()


@case.each
async def test_in_memory(case: Case[World]) -> None:
    async with in_memory() as world:
        await case(world)


@pytest.mark.peers
@case.each
def test_in_earnest(case: Case[World]) -> None:
    @alone
    async def whole() -> None:
        async with in_earnest() as world:
            await case(world)

    whole()


@case
async def nothing_is_there(world: World) -> None:
    assert await world.checks.seen() == ChecksSeen()
    assert await world.checks.found() is None
    assert await world.checks.results({}) == {}


@case
async def it_does_not_start_without_a_file_of_ours(world: World) -> None:
    world.write(b"global\n")
    with pytest.raises(Unable, match="no configuration of ours"):
        await world.checks.start()


@case
async def it_runs_the_file_that_lies_there(world: World) -> None:
    wanted = world.put(TWO)
    assert not (await world.checks.seen()).running
    await world.checks.start()
    seen = await world.checks.seen()
    assert (seen.config, seen.running, seen.fingerprint) == (
        wanted.config.data,
        True,
        wanted.fingerprint,
    )


@case
async def it_tells_who_answers(world: World) -> None:
    world.put(TWO)
    await world.checks.start()
    await eventually_async(lambda: _is(world, target(TWO, 1), up=True))
    await eventually_async(lambda: _is(world, target(TWO, 2), up=False))
    results = await world.checks.results({})
    assert results[target(TWO, 1).name].ok
    assert results[target(TWO, 1).name].ms is not None
    assert not results[target(TWO, 2).name].ok
    assert results[target(TWO, 2).name].words == "connection refused"


@case
async def a_new_file_forgets_nothing(world: World) -> None:
    world.put(TWO)
    await world.checks.start()
    await eventually_async(lambda: _is(world, target(TWO, 2), up=False))
    wanted = world.put(THREE)
    await world.checks.start()
    assert (await world.checks.seen()).fingerprint == wanted.fingerprint
    assert await world.up(target(THREE, 2)) is False


@case
async def a_kill_forgets_nothing(world: World) -> None:
    world.put(TWO)
    await world.checks.start()
    await eventually_async(lambda: _is(world, target(TWO, 2), up=False))
    await world.kill()
    assert await world.checks.found() is None
    assert not (await world.checks.seen()).running
    await world.checks.start()
    assert await world.up(target(TWO, 2)) is False


@case
async def one_that_was_stopped_leaves_nothing(world: World) -> None:
    world.put(TWO)
    await world.checks.start()
    await world.checks.stop()
    assert await world.checks.seen() == ChecksSeen()
    await world.checks.stop()


async def _is(world: World, wanted: Target, *, up: bool) -> bool:
    return await world.up(wanted) is up
