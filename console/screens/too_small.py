# SPDX-License-Identifier: Apache-2.0
"""Below 80x24 there is one sentence, and whatever was open waits behind it."""

from __future__ import annotations

from rich.segment import Segment
from textual.app import ComposeResult
from textual.events import Key
from textual.screen import Screen

from console import theme
from console.terminal import TOO_SMALL, fits
from console.widgets.lines import Lines


class TooSmall(Screen[None], inherit_bindings=False):
    """Covers everything until the terminal has grown; no key reaches what is below."""

    def compose(self) -> ComposeResult:
        yield Lines([(Segment(TOO_SMALL, theme.WARNING),)])

    def on_screen_resume(self) -> None:
        if fits(*self.app.size):
            self.app.pop_screen()

    def on_key(self, event: Key) -> None:
        event.stop()
        event.prevent_default()
