# SPDX-License-Identifier: Apache-2.0
"""The reconcile loop: the same pipeline as an apply, without a person."""

from __future__ import annotations

import asyncio
import logging
import time

from services.agent.keeping import Keeping
from services.errors import ApplianceError

log = logging.getLogger(__name__)

INTERVAL_S = 2.0
SHARE = 0.05
"""Looking takes at most this share of the time: a unit of 10,000 servers looks less often
instead of taking a core."""
STEP_S = 0.2
"""A change that nobody confirmed is taken back at most this late, a refused one tried again."""
LONGEST_S = 10.0
"""Drift is found within this, however large the unit."""


async def keep(keeping: Keeping, passed: asyncio.Event) -> None:
    """Put drift right for ever; a failure is told once and tried again.

    `passed` is set after the first pass, whatever became of it.
    """
    while True:
        begun, pause = time.monotonic(), INTERVAL_S
        try:
            if not await keeping.reconcile():
                pause = max(pause, min((time.monotonic() - begun) / SHARE, LONGEST_S))
        except ApplianceError as error:
            log.debug("reconcile: %s", error)
        except Exception:
            # an unforeseen answer from outside must not end the loop that keeps traffic alive
            log.exception("reconcile failed unexpectedly")
        passed.set()
        await _rest(keeping, pause)


async def _rest(keeping: Keeping, pause: float) -> None:
    """Sleep, but not past the end of a window, which may also be opened meanwhile, nor while it is
    known that there is something to do.
    """
    wake = time.monotonic() + pause
    while (left := wake - time.monotonic()) > 0:
        await asyncio.sleep(min(left, STEP_S))
        if keeping.due:
            return
