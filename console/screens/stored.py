# SPDX-License-Identifier: Apache-2.0
"""Secrets and scripts of health checks: which there are, and who needs them.

What a secret says is shown nowhere; the agent tells its name and nothing else.
"""

from __future__ import annotations

from collections.abc import Iterable

from rich.segment import Segment
from rich.style import Style
from textual import on
from textual.widget import Widget

from console import objects, stored, theme
from console.glyphs import fit
from console.keymap import MOVES, bindings
from console.screens.dialog import Ask, Choice, Pick
from console.screens.frame import Frame
from console.screens.store_form import StoreForm
from console.stored import StoredRow
from console.widgets.lines import Lines
from console.widgets.row_list import RowList
from services.api import StoredKind


class StoredScreen(Frame):
    """A row for each."""

    CRUMBS = stored.WHERE
    ABOUT = (
        "What health checks of layer 4 services need beside the configuration: the passwords they "
        "log in with, and external check scripts. They are stored and deleted at once, with "
        "nothing pending; a check names them in its fields Password and Script. A secret is never "
        "shown again: to change one, store it anew. A script is shown and changed with e."
    )
    FOOTER = ("help", "menu", "new", "edit", "delete", "back")
    KEYS = ("new", "edit", "delete", "refresh", *MOVES, "back")
    BINDINGS = bindings("back", "new", "edit", "delete", "refresh")

    def compose_body(self) -> Iterable[Widget]:
        heading = f" {'Kind':<7} {'Name':<28} {'Bytes':>6}  Needed by the checks of"
        yield Lines([(Segment(heading, theme.HEADING),)], classes="line")
        yield RowList[StoredRow](
            _paint,
            key=lambda row: (row.kind, row.name),
            id="stored",
            empty=[Segment(" Nothing is stored. n stores a secret or a script.")],
        )

    def begin(self) -> None:
        super().begin()
        self.set_focus(self.listed)
        self.action_refresh()

    def resumed(self) -> None:
        super().resumed()
        self.action_refresh()

    @property
    def listed(self) -> RowList[StoredRow]:
        """Those there are."""
        return self.query_one("#stored", RowList)

    def action_refresh(self) -> None:
        self.read(self._fetch, "reading what is stored")

    def action_new(self) -> None:
        if self.console_app.may():
            self.once(self._new, "asking what to store")

    def action_edit(self) -> None:
        row = self.listed.current
        if row is not None and self.console_app.may():
            StoreForm.open(self.console_app, row.kind, name=row.name)

    def action_delete(self) -> None:
        row = self.listed.current
        if row is None or not self.console_app.may():
            return
        if row.file is None:
            self.say(f"The {row.kind.value} {row.name} is not stored; e stores it.", theme.WARNING)
        elif row.users:
            self.say(
                f"The {row.kind.value} {row.name} is needed for the checks of "
                f"{', '.join(row.users)}. Change these first, and apply that.",
                theme.BAD,
            )
        else:
            self.once(lambda: self._delete(row), "deleting")

    def resting_words(self) -> tuple[str, Style]:
        row = self.listed.current if self.is_mounted else None
        if row is None:
            return ("", theme.PLAIN)
        return (f"{row.kind.value} {row.name}: needed by {row.words}", theme.PLAIN)

    @on(RowList.Moved)
    def _moved(self) -> None:
        self.show(self.picture)

    @on(RowList.Chosen)
    def _chosen(self) -> None:
        self.action_edit()

    async def _fetch(self) -> None:
        appliance = self.console_app.appliance
        files = {kind: await appliance.stored(kind) for kind in StoredKind}
        draft = await appliance.draft()
        running = (await appliance.document()).document
        drafted = draft.document or objects.with_edits(running, draft.edits)
        self.listed.show(stored.rows(files, running, drafted))
        self.show(self.picture)

    async def _new(self) -> None:
        picked = await self.app.push_screen_wait(
            Pick(
                "Store",
                [
                    Choice("secret", "s", "Secret: a password that checks log in with"),
                    Choice("script", "c", "Script: a check of your own"),
                ],
            )
        )
        if picked is not None:
            StoreForm.open(self.console_app, StoredKind(picked))

    async def _delete(self, row: StoredRow) -> None:
        soon = (
            f"Pending changes of {', '.join(row.soon)} name it: they could not be applied then."
            if row.soon
            else ""
        )
        answer = await self.app.push_screen_wait(
            Ask(
                "Delete",
                [
                    f"Delete the {row.kind.value} {row.name}?",
                    *filter(None, [soon]),
                    "",
                    "It is gone at once, and no revision brings it back.",
                ],
                options=[("yes", "Yes, delete"), ("no", "No")],
                default="no",
                alarm=True,
            )
        )
        if answer == "yes":
            await self.console_app.appliance.forget(row.kind, row.name)
            self.console_app.say(f"The {row.kind.value} {row.name} is deleted.", bad=False)
            self.action_refresh()


def _paint(row: StoredRow, width: int, chosen: bool) -> list[Segment]:
    size = str(row.file.size) if row.file and row.kind is StoredKind.SCRIPT else ""
    if row.file is None:
        size = "absent"
    text = f" {row.kind.value:<7} {fit(row.name, 28)} {size:>6}  {row.words}"
    style = theme.BAD if row.file is None else theme.PLAIN
    return [Segment(fit(text, width), theme.CURSOR if chosen else style)]
