# SPDX-License-Identifier: Apache-2.0
"""Several lines of text being edited, as a value: every key gives a new one."""

from __future__ import annotations

from dataclasses import dataclass, replace

from console.line_edit import LineEdit


@dataclass(frozen=True)
class TextEdit:
    """Lines, at least one, and where the cursor stands: its row, and its place in that line."""

    lines: tuple[str, ...] = ("",)
    row: int = 0
    at: int = 0

    @property
    def text(self) -> str:
        """All of it."""
        return "\n".join(self.lines)

    @property
    def line(self) -> LineEdit:
        """The line with the cursor."""
        return LineEdit(self.lines[self.row], self.at)

    def with_line(self, line: LineEdit) -> TextEdit:
        """The line with the cursor edited."""
        lines = (*self.lines[: self.row], line.text, *self.lines[self.row + 1 :])
        return TextEdit(lines, self.row, line.at)

    def insert(self, more: str) -> TextEdit:
        """`more` at the cursor; it may have several lines, however they end."""
        first, *rest = more.replace("\r\n", "\n").replace("\r", "\n").split("\n")
        here = self.line.insert(first)
        if not rest:
            return self.with_line(here)
        before, after = here.text[: here.at], here.text[here.at :]
        *between, last = rest
        new = (before, *between, last + after)
        lines = (*self.lines[: self.row], *new, *self.lines[self.row + 1 :])
        return TextEdit(lines, self.row + len(rest), len(last))

    def backspace(self) -> TextEdit:
        """Without the sign before the cursor; at a line's beginning, joined to the one above."""
        if self.at or not self.row:
            return self.with_line(self.line.backspace())
        above = self.lines[self.row - 1]
        lines = (*self.lines[: self.row - 1], above + self.lines[self.row])
        return TextEdit((*lines, *self.lines[self.row + 1 :]), self.row - 1, len(above))

    def delete(self) -> TextEdit:
        """Without the sign under the cursor; at the end of a line, joined to the one below."""
        if self.at < len(self.lines[self.row]) or self.row == len(self.lines) - 1:
            return self.with_line(self.line.delete())
        return replace(self, row=self.row + 1, at=0).backspace()

    def move(self, steps: int) -> TextEdit:
        """One sign further, -1 or 1, into the next line where one ends."""
        at = self.at + steps
        if 0 <= at <= len(self.lines[self.row]):
            return replace(self, at=at)
        if not 0 <= self.row + steps < len(self.lines):
            return self
        row = self.row + steps
        return replace(self, row=row, at=0 if steps > 0 else len(self.lines[row]))

    def home(self) -> TextEdit:
        """The cursor before its line."""
        return self.with_line(self.line.home())

    def end(self) -> TextEdit:
        """The cursor behind its line."""
        return self.with_line(self.line.end())

    def delete_word(self) -> TextEdit:
        """Without the word before the cursor, in its line."""
        return self.with_line(self.line.delete_word())

    def clear(self) -> TextEdit:
        """The cursor's line emptied."""
        return self.with_line(self.line.clear())

    def clear_after(self) -> TextEdit:
        """Without everything from the cursor to the end of its line."""
        return self.with_line(self.line.clear_after())

    def down(self, steps: int) -> TextEdit:
        """So many lines further down, or up, or to the last one there is."""
        row = max(0, min(len(self.lines) - 1, self.row + steps))
        return replace(self, row=row, at=min(self.at, len(self.lines[row])))
