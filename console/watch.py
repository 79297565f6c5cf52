# SPDX-License-Identifier: Apache-2.0
"""Reading the appliance again and again, and going on when it is silent for a while.

There is one reader and it waits for its answer, so a slow agent is asked less often instead
of more. An agent that restarts closes nothing: the picture says how long it has been silent.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Protocol

from console import faults
from console.picture import Picture
from services.errors import ApplianceError, Unable

if TYPE_CHECKING:
    from services.api import DraftView
    from services.api_status import Status, WhoAmI

HOLD_S = 1.0
"""How long the first painting waits for the first figures."""

REFRESH_S = (1.0, 2.0, 5.0, 10.0, 30.0)
RETRY_S = 1.0
"""While nobody answers, and while a countdown runs."""


STARTING_S = 120.0
"""A machine that has been on for less may still be starting; an agent that is late is no fault."""


def uptime_s() -> float:
    """Seconds since the machine was switched on."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


class Watched(Protocol):
    """What is read; both raise `ApplianceError`."""

    async def status(self) -> Status:
        """The figures."""

    async def whoami(self) -> WhoAmI:
        """Who the agent takes us for."""


class Watch:
    """Keeps the picture, and tells when it has changed."""

    def __init__(
        self,
        appliance: Watched,
        tell: Callable[[], None],
        *,
        draft: Callable[[], Awaitable[DraftView]] | None = None,
    ) -> None:
        """`draft` fetches this console's pending changes; None: it can have none."""
        self._appliance = appliance
        self._tell = tell
        self._draft = draft
        self._wake = asyncio.Event()
        self._lost_at: float | None = None
        self.picture = Picture()

    async def run(self) -> None:
        """Until cancelled."""
        loop = asyncio.get_running_loop()
        while True:
            await self._step(loop)
            pause = RETRY_S if self.picture.hurried else self.picture.refresh_s
            if self.picture.paused:
                await self._wake.wait()
            else:
                try:
                    await asyncio.wait_for(self._wake.wait(), pause)
                except TimeoutError:
                    pass
            self._wake.clear()

    async def _step(self, loop: asyncio.AbstractEventLoop) -> None:
        try:
            await self._read()
            self._lost_at = None
        except ApplianceError as error:
            now = loop.time()
            self._lost_at = now if self._lost_at is None else self._lost_at
            starting = self.picture.status is None and uptime_s() < STARTING_S
            self.change(
                replace(self.picture, lost=error, lost_s=now - self._lost_at, starting=starting)
            )
        except Exception as error:  # noqa: BLE001 - the figures go on after a fault of ours
            faults.record(error, "reading the status")

    async def _read(self) -> None:
        before = self.picture.status
        new = self.picture.who is None or self.picture.lost is not None
        try:
            status = await self._appliance.status()
            who = await self._appliance.whoami() if new else self.picture.who
        except ValueError as error:
            raise Unable(
                "The agent's answer is not understood.",
                do="Bring console and agent to the same version.",
            ) from error
        self.change(
            replace(self.picture, status=status, who=who, lost=None, lost_s=0.0, starting=False)
        )
        undone = before is not None and before.node.confirm is not None
        if self._draft and (new or (undone and status.node.confirm is None)):
            # after the figures are on the screen: a draft brings a whole document with it, and
            # one whose change was not kept is back
            draft = await self._draft()
            self.change(replace(self.picture, drafted=draft.edits, clashes=len(draft.clashes)))

    def change(self, picture: Picture) -> None:
        """The picture is this from now on."""
        self.picture = picture
        self._tell()

    def now(self) -> None:
        """Read again at once."""
        self._wake.set()

    def turn(self, step: int) -> None:
        """Read less often (1) or more often (-1)."""
        at = REFRESH_S.index(self.picture.refresh_s) + step
        pace = REFRESH_S[max(0, min(len(REFRESH_S) - 1, at))]
        self.change(replace(self.picture, refresh_s=pace, paused=False))
        self._wake.set()

    def pause(self) -> None:
        """Stop reading, or go on."""
        self.change(replace(self.picture, paused=not self.picture.paused))
        self._wake.set()
