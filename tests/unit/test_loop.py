# SPDX-License-Identifier: Apache-2.0
"""The loop's pauses: long on a large unit, but never past the end of a window or what is due."""

from __future__ import annotations

import asyncio
import time
from typing import Any, cast

from services.agent.appliance import Appliance
from services.agent.loop import STEP_S, keep
from services.agent.window import Window, boot_id
from services.model import Document
from tests.poll import eventually_async

LOOK_S = 0.2
"""After it the loop rests for 4 seconds."""


class Slow:
    """An appliance whose every look takes its time; it opens a window when told to."""

    def __init__(self) -> None:
        self.looks: list[float] = []
        self.window: Window | None = None
        self.overdue = False

    async def reconcile(self) -> tuple[Any, ...]:
        await asyncio.sleep(LOOK_S)
        self.window, self.overdue = None, False
        self.looks.append(time.monotonic())
        return ()


async def test_a_window_opened_during_a_pause_ends_in_time() -> None:
    appliance = Slow()
    loop = asyncio.create_task(keep(cast("Appliance", appliance), asyncio.Event()))
    try:
        await eventually_async(lambda: _count(appliance, 1))
        ends = time.monotonic() + 0.5
        appliance.window = Window(
            document=Document(), who="anna", why="", deadline=ends, boot_id=boot_id()
        )
        await eventually_async(lambda: _count(appliance, 2))
        assert ends <= appliance.looks[1] <= ends + LOOK_S + STEP_S + 0.5
    finally:
        loop.cancel()


async def test_what_is_known_to_be_due_ends_a_pause() -> None:
    appliance = Slow()
    loop = asyncio.create_task(keep(cast("Appliance", appliance), asyncio.Event()))
    try:
        await eventually_async(lambda: _count(appliance, 1))
        appliance.overdue = True
        await eventually_async(lambda: _count(appliance, 2))
        assert appliance.looks[1] - appliance.looks[0] < 2
    finally:
        loop.cancel()


async def test_a_slow_look_is_followed_by_a_long_pause() -> None:
    appliance = Slow()
    loop = asyncio.create_task(keep(cast("Appliance", appliance), asyncio.Event()))
    try:
        await eventually_async(lambda: _count(appliance, 2))
        assert appliance.looks[1] - appliance.looks[0] > 3
    finally:
        loop.cancel()


async def _count(appliance: Slow, number: int) -> bool:
    return len(appliance.looks) >= number
