# SPDX-License-Identifier: Apache-2.0
"""Help: what the screen below is for, its keys, and its fields in the model's own words."""

from __future__ import annotations

from textual.screen import Screen

from console import theme
from console.glyphs import wrap
from console.keymap import GLOBAL, beside, explained
from console.roles import offered
from console.screens.frame import Frame
from console.screens.text import TextLine, TextScreen


class HelpScreen(TextScreen):
    """Made anew for the screen it was asked on."""

    ABOUT = "Explains the screen it was called from."

    def __init__(self, about: Screen[object]) -> None:
        super().__init__("Help")
        self._about = about

    def begin(self) -> None:
        super().begin()
        self.set_lines(self._explained(self.cells_wide - 4))

    def on_resize(self) -> None:
        self.set_lines(self._explained(self.cells_wide - 4))

    def crumbs(self) -> str:
        about = self._about
        return f"Help: {about.crumbs()}" if isinstance(about, Frame) else "Help"

    def _explained(self, width: int) -> list[TextLine]:
        about = self._about
        paragraphs = about.about() if isinstance(about, Frame) else [getattr(about, "ABOUT", "")]
        lines: list[TextLine] = []
        for paragraph in paragraphs[:1]:
            lines += [(line, theme.PLAIN) for line in wrap(paragraph, width)]
        own = offered(about.picture.who, about.KEYS) if isinstance(about, Frame) else ()
        if own:
            lines += [("", theme.PLAIN), ("Keys of this screen", theme.HEADING)]
            lines += _plain(explained(own, width))
        for paragraph in paragraphs[1:]:
            title, _, words = paragraph.partition("\n")
            if not words:
                lines += [("", theme.PLAIN), (title, theme.HEADING)]
                continue
            lines += _plain(beside(title, words, width))
        lines += [("", theme.PLAIN), ("Keys on every screen", theme.HEADING)]
        lines += _plain(explained(GLOBAL, width))
        lines.append(
            ("1 .. 8                 The item of the main menu with that number.", theme.PLAIN)
        )
        return lines


def _plain(lines: list[str]) -> list[TextLine]:
    return [(line, theme.PLAIN) for line in lines]
