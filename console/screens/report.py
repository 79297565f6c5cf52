# SPDX-License-Identifier: Apache-2.0
"""A report that is read anew as the picture is, but never more than a share of the time.

What takes the agent seconds is asked for less often instead of keeping it busy for one person.
"""

from __future__ import annotations

from abc import abstractmethod
from time import monotonic

from console.keymap import bindings
from console.picture import Picture
from console.screens.frame import Frame

SHARE = 0.1


class Report(Frame):
    """Subclasses bring `fetch`, which reads and shows."""

    LIVE = True
    BINDINGS = bindings("back", "refresh", "pause", "slower", "faster")

    def __init__(self) -> None:
        super().__init__()
        self._turn = 0
        self._reading = False
        self._again_at = 0.0

    @abstractmethod
    async def fetch(self) -> None:
        """Read the report and show it; raises `ApplianceError`."""

    def show_body(self, picture: Picture) -> None:
        if not self._reading and monotonic() >= self._again_at:
            self.read_now()

    def read_now(self) -> None:
        """Read; what is being read for an earlier question is not waited for."""
        self._turn += 1
        self._reading = True
        turn = self._turn

        async def read() -> None:
            begun = monotonic()
            try:
                await self.fetch()
            finally:
                if turn == self._turn:  # else the end is one of a question that was given up
                    self._reading = False
                    self._again_at = monotonic() + (monotonic() - begun) / SHARE

        self.read(read, f"reading {self.crumbs()}")

    def action_refresh(self) -> None:
        self.read_now()

    def action_pause(self) -> None:
        self.console_app.watching.pause()

    def action_slower(self) -> None:
        self.console_app.watching.turn(1)

    def action_faster(self) -> None:
        self.console_app.watching.turn(-1)
