# SPDX-License-Identifier: Apache-2.0
"""The two consoles of the appliance: before login on the machine's screen, and after it.

Between them stands the system's own login, so neither asks for a password: the one before
login ends with `EXIT_LOG_IN` when somebody wants in, the one after it ends when they leave.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from console.app import ConsoleApp, StatusFirst
from console.terminal import EXIT_LOG_IN

if TYPE_CHECKING:
    from console.appliance import Appliance


class BeforeLogin(StatusFirst):
    """The status screen and nothing else; it stays until somebody logs in."""

    def __init__(
        self,
        appliance: Appliance,
        *,
        plain_frames: bool = False,
        painted: Callable[[], None] | None = None,
    ) -> None:
        """`painted` is called once, when the first figures stand on the screen."""
        super().__init__(appliance, resident=True, plain_frames=plain_frames)
        self._painted = painted

    def log_in(self) -> None:
        self.exit(EXIT_LOG_IN)

    def action_power(self) -> None:
        self.say("Restart and shut down need a login: F2 or Enter first, then F12.", bad=False)

    def _paint(self) -> None:
        super()._paint()
        if self._painted is not None and self.picture.status is not None:
            told, self._painted = self._painted, None
            # the first refresh ends the time in which painting is held back, the second paints
            self.call_after_refresh(self.call_after_refresh, told)


class Session(ConsoleApp):
    """The console of somebody who has logged in: leaving it ends their session."""

    def action_log_out(self) -> None:
        self._unless_unsaved(self.quit_when_done)
