# SPDX-License-Identifier: Apache-2.0
"""What every `Units` does, in memory and with real processes.

Each case gets a world with three units: `good` runs until it is told to end, `stubborn` does
not listen, `broken` says why and ends. What belongs to one kind only stands in
`tests/peers/test_units.py`.
"""

from __future__ import annotations

import os
import signal
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from services.drivers import units as real
from services.drivers.units import ChildUnits, Units, UnitSpec
from services.errors import Unable
from tests.fakes.units import FakeUnits

LAST_WORDS = "cannot bind socket (Address already in use)"


@dataclass
class World:
    units: Units
    kill: Callable[[int], object]


def specs(folder: Path) -> dict[str, UnitSpec]:
    """Real programs; the folder's name makes their arguments unlike anybody else's."""
    shell = {
        "good": "while :; do sleep 1; done",
        "stubborn": "trap '' TERM; while :; do sleep 1; done",
        "broken": f"echo '{LAST_WORDS}' >&2; exit 1",
    }
    return {
        name: UnitSpec(("sh", "-c", script, str(folder / name)), log=folder / f"{name}.log")
        for name, script in shell.items()
    }


@pytest.fixture(params=["fake", "child"])
async def world(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[World]:
    if request.param == "fake":
        fake = FakeUnits(("good", "stubborn", "broken"), broken={"broken": LAST_WORDS})
        yield World(fake, lambda _: fake.die("good"))
        return
    monkeypatch.setattr(real, "TERM_S", 0.3)
    units = ChildUnits(specs(tmp_path))
    yield World(units, lambda pid: os.kill(pid, signal.SIGKILL))
    for unit in ("good", "stubborn", "broken"):
        await units.stop(unit)


async def test_what_was_never_started_is_not_running(world: World) -> None:
    seen = await world.units.seen("good")
    assert (seen.running, seen.pid, seen.pids) == (False, 0, ())


async def test_what_was_started_runs_and_is_the_only_one(world: World) -> None:
    await world.units.start("good")
    seen = await world.units.seen("good")
    assert seen.running
    assert seen.pids == (seen.pid,)
    assert 0 <= seen.since_s < 60


async def test_starting_what_runs_changes_nothing(world: World) -> None:
    await world.units.start("good")
    before = await world.units.seen("good")
    await world.units.start("good")
    assert (await world.units.seen("good")).pids == before.pids


@pytest.mark.parametrize("unit", ["good", "stubborn"])
async def test_what_was_stopped_is_gone_and_stopping_again_is_success(
    world: World, unit: str
) -> None:
    await world.units.start(unit)
    await world.units.stop(unit)
    assert not (await world.units.seen(unit)).running
    await world.units.stop(unit)


async def test_what_died_is_seen_so_and_can_be_started_again(world: World) -> None:
    await world.units.start("good")
    first = (await world.units.seen("good")).pid
    world.kill(first)
    while (seen := await world.units.seen("good")).running:
        pass
    assert seen.pids == ()
    await world.units.start("good")
    assert (await world.units.seen("good")).pid not in {0, first}


async def test_one_unit_is_not_taken_for_another(world: World) -> None:
    await world.units.start("good")
    await world.units.start("stubborn")
    good = (await world.units.seen("good")).pid
    await world.units.stop("stubborn")
    assert (await world.units.seen("good")).pid == good


async def test_what_ends_at_once_is_refused_with_its_last_words(world: World) -> None:
    with pytest.raises(Unable, match="broken ended with status 1 at once") as caught:
        await world.units.start("broken")
    assert LAST_WORDS in caught.value.what
    seen = await world.units.seen("broken")
    assert not seen.running
    assert seen.detail == "ended with status 1"
