# SPDX-License-Identifier: Apache-2.0
"""A console on a stage: keys go in, what is on the screen comes out as text.

Nothing here reaches into a screen. Every look at the picture is also a glyph check, so no
test can pass through a screen that a Linux console could not draw.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any
from unittest.mock import patch

from textual.pilot import Pilot

from console.app import ConsoleApp, StatusFirst
from console.glyphs import DRAWABLE, LATIN
from services.api import Status
from tests.fakes.appliance import ScriptedAppliance

WITHIN_S = 10
SETTLED_S = 1
"""As Textual has it: what goes on for longer is not waited for."""


@dataclass
class Stage:
    """One console and the appliance behind it."""

    app: ConsoleApp
    fake: ScriptedAppliance
    pilot: Pilot[int]

    async def press(self, *keys: str) -> None:
        """Press keys, one after the other."""
        await self.pilot.press(*keys)
        await self.pilot.pause()

    async def type(self, text: str) -> None:
        """Type text, sign by sign."""
        await self.pilot.press(*(_KEY_OF.get(sign, sign) for sign in text))

    def text(self) -> str:
        """The screen as lines of text."""
        strips = self.app.screen._compositor.render_strips()
        lines = ["".join(piece.text for piece in strip).rstrip() for strip in strips]
        undrawable = set("".join(lines)) - DRAWABLE - LATIN
        assert not undrawable, f"a console cannot draw {sorted(undrawable)}"
        return "\n".join(lines)

    def line(self, words: str) -> str:
        """The first line with these words in it."""
        return next((line for line in self.text().splitlines() if words in line), "")

    async def see(self, *words: str) -> str:
        """Wait until all of these stand on the screen, however wrapped; the screen's text."""

        def all_seen() -> bool:
            text = self.text()
            flowing = " ".join(text.split())
            return all(word in text or word in flowing for word in words)

        await self.until(all_seen, lambda: f"not all of {words} on\n{self.text()}")
        return self.text()

    async def gone(self, *words: str) -> None:
        """Wait until none of these stands on the screen."""
        await self.until(
            lambda: not any(word in self.text() for word in words),
            lambda: f"one of {words} still on\n{self.text()}",
        )

    async def until(
        self, reached: Callable[[], bool], explain: Callable[[], str] = lambda: "never reached"
    ) -> None:
        """Poll for a state."""
        try:
            async with asyncio.timeout(WITHIN_S):
                while not reached():
                    await self.pilot.pause(0.02)
        except TimeoutError:
            raise AssertionError(explain()) from None

    async def refreshed(self) -> Status:
        """Have the figures read anew, and wait for them."""
        before = self.app.picture.status
        self.app.watching.now()
        await self.until(lambda: self.app.picture.status is not before)
        await self.pilot.pause()
        status = self.app.picture.status
        assert status is not None
        return status


_KEY_OF = {
    " ": "space",
    ".": "full_stop",
    ",": "comma",
    "-": "minus",
    "/": "slash",
    ":": "colon",
    "_": "underscore",
    "[": "left_square_bracket",
    "]": "right_square_bracket",
    "@": "at",
    "=": "equals_sign",
    "(": "left_parenthesis",
    ")": "right_parenthesis",
    "#": "number_sign",
    "$": "dollar_sign",
    "{": "left_curly_bracket",
    "}": "right_curly_bracket",
    '"': "quotation_mark",
    "'": "apostrophe",
}


class Settling:
    """Waits until all that a key has led to is done and painted.

    Textual's own way is to sleep for 20 ms, three times a key, until the processor was idle
    meanwhile. Ours asks the loop whether anything can run; painting is not waited for but done,
    as the screen does it itself at its next frame.
    """

    def __init__(self, app: ConsoleApp) -> None:
        self._app = app
        self._threads = 0
        self._to_thread = asyncio.to_thread

    async def to_thread(self, function: Callable[..., Any], *args: Any) -> Any:
        """As `asyncio.to_thread`, and counted while it lasts."""
        self._threads += 1
        try:
            return await self._to_thread(function, *args)
        finally:
            self._threads -= 1

    async def wait(self, _min_sleep: float = 0) -> None:
        """The argument is Textual's: how long to wait at least."""
        loop: Any = asyncio.get_running_loop()
        give_up_at = loop.time() + SETTLED_S
        while loop.time() < give_up_at:
            await asyncio.sleep(0.001 if self._threads else 0)
            if self._threads or loop._ready:
                continue
            screen: Any = self._app.screen
            if not screen._update_timer._active.is_set():
                return
            screen._on_timer_update()


@asynccontextmanager
async def stage(
    fake: ScriptedAppliance,
    *,
    size: tuple[int, int] = (80, 24),
    status_first: bool = False,
) -> AsyncIterator[Stage]:
    """A console in front of `fake`, with its first figures on the screen."""
    app = (StatusFirst if status_first else ConsoleApp)(fake)
    settling = Settling(app)
    with (
        patch("textual.app.wait_for_idle", settling.wait),
        patch("textual.pilot.wait_for_idle", settling.wait),
        patch("asyncio.to_thread", settling.to_thread),
    ):
        async with app.run_test(size=size) as pilot:
            found = Stage(app, fake, pilot)
            await found.until(
                lambda: app.picture.status is not None or app.picture.lost is not None
            )
            await pilot.pause()
            yield found
            assert app.fault is None
