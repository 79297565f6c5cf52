# SPDX-License-Identifier: Apache-2.0
"""A field of several lines, for a text that is typed or pasted."""

from __future__ import annotations

from rich.segment import Segment
from rich.style import Style
from textual.geometry import Size
from textual.strip import Strip

from console import theme
from console.glyphs import fit
from console.text_edit import TextEdit
from console.widgets.field import EditField

ROWS = 11
"""Lines in sight; with what stands around them they fill a screen of 24."""


class TextBox(EditField[TextEdit]):
    """Its title above, the text below from edge to edge; Enter begins a new line."""

    def __init__(self, title: str, text: str, *, name: str, limit: int) -> None:
        """`text` stands there to begin with, as it is; `limit`: the largest text in bytes."""
        super().__init__(title, TextEdit(tuple(text.split("\n"))), name=name)
        self._limit = limit
        self._top = 0

    def step(self, lines: int) -> bool:
        """So many lines down, or up; False: there is no further one."""
        before = self._edit.row
        self.become(self._edit.down(lines))
        return self._edit.row != before

    def get_content_height(self, container: Size, viewport: Size, width: int) -> int:
        return super().get_content_height(container, viewport, width) + ROWS

    def render_line(self, y: int) -> Strip:
        width = self.size.width
        if not 1 <= y <= ROWS:
            return super().render_line(y if y < 1 else y - ROWS)
        row = self._top + y - 1
        if row >= len(self._edit.lines):
            return Strip([Segment("  ", theme.PLAIN), Segment(" " * (width - 2), self._style)])
        text, at = self._edit.lines[row], None
        room = width - 3
        if row == self._edit.row and self.has_focus:
            line = self._edit.line
            first, last = line.window(room)
            text, at = text[first:last], line.at - first
        shown = fit(text.replace("\t", " "), room)
        pieces = [Segment("  ", theme.PLAIN), Segment(shown + " ", self._style)]
        if at is not None:
            pieces[1:] = [
                Segment(shown[:at], self._style),
                Segment((shown + " ")[at], theme.FIELD_CURSOR),
                Segment((shown + " ")[at + 1 :], self._style),
            ]
        return Strip([piece for piece in pieces if piece.text]).adjust_cell_length(width)

    def body(self, width: int) -> list[Segment]:
        words = f"line {self._edit.row + 1} of {len(self._edit.lines)}"
        return [Segment(fit(words, width), theme.FAINT)]

    @property
    def _style(self) -> Style:
        if self.has_focus:
            return theme.FIELD_FOCUS
        return theme.FIELD_BAD if self.errors else theme.FIELD

    def entered(self) -> None:
        self.insert("\n")

    def too_long(self, text: str) -> str:
        too_long = len(text.encode()) > self._limit
        return f"This is larger than {self._limit >> 10} kB" if too_long else ""

    def after(self, key: str) -> TextEdit | None:
        match key:
            case "pageup":
                return self._edit.down(1 - ROWS)
            case "pagedown":
                return self._edit.down(ROWS - 1)
        return super().after(key)

    def become(self, edit: TextEdit) -> None:
        self._top = min(max(self._top, edit.row - ROWS + 1), edit.row)
        super().become(edit)
