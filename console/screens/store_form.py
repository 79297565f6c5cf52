# SPDX-License-Identifier: Apache-2.0
"""Store a secret, typed twice and never shown, or a script, typed or pasted.

The text goes to the agent as soon as it is complete: it belongs to no revision, so nothing of
it waits among the pending changes. Whoever stands at the machine's own screen has a keyboard
and no files, so a script is typed here; a pasted one comes the same way.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from typing import TYPE_CHECKING

from rich.segment import Segment
from textual import on
from textual.containers import Vertical
from textual.widget import Widget

from console import stored, theme
from console.glyphs import wrap
from console.keymap import bindings
from console.screens.frame import Frame
from console.widgets.field import Field, SecretField, TextField
from console.widgets.lines import Lines
from console.widgets.text_box import TextBox
from services.api import LARGEST_STORED, StoredKind
from services.errors import ApplianceError

if TYPE_CHECKING:
    from console.app import ConsoleApp

Stored = Callable[[str], None]
"""Told the name of what was stored."""

_FIELDS = (
    ("text", "Secret", "again", "The two are not the same: type both again."),
    ("shared", "RADIUS secret", "shared_again", "The two are not the same: type both again."),
)
"""What is typed twice: name, title, name of the second, what to say when they differ."""


class StoreForm(Frame):
    """Name and text; `name` given, the text of that one is changed, or replaced if it is secret."""

    FOOTER = ("help", "store", "field_after", "back")
    KEYS = ("store", "line_down", "line_up", "field_after", "field_before", "back")
    BINDINGS = [  # noqa: RUF012 - as Textual declares it
        *bindings("line_down", "line_up", "field_after", "field_before", ahead=True),
        *bindings("store", "back"),
    ]

    def __init__(
        self,
        kind: StoredKind,
        *,
        name: str = "",
        text: str = "",
        known: Collection[str] = (),
        then: Stored | None = None,
    ) -> None:
        """`text`: of the script as it is; `known`: names that are taken."""
        super().__init__()
        self._kind = kind
        self._name = name
        self._text = text
        self._known = known
        self._then = then

    @staticmethod
    def open(
        app: ConsoleApp, kind: StoredKind, *, name: str = "", then: Stored | None = None
    ) -> None:
        """A form for a new one, or for the one of that name."""
        if not app.may():
            return

        async def go() -> None:
            known = {file.name for file in await app.appliance.stored(kind)}
            readable = kind is StoredKind.SCRIPT and name in known
            text = (await app.appliance.script(name)).text if readable else ""
            app.push_screen(StoreForm(kind, name=name, text=text, known=known, then=then))

        app.open(go, "opening the form")

    def crumbs(self) -> str:
        return f"{stored.WHERE} > {self._name or f'New {self._kind.value}'}"

    def about(self) -> list[str]:
        words = (*self._words(), "F9 stores it at once. It is never a part of a revision.")
        return [" ".join(words)]

    def compose_body(self) -> Iterable[Widget]:
        with Vertical(id="fields"):
            if not self._name:
                yield TextField("Name", name="name")
            if self._kind is StoredKind.SECRET:
                for name, title, again, _ in _FIELDS:
                    yield SecretField(title, name=name)
                    yield SecretField("Once more", name=again)
            else:
                yield TextBox("Script", self._text, name="text", limit=LARGEST_STORED)
        yield Lines(id="hints")

    def begin(self) -> None:
        super().begin()
        self.query_one("#hints", Lines).show(
            [
                [Segment(f"  {line}", theme.FAINT)]
                for text in self._words()
                for line in wrap(text, 76)
            ]
        )
        self.set_focus(next(iter(self.query(Field))))

    def unsaved(self) -> bool:
        start = {"text": self._text}
        return any(field.value != start.get(field.name or "", "") for field in self.query(Field))

    def _words(self) -> list[str]:
        if self._kind is StoredKind.SECRET:
            return [
                "A password that checks log in with; it is never shown again.",
                "RADIUS needs a second one, shared with the server; else leave that empty.",
            ]
        return [
            (
                "Begin with a line like #!/bin/sh. It gets VIP, VIP port, RIP and RIP port as "
                "arguments; if it ends with 0 the server is healthy."
            )
        ]

    # -- keys ---------------------------------------------------------------------------------

    def action_line_down(self) -> None:
        if not (isinstance(self.focused, TextBox) and self.focused.step(1)):
            self.focus_next(Field)

    def action_line_up(self) -> None:
        if not (isinstance(self.focused, TextBox) and self.focused.step(-1)):
            self.focus_previous(Field)

    def action_field_after(self) -> None:
        self.focus_next(Field)

    def action_field_before(self) -> None:
        self.focus_previous(Field)

    @on(TextField.Submitted)
    def _entered(self) -> None:
        self.focus_next(Field)

    def action_store(self) -> None:
        if self.console_app.may():
            self.once(self._store, "storing")

    async def _store(self) -> None:
        fields = {field.name or "": field for field in self.query(Field)}
        wrong = self._wrong({name: str(field.value) for name, field in fields.items()})
        for name, field in fields.items():
            field.refuse([wrong[name]] if name in wrong else [])
        if wrong:
            self.set_focus(fields[next(iter(wrong))])
            return
        values = {name: str(field.value) for name, field in fields.items()}
        name = self._name or values["name"].strip()
        text = "\n".join(filter(None, [values["text"], values.get("shared")]))
        try:
            await self.console_app.appliance.store(self._kind, name, text)
        except ApplianceError as error:
            self.say(f"{error} What you typed is still here.", theme.BAD)
            return
        self.console_app.close(self)
        self.console_app.say(f"The {self._kind.value} {name} is stored.", bad=False)
        if self._then is not None:
            self._then(name)

    def _wrong(self, values: dict[str, str]) -> dict[str, str]:
        """A sentence for each field that will not do; whatever else there is, the agent says."""
        found: dict[str, str] = {}
        name = values.get("name", "").strip()
        if not self._name and name in self._known:
            found["name"] = (
                f"There is a {self._kind.value} {name} already. Choose another name, or replace it "
                f"with e in {stored.WHERE}."
            )
        if self._kind is StoredKind.SECRET:
            found |= {
                again: words for first, _, again, words in _FIELDS if values[first] != values[again]
            }
        return found
