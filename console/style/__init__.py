# SPDX-License-Identifier: Apache-2.0
"""The one look as Textual wants it: its theme, its scroll bars, and the style sheet beside this.

The styles of what is written are in `console.theme`, which needs no Textual.
"""

from __future__ import annotations

from textual.scrollbar import ScrollBar, ScrollBarRender
from textual.theme import Theme

BASIC = Theme(
    name="ballast-basic",
    ansi=True,
    dark=True,
    primary="ansi_cyan",
    secondary="ansi_blue",
    accent="ansi_yellow",
    warning="ansi_yellow",
    error="ansi_red",
    success="ansi_green",
    foreground="ansi_white",
    background="ansi_black",
    surface="ansi_black",
    panel="ansi_black",
    boost="ansi_black",
    variables={
        "ansi-background": "ansi_black",
        "ansi-foreground": "ansi_white",
        "border": "ansi_cyan",
        "border-blurred": "ansi_white",
        "scrollbar": "ansi_cyan",
        "scrollbar-background": "ansi_blue",
    },
)


class PlainScrollBar(ScrollBarRender):
    """Whole cells only: the usual ends are eighth blocks, which a console lacks."""

    VERTICAL_BARS = [" "] * 8
    HORIZONTAL_BARS = [" "] * 8


def use_plain_scrollbars() -> None:
    """Textual keeps the renderer on the class, so it is set once, for all."""
    ScrollBar.renderer = PlainScrollBar
