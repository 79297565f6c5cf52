# SPDX-License-Identifier: Apache-2.0
"""A list with a cursor that paints only the lines one can see.

Rows are plain values and stay with their owner; a painter turns one of them into segments
when, and only when, its line is on the screen. So a thousand rows cost what twenty cost.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from rich.segment import Segment
from textual.events import Resize
from textual.geometry import Size
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.strip import Strip

from console.keymap import MOVES, bindings

_Row = TypeVar("_Row")


class RowList(ScrollView, Generic[_Row], can_focus=True, inherit_bindings=False):
    """Rows one below the other, one of them under the cursor."""

    BINDINGS = bindings(*MOVES, "open")

    @dataclass
    class Moved(Message):
        """The cursor stands on another row."""

        index: int

    @dataclass
    class Chosen(Message):
        """Enter was pressed on a row."""

        index: int

    def __init__(
        self,
        paint: Callable[[_Row, int, bool], Sequence[Segment]],
        *,
        key: Callable[[_Row], Hashable],
        empty: Sequence[Segment] = (),
        id: str | None = None,
    ) -> None:
        """`paint(row, width, under_cursor)` draws a row; `key` tells rows apart over time;
        `empty` stands there when it was shown no rows.
        """
        super().__init__(id=id)
        self._paint = paint
        self._key = key
        self._empty = tuple(empty)
        self._rows: Sequence[_Row] = ()
        self._cursor = 0
        self._told = False
        self._drawn: dict[int, tuple[Segment, ...]] = {}

    @property
    def rows(self) -> Sequence[_Row]:
        """All rows, in the order shown."""
        return self._rows

    @property
    def cursor(self) -> int:
        """Index of the row under the cursor."""
        return self._cursor

    @property
    def current(self) -> _Row | None:
        """The row under the cursor; None in an empty list."""
        return self._rows[self._cursor] if self._rows else None

    def show(self, rows: Sequence[_Row]) -> None:
        """Show these rows; the cursor stays with its row as long as that is there."""
        held = self._key(self._rows[self._cursor]) if self._rows else None
        resized = len(rows) != len(self._rows) or not self._told
        self._told = True
        self._rows = rows
        at = min(self._cursor, max(0, len(rows) - 1))
        if rows and held is not None and self._key(rows[at]) != held:
            at = next((i for i, row in enumerate(rows) if self._key(row) == held), at)
        self._cursor = at
        if resized:
            self._measure()
            self.refresh()
        else:
            self._refresh_changed()
        if resized or not self._visible(at):
            self._reveal()

    def explain(self, *words: Segment) -> None:
        """Say this where rows would stand, when there are none."""
        if words != self._empty:
            self._empty = words
            self.refresh()

    def move_to(self, index: int, *, tell: bool = True) -> None:
        """Put the cursor on the row, or on the nearest there is; `tell` posts `Moved`."""
        at = max(0, min(index, len(self._rows) - 1))
        if at == self._cursor:
            return
        before, self._cursor = self._cursor, at
        self.refresh_line(before)
        self.refresh_line(at)
        self._reveal()
        if tell:
            self.post_message(self.Moved(at))

    def repaint(self) -> None:
        """Draw the visible lines again if they look different now."""
        self._refresh_changed()

    def render_line(self, y: int) -> Strip:
        width = self.scrollable_content_region.width
        index = y + self.scroll_offset.y
        if index >= len(self._rows):
            line = self._empty if index == 0 and self._told else ()
            return Strip(line).adjust_cell_length(width, self.rich_style)
        pieces = self._pieces(index)
        self._drawn[index] = pieces
        return Strip(pieces).adjust_cell_length(width, pieces[-1].style)

    def on_resize(self, event: Resize) -> None:
        self._measure()
        self._reveal()

    def on_focus(self) -> None:
        self.refresh()

    def on_blur(self) -> None:
        self.refresh()

    def action_up(self) -> None:
        self.move_to(self._cursor - 1)

    def action_down(self) -> None:
        self.move_to(self._cursor + 1)

    def action_page_up(self) -> None:
        self.move_to(self._cursor - self._page)

    def action_page_down(self) -> None:
        self.move_to(self._cursor + self._page)

    def action_first(self) -> None:
        self.move_to(0)

    def action_last(self) -> None:
        self.move_to(len(self._rows) - 1)

    def action_open(self) -> None:
        if self._rows:
            self.post_message(self.Chosen(self._cursor))

    @property
    def _page(self) -> int:
        return max(1, self.scrollable_content_region.height - 1)

    def _pieces(self, index: int) -> tuple[Segment, ...]:
        width = self.scrollable_content_region.width
        return tuple(self._paint(self._rows[index], width, index == self._cursor))

    def _measure(self) -> None:
        self.virtual_size = Size(self.size.width, max(1, len(self._rows)))

    def _visible(self, index: int) -> bool:
        top = self.scroll_offset.y
        return top <= index < top + max(1, self.scrollable_content_region.height)

    def _reveal(self) -> None:
        top, height = self.scroll_offset.y, max(1, self.scrollable_content_region.height)
        if self._cursor < top:
            self.scroll_to(y=self._cursor, animate=False, force=True)
        elif self._cursor >= top + height:
            self.scroll_to(y=self._cursor - height + 1, animate=False, force=True)

    def _refresh_changed(self) -> None:
        top = self.scroll_offset.y
        last = min(len(self._rows), top + self.scrollable_content_region.height)
        for index in range(top, last):
            if self._drawn.get(index) != self._pieces(index):
                self.refresh_line(index)
        self._drawn = {index: line for index, line in self._drawn.items() if top <= index < last}
