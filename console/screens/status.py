# SPDX-License-Identifier: Apache-2.0
"""Status screen: what the appliance shows to whoever stands before it, read only.

Here it is a screen of the console. The same words before login, on the machine's own screen, are
painted by `console.before_login`.
"""

from __future__ import annotations

from collections.abc import Iterable

from rich.segment import Segment
from textual.binding import Binding
from textual.widget import Widget

from console import status_words, theme
from console.keymap import bindings
from console.picture import Picture
from console.screens.frame import Frame
from console.widgets import bars
from console.widgets.lines import Lines


class StatusScreen(Frame):
    """Product, name, network, health; F2 leads in."""

    CRUMBS = status_words.CRUMBS
    FOOTER = status_words.FOOTER
    KEYS = ("log_in", "power", "quit", "repaint")
    ABOUT = status_words.ABOUT
    LIVE = True
    BINDINGS = [  # noqa: RUF012 - as Textual declares it
        *bindings("log_in", "quit", "review"),
        *(Binding(digit, "jump", show=False) for digit in "12345678"),
    ]

    def compose_body(self) -> Iterable[Widget]:
        yield Lines(id="facts", classes="body")

    def show_body(self, picture: Picture) -> None:
        if picture.status is not None:
            lines = self.query_one("#facts", Lines)
            room = lines.size.height or status_words.ROOM
            lines.show(status_words.facts(picture.status, self.cells_wide, room))

    def title_bar(self, picture: Picture, width: int) -> list[Segment]:
        return bars.title(picture, self.CRUMBS, width, named=False)

    def action_log_in(self) -> None:
        self.console_app.log_in()

    def action_quit(self) -> None:
        self.console_app.quit_when_done()

    def action_jump(self) -> None:
        self.say(status_words.LOGIN_FIRST, theme.WARNING)

    def action_review(self) -> None:
        self.say(status_words.LOGIN_FIRST, theme.WARNING)
