# SPDX-License-Identifier: Apache-2.0
"""The reconcile loop: the same pipeline as an apply, without a person."""

from __future__ import annotations

import asyncio
import logging
import time

from services.agent.appliance import Appliance
from services.errors import ApplianceError

log = logging.getLogger(__name__)

INTERVAL_S = 2.0
SHARE = 0.05
"""The loop takes at most this share of the time: a unit of 10,000 servers looks less often
instead of taking a core."""


async def keep(appliance: Appliance) -> None:
    """Put drift right for ever; a failure is told once and tried again."""
    while True:
        begun = time.monotonic()
        try:
            await appliance.reconcile()
        except ApplianceError as error:
            log.debug("reconcile: %s", error)
        except Exception:
            # an unforeseen answer from outside must not end the loop that keeps traffic alive
            log.exception("reconcile failed unexpectedly")
        spent = time.monotonic() - begun
        await asyncio.sleep(max(INTERVAL_S, spent / SHARE))
