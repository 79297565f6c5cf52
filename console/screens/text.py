# SPDX-License-Identifier: Apache-2.0
"""Text to read: scrolls, and `/` shows only the lines with some words in them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import ClassVar

from rich.segment import Segment
from rich.style import Style
from textual import on
from textual.widget import Widget

from console import theme
from console.glyphs import fit
from console.keymap import MOVES, bindings
from console.screens.frame import Frame
from console.widgets.filter_line import FilterLine
from console.widgets.row_list import RowList

TextLine = tuple[str, Style]


class TextScreen(Frame):
    """Lines below each other; subclasses bring them."""

    FOOTER: ClassVar[tuple[str, ...]] = ("help", "menu", "filter", "back")
    KEYS: ClassVar[tuple[str, ...]] = (*MOVES, "filter", "back")
    BINDINGS = bindings("filter", "back")

    def __init__(self, crumbs: str, lines: Sequence[TextLine] = ()) -> None:
        super().__init__()
        self._crumbs = crumbs
        self._all = tuple(lines)
        self._words = ""

    def compose_body(self) -> Iterable[Widget]:
        yield RowList[tuple[int, TextLine]](
            _paint,
            key=lambda row: row[0],
            id="lines",
            empty=[Segment(" Nothing to show.", theme.FAINT)],
        )
        yield FilterLine()

    def begin(self) -> None:
        super().begin()
        self.set_lines(self._all)
        self.set_focus(self.text)

    @property
    def text(self) -> RowList[tuple[int, TextLine]]:
        """The lines."""
        return self.query_one("#lines", RowList)

    def crumbs(self) -> str:
        return self._crumbs

    def set_lines(self, lines: Sequence[TextLine]) -> None:
        """Show these lines, as far as the filter lets them through."""
        self._all = tuple(lines)
        words = self._words.casefold().split()
        shown = [
            (number, line)
            for number, line in enumerate(self._all)
            if all(word in line[0].casefold() for word in words)
        ]
        if self.is_mounted:
            self.text.show(shown)

    def action_filter(self) -> None:
        self.query_one(FilterLine).ask()

    def action_back(self) -> None:
        if not self.query_one(FilterLine).put_away():
            super().action_back()
            return
        self.set_focus(self.text)

    @on(FilterLine.Changed)
    def _filtered(self) -> None:
        self._words = self.query_one(FilterLine).value
        self.set_lines(self._all)

    @on(FilterLine.Submitted)
    def _typed(self) -> None:
        self.set_focus(self.text)


def _paint(row: tuple[int, TextLine], width: int, chosen: bool) -> list[Segment]:
    text, style = row[1]
    return [Segment(fit(f" {text}", width), theme.CURSOR if chosen else style)]
