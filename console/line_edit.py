# SPDX-License-Identifier: Apache-2.0
"""One line of text being edited, as a value: every key gives a new one."""

from __future__ import annotations

from dataclasses import dataclass, replace


@dataclass(frozen=True)
class LineEdit:
    """Text and where the cursor stands in it, from 0 to its length."""

    text: str = ""
    at: int = 0

    @classmethod
    def of(cls, text: str) -> LineEdit:
        """The cursor behind the text."""
        return cls(text, len(text))

    def insert(self, more: str) -> LineEdit:
        """`more` at the cursor."""
        return LineEdit(self.text[: self.at] + more + self.text[self.at :], self.at + len(more))

    def backspace(self) -> LineEdit:
        """Without the sign before the cursor."""
        if not self.at:
            return self
        return LineEdit(self.text[: self.at - 1] + self.text[self.at :], self.at - 1)

    def delete(self) -> LineEdit:
        """Without the sign under the cursor."""
        return replace(self, text=self.text[: self.at] + self.text[self.at + 1 :])

    def delete_word(self) -> LineEdit:
        """Without the word before the cursor."""
        kept = self.text[: self.at].rstrip()
        kept = kept[: kept.rfind(" ") + 1]
        return LineEdit(kept + self.text[self.at :], len(kept))

    def clear(self) -> LineEdit:
        """Without everything."""
        return LineEdit()

    def clear_after(self) -> LineEdit:
        """Without everything from the cursor on."""
        return replace(self, text=self.text[: self.at])

    def move(self, steps: int) -> LineEdit:
        """The cursor so many signs further."""
        return replace(self, at=max(0, min(len(self.text), self.at + steps)))

    def home(self) -> LineEdit:
        """The cursor before the text."""
        return replace(self, at=0)

    def end(self) -> LineEdit:
        """The cursor behind the text."""
        return replace(self, at=len(self.text))

    def window(self, width: int) -> tuple[int, int]:
        """First and last index to show in `width` cells, so that the cursor is among them."""
        first = max(0, self.at - width + 1)
        return first, min(len(self.text), first + width)
