# SPDX-License-Identifier: Apache-2.0
"""A row of buttons as one widget: arrows move, Enter presses, the safe one is where it starts.

The first letter of a button presses it too, so words that begin alike must not share a row.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rich.segment import Segment
from textual.events import Key
from textual.geometry import Size
from textual.message import Message
from textual.strip import Strip
from textual.widget import Widget

from console import theme
from console.glyphs import cells

GAP = 3


class Buttons(Widget, can_focus=True):
    """`[ Yes, halt ]   [ Drain instead ]   [ No ]`."""

    @dataclass
    class Pressed(Message):
        """A button was pressed."""

        answer: str

    def __init__(self, options: Sequence[tuple[str, str]], *, default: str) -> None:
        """`options` are pairs of answer and words; `default` has the cursor first."""
        super().__init__()
        self._options = tuple(options)
        self._index = [answer for answer, _ in self._options].index(default)

    @property
    def answer(self) -> str:
        """The answer of the button under the cursor."""
        return self._options[self._index][0]

    def get_content_height(self, container: Size, viewport: Size, width: int) -> int:
        return 1

    def get_content_width(self, container: Size, viewport: Size) -> int:
        return sum(len(words) + 4 for _, words in self._options) + GAP * (len(self._options) - 1)

    def render_line(self, y: int) -> Strip:
        pieces: list[Segment] = []
        for index, (_, words) in enumerate(self._options):
            if pieces:
                pieces.append(Segment(" " * GAP, theme.PLAIN))
            under = index == self._index and self.has_focus
            pieces.append(Segment(f"[ {cells(words)} ]", theme.CURSOR if under else theme.FOOTER))
        return Strip(pieces).adjust_cell_length(self.size.width, theme.PLAIN)

    def on_key(self, event: Key) -> None:
        step = {"left": -1, "right": 1}.get(event.key)
        if step is not None:
            event.stop()
            event.prevent_default()
            self._index = max(0, min(len(self._options) - 1, self._index + step))
            self.refresh()
        elif event.key in ("enter", "space"):
            event.stop()
            event.prevent_default()
            self.post_message(self.Pressed(self.answer))
        else:
            for answer, words in self._options:
                if event.character == words[0].lower():
                    event.stop()
                    event.prevent_default()
                    self.post_message(self.Pressed(answer))
                    return
