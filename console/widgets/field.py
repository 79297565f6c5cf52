# SPDX-License-Identifier: Apache-2.0
"""A field of a form: name, value, hint and, when it was refused, the sentence why.

One widget draws all of it, because a form of thirty fields made of four widgets each would
take longer to open than a person waits for.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Generic, Protocol, Self, TypeVar

from rich.segment import Segment
from rich.style import Style
from textual.events import Key, Paste
from textual.geometry import Size
from textual.message import Message
from textual.strip import Strip
from textual.widget import Widget

from console import theme
from console.glyphs import cells, fit, wrap
from console.line_edit import LineEdit

LABEL_WIDTH = 22
HINT_FROM = 76
"""Narrower fields have no room for a hint."""


class Field(Widget, can_focus=True):
    """Base of all fields; `name` tells a form's fields apart."""

    @dataclass
    class Changed(Message):
        """The person changed the value."""

        field: Field

    def __init__(
        self, title: str, *, name: str, hint: str = "", label_width: int = LABEL_WIDTH
    ) -> None:
        super().__init__(name=name)
        self.title = title
        self._hint = hint
        self._label_width = label_width
        self._errors: tuple[str, ...] = ()

    @property
    def value(self) -> str | bool:
        """What stands in it."""
        raise TypeError(f"{type(self).__name__} has no value")

    @property
    def errors(self) -> tuple[str, ...]:
        """Why the value was refused, one sentence each."""
        return self._errors

    def refuse(self, sentences: Sequence[str]) -> None:
        """Show why the value was refused; none takes the red away."""
        if tuple(sentences) != self._errors:
            self._errors = tuple(sentences)
            self.refresh(layout=True)

    def body(self, width: int) -> list[Segment]:
        """The value as segments, at most `width` cells."""
        return [Segment(" " * width, theme.PLAIN)]

    def changed(self) -> None:
        """Draw the new value and tell the form."""
        self.refresh()
        self.post_message(self.Changed(self))

    def get_content_height(self, container: Size, viewport: Size, width: int) -> int:
        return 1 + len(self._error_lines(width))

    def render_line(self, y: int) -> Strip:
        width = self.size.width
        if y == 0:
            return Strip(self._first_line(width)).adjust_cell_length(width, theme.PLAIN)
        lines = self._error_lines(width)
        text = lines[y - 1] if y <= len(lines) else ""
        return Strip([Segment(fit(text, width), theme.BAD)])

    def _first_line(self, width: int) -> list[Segment]:
        name = theme.BAD if self._errors else theme.STRONG if self.has_focus else theme.PLAIN
        sign = "!" if self._errors else ">" if self.has_focus else " "
        room = max(4, width - self._label_width - 3)
        hint = self._hint if width >= HINT_FROM else ""
        pieces = [
            Segment(f"{sign} {fit(self.title, self._label_width)} ", name),
            *self.body(self._body_width(room)),
        ]
        used = sum(len(piece.text) for piece in pieces)
        if hint and width - used > 4:
            pieces.append(Segment(" " + fit(hint, width - used - 1), theme.FAINT))
        return pieces

    def _body_width(self, room: int) -> int:
        """How much of the room beside its name the value takes."""
        return room

    def _error_lines(self, width: int) -> list[str]:
        indent = " " * (self._label_width + 3)
        room = max(20, width - len(indent) - 1)
        return [indent + line for text in self._errors for line in wrap(text, room)]


class Edit(Protocol):
    """A text being edited, as a value: every key gives a new one."""

    @property
    def text(self) -> str: ...
    def insert(self, more: str) -> Self: ...
    def move(self, steps: int) -> Self: ...
    def home(self) -> Self: ...
    def end(self) -> Self: ...
    def backspace(self) -> Self: ...
    def delete(self) -> Self: ...
    def delete_word(self) -> Self: ...
    def clear(self) -> Self: ...
    def clear_after(self) -> Self: ...


_Edit = TypeVar("_Edit", bound=Edit)


class EditField(Field, Generic[_Edit]):
    """Base of the fields that are typed in; they differ in what Enter does and in how much fits."""

    def __init__(
        self,
        title: str,
        edit: _Edit,
        *,
        name: str,
        hint: str = "",
        label_width: int = LABEL_WIDTH,
    ) -> None:
        super().__init__(title, name=name, hint=hint, label_width=label_width)
        self._edit = edit

    @property
    def value(self) -> str:
        return self._edit.text

    def entered(self) -> None:
        """Enter was pressed."""

    def pasted(self, text: str) -> None:
        """This was pasted."""
        self.insert(text)

    def too_long(self, text: str) -> str:
        """How it is refused when it is more than the field takes, else nothing."""
        return ""

    def insert(self, more: str) -> None:
        """Put it at the cursor, whole or not at all: half of it would be another value."""
        edit = self._edit.insert(more)
        if why := self.too_long(edit.text):
            self.refuse([f"{why}, so nothing was put in here."])
        else:
            self.become(edit)

    def become(self, edit: _Edit) -> None:
        """Show it as it is now; the form is told if the text is another."""
        before, self._edit = self._edit, edit
        if edit.text != before.text:
            self.changed()
        elif edit != before:
            self.refresh()

    def after(self, key: str) -> _Edit | None:
        """What a key makes of it; None: it is no key of a field."""
        edit = self._edit
        match key:
            case "left":
                return edit.move(-1)
            case "right":
                return edit.move(1)
            case "home" | "ctrl+a":
                return edit.home()
            case "end" | "ctrl+e":
                return edit.end()
            case "backspace" | "ctrl+h":
                return edit.backspace()
            case "delete":
                return edit.delete()
            case "ctrl+u":
                return edit.clear()
            case "ctrl+k":
                return edit.clear_after()
            case "ctrl+w":
                return edit.delete_word()
        return None

    def check_consume_key(self, key: str, character: str | None) -> bool:
        return character is not None and character.isprintable()

    def on_key(self, event: Key) -> None:
        if event.key == "enter":
            self.entered()
        elif (edit := self.after(event.key)) is not None:
            self.become(edit)
        elif event.character and event.is_printable:
            self.insert(event.character)
        else:
            return
        event.stop()
        event.prevent_default()

    def on_paste(self, event: Paste) -> None:
        event.stop()
        self.pasted(event.text)


class TextField(EditField[LineEdit]):
    """A line of text."""

    LIMIT: ClassVar[int] = 2000
    """Longer than anything a field of the model takes: 16 IPv6 addresses are 640 signs."""

    def __init__(
        self,
        title: str,
        value: str = "",
        *,
        name: str,
        hint: str = "",
        label_width: int = LABEL_WIDTH,
    ) -> None:
        super().__init__(title, LineEdit.of(value), name=name, hint=hint, label_width=label_width)

    @dataclass
    class Submitted(Message):
        """Enter was pressed in it."""

        field: TextField

    def set_text(self, text: str) -> None:
        """Put this text there, as if it had been typed."""
        self.become(LineEdit.of(text))

    def entered(self) -> None:
        self.post_message(self.Submitted(self))

    def pasted(self, text: str) -> None:
        # a column of addresses is a list of them; elsewhere the comma is refused and seen
        first, *rest = text.splitlines() or [""]
        self.insert(",".join(filter(None, map(str.strip, (first, *rest)))) if rest else first)

    def too_long(self, text: str) -> str:
        return f"This is longer than {self.LIMIT:,} signs" if len(text) > self.LIMIT else ""

    def _body_width(self, room: int) -> int:
        return room if room < HINT_FROM - LABEL_WIDTH - 3 else max(34, room * 2 // 3)

    def drawn(self, text: str) -> str:
        """The text as it is shown, sign for sign."""
        return cells(text)

    def body(self, width: int) -> list[Segment]:
        if not self.has_focus:
            text = fit(self.drawn(self._edit.text), width)
            return [Segment(text, theme.FIELD_BAD if self.errors else theme.FIELD)]
        first, last = self._edit.window(width)
        text = self.drawn(self._edit.text[first:last]).ljust(width)
        at = self._edit.at - first
        pieces = (
            Segment(text[:at], theme.FIELD_FOCUS),
            Segment(text[at], theme.FIELD_CURSOR),
            Segment(text[at + 1 :], theme.FIELD_FOCUS),
        )
        return [piece for piece in pieces if piece.text]


class SecretField(TextField):
    """A line of text that nobody reads over a shoulder: dots, as many as it has signs."""

    def drawn(self, text: str) -> str:
        return "•" * len(text)

    def pasted(self, text: str) -> None:
        first, *rest = text.rstrip("\r\n").splitlines() or [""]
        if rest:
            self.refuse(["These are several lines; a secret has one, so nothing was put in here."])
        else:
            self.insert(first)


class ToggleField(Field):
    """`[x]` or `[ ]`."""

    def __init__(self, title: str, value: bool, *, name: str, hint: str = "") -> None:
        super().__init__(title, name=name, hint=hint)
        self._on = value

    @property
    def value(self) -> bool:
        return self._on

    def body(self, width: int) -> list[Segment]:
        style = theme.FIELD_FOCUS if self.has_focus else theme.FIELD
        words = "yes" if self._on else "no"
        return [
            Segment("[x]" if self._on else "[ ]", style),
            Segment(f" {words}".ljust(max(0, width - 3)), theme.PLAIN),
        ]

    def on_key(self, event: Key) -> None:
        if event.key in ("space", "enter"):
            event.stop()
            event.prevent_default()
            self._on = not self._on
            self.changed()


class ChoiceField(Field):
    """One of several: all side by side where they fit, else one with marks to turn it."""

    def __init__(
        self,
        title: str,
        value: str,
        *,
        options: Sequence[tuple[str, str]],
        name: str,
        hint: str = "",
    ) -> None:
        """`options` are pairs of value and words."""
        super().__init__(title, name=name, hint=hint)
        self._options = tuple(options)
        self._index = self._place_of(value)

    def offer(self, options: Sequence[tuple[str, str]], value: str) -> None:
        """Offer these from now on, with `value` chosen."""
        self._options = tuple(options)
        self._index = self._place_of(value)
        self.changed()

    def _place_of(self, value: str) -> int:
        values = [option for option, _ in self._options]
        return values.index(value) if value in values else 0

    @property
    def value(self) -> str:
        return self._options[self._index][0]

    def body(self, width: int) -> list[Segment]:
        marks = [
            (f"({'*' if index == self._index else ' '}) {words}", index == self._index)
            for index, (_, words) in enumerate(self._options)
        ]
        if sum(len(text) + 2 for text, _ in marks) <= width:
            pieces = [Segment(text + "  ", self._style(on=on)) for text, on in marks]
            used = sum(len(piece.text) for piece in pieces)
            return [*pieces, Segment(" " * (width - used), theme.PLAIN)] if width > used else pieces
        words = self._options[self._index][1]
        count = f" {self._index + 1}/{len(self._options)}"
        return [
            Segment("< " + fit(words, max(1, width - 4 - len(count))) + " >", self._style(on=True)),
            Segment(count, theme.FAINT),
        ]

    def on_key(self, event: Key) -> None:
        step = {"left": -1, "right": 1, "space": 1, "enter": 1}.get(event.key)
        if step is not None:
            event.stop()
            event.prevent_default()
            self._index = (self._index + step) % len(self._options)
            self.changed()

    def _style(self, *, on: bool) -> Style:
        if self.has_focus:
            return theme.FIELD_FOCUS if on else theme.PLAIN
        return theme.STRONG if on else theme.FAINT
