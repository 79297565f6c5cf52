# SPDX-License-Identifier: Apache-2.0
"""The "basic" look: eight plain background colours and console glyphs, on every terminal.

A Linux console ignores bright backgrounds and rounds everything else to something
unreadable, so there is one look that is right there and therefore everywhere. Styles are
values of this module; what Textual wants to know of it is in `console.style`.
"""

from __future__ import annotations

from rich.segment import Segment
from rich.style import Style

from services.api_status import Health


def _style(
    foreground: str, background: str = "black", *, bold: bool = False, reverse: bool = False
) -> Style:
    return Style(color=foreground, bgcolor=background, bold=bold or None, reverse=reverse or None)


PLAIN = _style("white")
STRONG = _style("bright_white", bold=True)
FAINT = _style("cyan")
TITLE = _style("bright_white", "blue", bold=True)
HEADING = _style("yellow")
CURSOR = _style("cyan", reverse=True)
"""Reversed, so that it is seen without colours too; not bold: bold black is grey on a console."""
MARKED = _style("bright_yellow")
FOOTER = _style("white", "blue")
FOOTER_KEY = _style("bright_yellow", "blue")
GREY = _style("bright_black")
"""What cannot be chosen; on a console with few colours it is plain, so a word says it too."""
GOOD = _style("green")
WARNING = _style("yellow")
BAD = _style("bright_red")
NOTICE = _style("black", "yellow")
ALARM = _style("bright_white", "red")
FIELD = _style("white", "blue")
FIELD_FOCUS = _style("cyan", reverse=True)
FIELD_CURSOR = _style("white")
FIELD_BAD = _style("bright_white", "red")

CHIPS = {
    Health.UP: _style("black", "green"),
    Health.WARN: _style("black", "yellow"),
    Health.DOWN: _style("bright_white", "red"),
    Health.HALT: _style("bright_white", "blue"),
    Health.DRAIN: _style("bright_white", "blue"),
    Health.OFF: _style("bright_white", "blue"),
}
"""Background colour plus a word: colour is never the only sign."""

CHIP_WIDTH = 7


def chip(health: Health) -> Segment:
    """The coloured word in front of a row."""
    return Segment(f" {health.value:^5} ", CHIPS[health])


NEW_CHIP = Segment("  NEW  ", _style("black", "cyan"))
"""In front of what only the draft knows."""
