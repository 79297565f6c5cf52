# SPDX-License-Identifier: Apache-2.0
"""Waiting for a state: ask until it is there or a deadline has passed, never sleep and hope."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

_T = TypeVar("_T")


def eventually(
    probe: Callable[[], _T], good: Callable[[_T], Any] = bool, *, within_s: float = 15
) -> _T:
    """Ask until the answer is good; fails with the last one."""
    give_up_at = time.monotonic() + within_s
    while not good(found := probe()):
        assert time.monotonic() < give_up_at, f"still {found!r} after {within_s} s"
        time.sleep(0.05)
    return found


async def eventually_async(
    probe: Callable[[], Awaitable[_T]], good: Callable[[_T], Any] = bool, *, within_s: float = 15
) -> _T:
    """The same for a question that is awaited."""
    give_up_at = time.monotonic() + within_s
    while not good(found := await probe()):
        assert time.monotonic() < give_up_at, f"still {found!r} after {within_s} s"
        await asyncio.sleep(0.02)
    return found
