# SPDX-License-Identifier: Apache-2.0
"""A few lines of ready segments: every fixed piece of a screen is one of these.

Textual's own text widgets read markup in what they are given; this one cannot, because it
is given segments and nothing else.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from rich.segment import Segment
from textual.geometry import Size
from textual.strip import Strip
from textual.widget import Widget

from console.glyphs import cells

Line = tuple[Segment, ...]


class Lines(Widget, can_focus=False):
    """Shows the lines it was given last; longer ones are cut at the edge."""

    def __init__(
        self, lines: Sequence[Line] = (), *, id: str | None = None, classes: str | None = None
    ) -> None:
        super().__init__(id=id, classes=classes)
        self._lines: tuple[Line, ...] = tuple(lines)

    @property
    def text(self) -> str:
        """What stands there, without its colours."""
        return "\n".join("".join(piece.text for piece in line) for line in self._lines)

    def show(self, lines: Iterable[Iterable[Segment]]) -> None:
        """Draw these lines from now on; nothing is sent when they are the same."""
        wanted = tuple(
            tuple(Segment(cells(piece.text), piece.style) for piece in line if piece.text)
            for line in lines
        )
        if wanted != self._lines:
            taller = len(wanted) != len(self._lines)
            self._lines = wanted
            self.refresh(layout=taller)

    def get_content_height(self, container: Size, viewport: Size, width: int) -> int:
        return len(self._lines)

    def get_content_width(self, container: Size, viewport: Size) -> int:
        return max((sum(len(piece.text) for piece in line) for line in self._lines), default=0)

    def render_line(self, y: int) -> Strip:
        if y >= len(self._lines):
            return Strip.blank(self.size.width, self.rich_style)
        line = self._lines[y]
        # the last piece's background runs on to the edge, as bars are meant to
        style = line[-1].style if line else self.rich_style
        return Strip(line).adjust_cell_length(self.size.width, style)
