# SPDX-License-Identifier: Apache-2.0
"""A field of several lines, for a text that is typed or pasted."""

from __future__ import annotations

from rich.segment import Segment
from rich.style import Style
from textual.events import Key, Paste
from textual.geometry import Size
from textual.strip import Strip

from console import theme
from console.glyphs import fit
from console.text_edit import TextEdit
from console.widgets.field import Field

ROWS = 11
"""Lines in sight; with what stands around them they fill a screen of 24."""


class TextBox(Field):
    """Its title above, the text below from edge to edge; Enter begins a new line."""

    def __init__(self, title: str, *, name: str, limit: int) -> None:
        """`limit`: the largest text in bytes."""
        super().__init__(title, name=name)
        self._limit = limit
        self._edit = TextEdit()
        self._top = 0

    @property
    def value(self) -> str:
        return self._edit.text

    def step(self, lines: int) -> bool:
        """So many lines down, or up; False: there is no further one."""
        before = self._edit.row
        self._become(self._edit.down(lines))
        return self._edit.row != before

    def get_content_height(self, container: Size, viewport: Size, width: int) -> int:
        return super().get_content_height(container, viewport, width) + ROWS

    def render_line(self, y: int) -> Strip:
        width = self.size.width
        if not 1 <= y <= ROWS:
            return super().render_line(y if y < 1 else y - ROWS)
        row = self._top + y - 1
        if row >= len(self._edit.lines):
            return Strip([Segment(" " * width, self._style)])
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

    def check_consume_key(self, key: str, character: str | None) -> bool:
        return character is not None and character.isprintable()

    def on_key(self, event: Key) -> None:
        edit = self._after(event)
        if edit is not None:
            self._become(edit)
        elif event.character and event.is_printable:
            self._insert(event.character)
        else:
            return
        event.stop()
        event.prevent_default()

    def on_paste(self, event: Paste) -> None:
        event.stop()
        self._insert(event.text)

    def _insert(self, more: str) -> None:
        edit = self._edit.insert(more)
        if len(edit.text.encode()) > self._limit:
            room = f"{self._limit >> 10} kB"
            self.refuse([f"This is larger than {room}, so nothing was put in here."])
        else:
            self._become(edit)

    def _after(self, event: Key) -> TextEdit | None:
        edit = self._edit
        match event.key:
            case "enter":
                return edit.insert("\n")
            case "left":
                return edit.sideways(-1)
            case "right":
                return edit.sideways(1)
            case "home" | "ctrl+a":
                return edit.with_line(edit.line.home())
            case "end" | "ctrl+e":
                return edit.with_line(edit.line.end())
            case "pageup":
                return edit.down(1 - ROWS)
            case "pagedown":
                return edit.down(ROWS - 1)
            case "backspace" | "ctrl+h":
                return edit.backspace()
            case "delete":
                return edit.delete()
            case "ctrl+u":
                return edit.with_line(edit.line.home().clear_after())
            case "ctrl+k":
                return edit.with_line(edit.line.clear_after())
        return None

    def _become(self, edit: TextEdit) -> None:
        changed = edit.text != self._edit.text
        self._edit = edit
        self._top = min(max(self._top, edit.row - ROWS + 1), edit.row)
        if changed:
            self.changed()
        else:
            self.refresh()
