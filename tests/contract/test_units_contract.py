# SPDX-License-Identifier: Apache-2.0
"""What every `Units` does: in memory, with child processes, and under a real systemd.

Each case gets a world with three units: `good` runs until it is told to end, `stubborn` does
not listen, `broken` says why and ends. What belongs to one kind only stands in
`tests/peers/test_units.py`.
"""

from __future__ import annotations

import os
import signal
import subprocess
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from services.drivers import units as driver
from services.drivers.systemd import SystemdUnits
from services.drivers.units import ChildUnits, Units, UnitSpec
from services.errors import Unable
from tests.cases import Case, Cases
from tests.fakes.units import FakeUnits
from tests.systemd import under_systemd

LAST_WORDS = "cannot bind socket (Address already in use)"
SCRIPTS = {
    "good": "while :; do sleep 1; done",
    "stubborn": "trap '' TERM; while :; do sleep 1; done",
    "broken": f"echo '{LAST_WORDS}' >&2; exit 1",
}


@dataclass
class World:
    units: Units
    kill: Callable[[int], object]
    """Ends the unit `good`, whose master is given, as a shortage of memory would."""


case: Cases[World] = Cases()


@case.each
async def test_in_memory(case: Case[World]) -> None:
    fake = FakeUnits(tuple(SCRIPTS), broken={"broken": LAST_WORDS})
    await case(World(fake, lambda _: fake.die("good")))


@case.each
async def test_as_child_processes(
    case: Case[World], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(driver, "TERM_S", 0.3)
    units = ChildUnits(
        {
            # the folder's name makes the arguments unlike anybody else's
            name: UnitSpec(("sh", "-c", script, str(tmp_path / name)), log=tmp_path / name)
            for name, script in SCRIPTS.items()
        }
    )
    try:
        await case(World(units, lambda pid: os.kill(pid, signal.SIGKILL)))
    finally:
        for unit in SCRIPTS:
            await units.stop(unit)


async def _under_systemd() -> dict[str, str]:
    """Every case's failure, or nothing, by its name."""
    told = {}
    for each in case:
        try:
            await each(
                World(SystemdUnits(), lambda _: _systemctl("kill", "--signal=KILL", "ballast-good"))
            )
        except (Exception, pytest.fail.Exception):  # noqa: BLE001  told case by case
            told[each.__name__] = traceback.format_exc()
        for unit in SCRIPTS:
            _systemctl("stop", f"ballast-{unit}")
        _systemctl("reset-failed")
    return told


def _systemctl(*words: str) -> None:
    subprocess.run(["systemctl", *words], check=True)


@pytest.fixture(scope="module")
def failures_under_systemd() -> dict[str, str]:
    """All cases in one boot: it takes seconds."""
    unit = (
        "[Unit]\nDefaultDependencies=no\n[Service]\nType=exec\nTimeoutStopSec=300ms\n"
        'ExecStart=/bin/sh -c "{script}"\n'
    )
    files = {
        f"ballast-{name}.service": unit.replace("{script}", script)
        for name, script in SCRIPTS.items()
    }
    failures: dict[str, str] = under_systemd(files, _under_systemd)
    return failures


@pytest.mark.peers
@pytest.mark.needs("systemctl", "journalctl", "unshare")
@case.each
def test_under_systemd(case: Case[World], failures_under_systemd: dict[str, str]) -> None:
    failure = failures_under_systemd.get(case.__name__)
    if failure:
        pytest.fail(failure, pytrace=False)


@case
async def what_was_never_started_is_not_running(world: World) -> None:
    seen = await world.units.seen("good")
    assert (seen.running, seen.pid, seen.pids, seen.detail) == (False, 0, (), "")


@case
async def what_was_started_runs_and_is_the_only_one(world: World) -> None:
    await world.units.start("good")
    seen = await world.units.seen("good")
    assert seen.running
    assert seen.pids == (seen.pid,)
    assert 0 <= seen.since_s < 60


@case
async def starting_what_runs_changes_nothing(world: World) -> None:
    await world.units.start("good")
    before = await world.units.seen("good")
    await world.units.start("good")
    assert (await world.units.seen("good")).pids == before.pids


@case
async def what_was_stopped_is_gone_and_stopping_again_is_success(world: World) -> None:
    for unit in ("good", "stubborn"):
        await world.units.start(unit)
        await world.units.stop(unit)
        assert not (await world.units.seen(unit)).running
        await world.units.stop(unit)


@case
async def what_died_is_seen_so_and_can_be_started_again(world: World) -> None:
    await world.units.start("good")
    first = (await world.units.seen("good")).pid
    world.kill(first)
    while (seen := await world.units.seen("good")).running:
        pass
    assert seen.pids == ()
    assert seen.detail == "was ended by signal 9 (Killed)"
    await world.units.start("good")
    assert (await world.units.seen("good")).pid not in {0, first}


@case
async def one_unit_is_not_taken_for_another(world: World) -> None:
    await world.units.start("good")
    await world.units.start("stubborn")
    good = (await world.units.seen("good")).pid
    await world.units.stop("stubborn")
    assert (await world.units.seen("good")).pid == good


@case
async def what_ends_at_once_is_refused_with_its_last_words_however_often(world: World) -> None:
    for _ in range(7):  # systemd by itself would refuse to try a sixth time
        with pytest.raises(Unable, match="broken ended with status 1 at once") as caught:
            await world.units.start("broken")
        assert LAST_WORDS in caught.value.what
    seen = await world.units.seen("broken")
    assert not seen.running
    assert seen.detail == "ended with status 1"
