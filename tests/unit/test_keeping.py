# SPDX-License-Identifier: Apache-2.0
"""A change that nobody confirms in time is taken back by whoever keeps what runs."""

from __future__ import annotations

import asyncio
import errno
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest

from services.agent.loop import keep
from services.errors import Refused, Unable
from services.model import Document
from tests.fakes.ipvs import FakeIpvs
from tests.layer4 import document, rip, vip
from tests.peers.looked_after import NoRules, World, looked_after
from tests.poll import eventually_async

NEVER = {"kind": "always_on"}
ONE = document(vip(rip(1), check=NEVER))
TWO = document(vip(rip(1), rip(2), check=NEVER))
BACK = "rolled back the change of anna: nobody confirmed it in time"


@dataclass
class Stage:
    """An appliance on which `ONE` runs for good, and `TWO` until its time is over."""

    world: World
    kernel: FakeIpvs

    @property
    def document(self) -> Document:
        return self.world.appliance.running.document

    def told(self) -> list[str]:
        return [entry.what for entry in self.world.journal.newest(20)]

    def time_is_over(self) -> None:
        window = self.world.appliance.window
        assert window is not None
        window.deadline = time.monotonic()


@pytest.fixture
async def on() -> AsyncIterator[Stage]:
    kernel = FakeIpvs()
    async with looked_after(kernel, NoRules()) as world:
        await world.apply(ONE)
        await world.changing.apply(TWO, who="anna", why="", confirm_s=60)
        yield Stage(world, kernel)


async def test_a_window_that_is_over_is_due_and_the_next_pass_takes_it_back(on: Stage) -> None:
    due = on.world.keeping.due
    assert not due
    assert await on.world.keeping.reconcile() == ()
    assert on.document == TWO
    on.time_is_over()
    assert await on.world.keeping.reconcile() == ()
    assert on.document == ONE
    assert on.world.appliance.window is None
    assert await on.world.table() == {"198.51.100.1:80": 100}
    assert BACK in on.told()
    due = on.world.keeping.due
    assert not due


async def test_a_change_confirmed_while_a_pass_waits_stays(on: Stage) -> None:
    async with on.world.appliance.lock:
        confirmed = asyncio.create_task(on.world.changing.confirm(who="anna"))
        await asyncio.sleep(0)
        passed = asyncio.create_task(on.world.keeping.reconcile())
        await asyncio.sleep(0)
    await confirmed
    assert await passed == ()
    assert on.document == TWO
    assert BACK not in on.told()


async def test_a_change_made_right_after_one_was_taken_back_is_kept(on: Stage) -> None:
    on.time_is_over()
    async with on.world.appliance.lock:
        passed = asyncio.create_task(on.world.keeping.reconcile())
        await asyncio.sleep(0)
        # it waits for the lock behind the taking back, and before the look that follows
        applied = asyncio.create_task(on.world.apply(document(vip(rip(3), check=NEVER))))
        await asyncio.sleep(0)
    await asyncio.gather(passed, applied)
    assert BACK in on.told()
    assert await on.world.table() == {"198.51.100.3:80": 100}


async def test_who_confirms_too_late_is_told_so_and_nothing_is_taken_back_twice(on: Stage) -> None:
    on.time_is_over()
    with pytest.raises(Refused, match="rolled back already"):
        await on.world.changing.confirm(who="anna")
    await on.world.keeping.reconcile()
    assert on.document == ONE
    assert sum("rolled back" in line for line in on.told()) == 1


async def test_what_cannot_be_taken_back_is_told_and_tried_until_it_can(on: Stage) -> None:
    on.kernel.refusing[next(iter(on.kernel.services))] = errno.ENOMEM
    on.time_is_over()
    with pytest.raises(Unable):
        await on.world.keeping.reconcile()
    assert on.document == ONE
    loop = asyncio.create_task(keep(on.world.keeping, asyncio.Event()))
    try:

        async def notices() -> dict[str, str]:
            return dict(on.world.appliance.notices)

        await eventually_async(notices, lambda found: "reconcile" in found)
        on.kernel.refusing.clear()
        await eventually_async(on.world.table, lambda found: found == {"198.51.100.1:80": 100})
        await eventually_async(notices, lambda found: "reconcile" not in found)
    finally:
        loop.cancel()
