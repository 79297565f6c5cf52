# SPDX-License-Identifier: Apache-2.0
"""1:1 NAT: single servers reached under outside addresses, as they run and as they will."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from rich.segment import Segment
from textual import on
from textual.widget import Widget

from console import fields, objects, theme
from console.glyphs import fit
from console.keymap import MOVES, bindings
from console.rows import Draft
from console.screens.dialog import Ask
from console.screens.frame import Frame
from console.screens.nat_form import NatForm
from console.widgets.lines import Lines
from console.widgets.row_list import RowList
from services.api import DraftView, Edit
from services.model import Document, NatEntry


class NatRow(NamedTuple):
    """An entry, and what is pending for it."""

    entry: NatEntry
    draft: Draft


class NatScreen(Frame):
    """A row per entry."""

    CRUMBS = "Cluster Configuration > 1:1 NAT"
    ABOUT = (
        "Access to services of a real server that are not balanced, e.g. its mail or remote "
        "desktop: each entry's outside address leads to one server, whose own connections come "
        "from that address. The server's default gateway must be this appliance."
    )
    FOOTER = ("help", "menu", "new", "edit", "delete", "review", "back")
    KEYS = ("new", "edit", "delete", "refresh", *MOVES, "back")
    BINDINGS = bindings("back", "new", "edit", "delete", "refresh")

    def compose_body(self) -> Iterable[Widget]:
        heading = f"   {'Entry':<16} {'Outside address':<20} {'Real server':<20} Lets in"
        yield Lines([(Segment(heading, theme.HEADING),)], classes="line")
        yield RowList[NatRow](
            _paint,
            key=lambda row: row.entry.id,
            id="entries",
            empty=[Segment(" No server has an outside address of its own. n gives one.")],
        )

    def begin(self) -> None:
        super().begin()
        self.set_focus(self.entries)
        self.action_refresh()

    def resumed(self) -> None:
        super().resumed()
        self.action_refresh()

    @property
    def entries(self) -> RowList[NatRow]:
        """The entries."""
        return self.query_one("#entries", RowList)

    def action_refresh(self) -> None:
        self.read(self._fetch, "reading the 1:1 NAT entries")

    def action_new(self) -> None:
        NatForm.open_new(self.console_app)

    def action_edit(self) -> None:
        row = self.entries.current
        if row is not None and row.draft is Draft.DELETED:
            self.say(f"{row.entry.label} is to be deleted; x takes that back.", theme.WARNING)
        elif row is not None:
            NatForm.open(self.console_app, row.entry.id)

    def action_delete(self) -> None:
        row = self.entries.current
        if row is not None and self.console_app.may():
            self.once(lambda: self._delete(row), "deleting")

    @on(RowList.Chosen)
    def _chosen(self) -> None:
        self.action_edit()

    async def _fetch(self) -> None:
        appliance = self.console_app.appliance
        draft = await appliance.draft()
        running = (await appliance.document()).document
        self.entries.show(rows(running, draft))

    async def _delete(self, row: NatRow) -> None:
        appliance, entry = self.console_app.appliance, row.entry
        key = objects.nat_key(entry.id)
        if row.draft is Draft.NONE:
            answer = await self.app.push_screen_wait(
                Ask(
                    "Delete",
                    [
                        (
                            f"Delete {entry.label}, so that {entry.address} no longer leads to "
                            f"{entry.server}?"
                        ),
                        "",
                        "Nothing happens before you apply the pending changes (F7).",
                    ],
                    options=[("yes", "Yes, delete"), ("no", "No")],
                    default="no",
                    alarm=True,
                )
            )
            if answer != "yes":
                return
            edit = Edit(key=key.text, before=objects.bare(entry), after=None, label=entry.label)
            self.console_app.draft_is(await appliance.edit(edit))
            self.console_app.say(
                f"{entry.label} will be deleted with the pending changes (F7).", bad=False
            )
        else:
            self.console_app.draft_is(await appliance.drop_edit(key.text))
            self.console_app.say(f"The change of {entry.label} was taken back.", bad=False)
        self.action_refresh()


def rows(running: Document, draft: DraftView) -> list[NatRow]:
    """The entries as they will be, and those that will be gone."""
    after = draft.document or objects.with_edits(running, draft.edits)
    before = {entry.id: entry for entry in running.cluster.nat}
    kept = {entry.id for entry in after.cluster.nat}
    found = [NatRow(entry, _pending(entry, before.get(entry.id))) for entry in after.cluster.nat]
    return [*found, *(NatRow(e, Draft.DELETED) for e in before.values() if e.id not in kept)]


def _pending(entry: NatEntry, before: NatEntry | None) -> Draft:
    if before is None:
        return Draft.NEW
    return Draft.NONE if entry == before else Draft.EDITED


def _paint(row: NatRow, width: int, chosen: bool) -> list[Segment]:
    entry = row.entry
    lets_in = " ".join(filter(None, [fields.words_for(entry.protocol), entry.ports]))
    text = (
        f" {row.draft.value} {fit(entry.label, 16)} {entry.address!s:<20} {entry.server!s:<20} "
        f"{lets_in}"
    )
    faint = row.draft is not Draft.NONE
    style = theme.CURSOR if chosen else theme.FAINT if faint else theme.PLAIN
    return [Segment(fit(text, width), style)]
