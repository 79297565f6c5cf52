# SPDX-License-Identifier: Apache-2.0
"""Dialogs: a question over the screen, answered with a value; Esc is always the safe answer."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, TypeVar, cast

from rich.segment import Segment
from rich.style import Style
from textual import on
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.events import Key
from textual.screen import ModalScreen
from textual.widget import Widget

from console import theme
from console.glyphs import fit, wrap
from console.keymap import bindings
from console.picture import Picture
from console.widgets.buttons import Buttons
from console.widgets.field import TextField
from console.widgets.lines import Lines
from console.widgets.row_list import RowList

if TYPE_CHECKING:
    from console.app import ConsoleApp

WIDTH = 64
"""Cells inside the frame; leaves a margin on 80 columns."""

_Answer = TypeVar("_Answer")


class Dialog(ModalScreen[_Answer | None], Generic[_Answer], inherit_bindings=False):
    """A framed question; the screen below stays visible."""

    BINDINGS = bindings("back", "help", "repaint")
    ABOUT = "Arrows and Tab move, Enter chooses, Esc leaves everything as it is."

    def __init__(self, title: str, words: Sequence[str], *, alarm: bool = False) -> None:
        super().__init__()
        self._title = title
        self._words = tuple(words)
        self._alarm = alarm

    @property
    def console_app(self) -> ConsoleApp:
        """The app."""
        return cast("ConsoleApp", self.app)

    def compose(self) -> ComposeResult:
        with Vertical(id="box", classes="alarm" if self._alarm else ""):
            style = theme.ALARM if self._alarm else theme.TITLE
            yield Lines([(Segment(fit(f" {self._title}", WIDTH), style),)], classes="line")
            yield Lines(id="words")
            yield from self.compose_body()

    def compose_body(self) -> Iterable[Widget]:
        """What the person answers with."""
        return ()

    def on_mount(self) -> None:
        self.speak(self._words)
        self.begin()

    def begin(self) -> None:
        """The widgets are there: give one the focus."""

    def speak(self, words: Sequence[str], style: Style = theme.PLAIN) -> None:
        """Say this above the answers."""
        if not self.is_attached or not self.query("#words"):
            return  # a picture may come before the dialog has been laid out
        lines = [line for text in words for line in wrap(text, WIDTH - 2)]
        self.query_one("#words", Lines).show(
            [[], *([Segment(f" {line}", style)] for line in lines), []]
        )

    def show(self, picture: Picture) -> None:
        """Dialogs about live figures draw them anew."""

    def action_back(self) -> None:
        self.dismiss(None)

    def action_help(self) -> None:
        self.console_app.action_help()

    def action_repaint(self) -> None:
        self.console_app.action_repaint()


class Ask(Dialog[str]):
    """Buttons; the answer is the pressed one's, None after Esc."""

    def __init__(
        self,
        title: str,
        words: Sequence[str],
        *,
        options: Sequence[tuple[str, str]],
        default: str,
        alarm: bool = False,
    ) -> None:
        super().__init__(title, words, alarm=alarm)
        self._options = options
        self._default = default

    def compose_body(self) -> Iterable[Widget]:
        yield Buttons(self._options, default=self._default)

    def begin(self) -> None:
        self.set_focus(self.query_one(Buttons))

    @on(Buttons.Pressed)
    def _answered(self, message: Buttons.Pressed) -> None:
        self.dismiss(message.answer)


class TypeToConfirm(Dialog[bool]):
    """For what cannot be taken back lightly: the person types a word to go on."""

    def __init__(self, title: str, words: Sequence[str], *, word: str) -> None:
        super().__init__(title, [*words, "", f"Type {word} to go on, Esc to leave it."], alarm=True)
        self._word = word

    def compose_body(self) -> Iterable[Widget]:
        yield TextField("Name", name="word", label_width=6)

    def begin(self) -> None:
        self.set_focus(self.query_one(TextField))

    @on(TextField.Submitted)
    def _typed(self, message: TextField.Submitted) -> None:
        if message.field.value.strip() == self._word:
            self.dismiss(result=True)
        else:
            message.field.refuse([f"This is not {self._word}; nothing was done."])


@dataclass(frozen=True)
class Choice:
    """One line of a `Pick`."""

    id: str
    key: str
    """The letter that picks it at once."""
    words: str
    missing: str = ""
    """Why it cannot be picked now; empty: it can."""


class Pick(Dialog[str]):
    """A short menu; the answer is the picked line's id, None after Esc.

    The cursor begins on the line of the id `default`, on the first one without.
    """

    def __init__(
        self,
        title: str,
        choices: Sequence[Choice],
        words: Sequence[str] = (),
        *,
        default: str = "",
    ) -> None:
        super().__init__(title, words)
        self._choices = tuple(choices)
        ids = [choice.id for choice in self._choices]
        self._begin_at = ids.index(default) if default else 0

    def compose_body(self) -> Iterable[Widget]:
        choices = RowList[Choice](_paint_choice, key=lambda choice: choice.id, id="choices")
        choices.styles.height = len(self._choices)
        yield choices

    def begin(self) -> None:
        choices = self.query_one("#choices", RowList)
        choices.show(self._choices)
        choices.move_to(self._begin_at, tell=False)
        self.set_focus(choices)

    def on_key(self, event: Key) -> None:
        for choice in self._choices:
            if event.character == choice.key:
                event.stop()
                event.prevent_default()
                self._pick(choice)
                return

    @on(RowList.Chosen)
    def _chosen(self, message: RowList.Chosen) -> None:
        self._pick(self._choices[message.index])

    def _pick(self, choice: Choice) -> None:
        if choice.missing:
            self.speak([choice.missing], theme.WARNING)
        else:
            self.dismiss(choice.id)


def _paint_choice(choice: Choice, width: int, chosen: bool) -> list[Segment]:
    style = theme.CURSOR if chosen else theme.FAINT if choice.missing else theme.PLAIN
    key = theme.CURSOR if chosen else theme.HEADING
    return [Segment(f" {choice.key} ", key), Segment(fit(f" {choice.words}", width - 3), style)]
