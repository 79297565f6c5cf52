# SPDX-License-Identifier: Apache-2.0
"""The loop's pauses: long on a large unit, but never past what is due."""

from __future__ import annotations

import asyncio
import time
from typing import Any, cast

from services.agent.keeping import Keeping
from services.agent.loop import STEP_S, keep
from tests.poll import eventually_async

LOOK_S = 0.2
"""After it the loop rests for 4 seconds."""


class Slow:
    """A room whose every look takes its time; something is due from when it is told."""

    def __init__(self) -> None:
        self.looks: list[float] = []
        self.due_at: float | None = None

    @property
    def due(self) -> bool:
        return self.due_at is not None and time.monotonic() >= self.due_at

    async def reconcile(self) -> tuple[Any, ...]:
        await asyncio.sleep(LOOK_S)
        self.due_at = None
        self.looks.append(time.monotonic())
        return ()


async def test_what_becomes_due_during_a_pause_ends_it() -> None:
    keeping = Slow()
    loop = asyncio.create_task(keep(cast("Keeping", keeping), asyncio.Event()))
    try:
        await eventually_async(lambda: _count(keeping, 1))
        due_at = keeping.due_at = time.monotonic() + 0.5
        await eventually_async(lambda: _count(keeping, 2))
        assert due_at <= keeping.looks[1] <= due_at + LOOK_S + STEP_S + 0.5
    finally:
        loop.cancel()


async def test_a_slow_look_is_followed_by_a_long_pause() -> None:
    keeping = Slow()
    loop = asyncio.create_task(keep(cast("Keeping", keeping), asyncio.Event()))
    try:
        await eventually_async(lambda: _count(keeping, 2))
        assert keeping.looks[1] - keeping.looks[0] > 3
    finally:
        loop.cancel()


async def _count(keeping: Slow, number: int) -> bool:
    return len(keeping.looks) >= number
