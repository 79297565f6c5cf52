# SPDX-License-Identifier: Apache-2.0
"""Revisions: every configuration that ran, to look at and to go back to."""

from __future__ import annotations

from collections.abc import Iterable

from rich.segment import Segment
from textual import on
from textual.widget import Widget

from console import theme
from console.glyphs import fit
from console.keymap import MOVES, bindings
from console.screens.dialog import Ask
from console.screens.document import DocumentScreen
from console.screens.frame import Frame
from console.widgets.lines import Lines
from console.widgets.row_list import RowList
from console.wording import moment
from services.api import ApplyRequest, RevisionInfo


class RevisionsScreen(Frame):
    """A list, newest first; the running one is marked."""

    CRUMBS = "Maintenance > Revisions"
    ABOUT = (
        "Every applied configuration with who, when and why. Enter shows one, b goes back to it."
    )
    FOOTER = ("help", "menu", "open", "roll_back", "back")
    KEYS = (*MOVES, "open", "roll_back", "refresh", "back")
    BINDINGS = bindings("back", "roll_back", "refresh")

    def compose_body(self) -> Iterable[Widget]:
        heading = f" {'Number':>7}  {'When':<19}  {'Who':<10} Why"
        yield Lines([(Segment(heading, theme.HEADING),)], classes="line")
        yield RowList[RevisionInfo](self._paint, key=lambda info: info.number, id="revisions")

    def begin(self) -> None:
        super().begin()
        self.set_focus(self.listed)
        self.action_refresh()

    @property
    def listed(self) -> RowList[RevisionInfo]:
        """The revisions."""
        return self.query_one("#revisions", RowList)

    def action_refresh(self) -> None:
        self.read(self._fetch, "reading the revisions")

    async def _fetch(self) -> None:
        self.listed.show(await self.console_app.appliance.revisions())

    @on(RowList.Chosen)
    def _look(self, message: RowList.Chosen) -> None:
        self.app.push_screen(DocumentScreen(self.listed.rows[message.index].number))

    def action_roll_back(self) -> None:
        info = self.listed.current
        if info is not None and self.console_app.may():
            self.once(lambda: self._roll_back(info), "rolling back")

    async def _roll_back(self, info: RevisionInfo) -> None:
        appliance = self.console_app.appliance
        document = (await appliance.revision(info.number)).document
        plan = await appliance.plan(ApplyRequest(document=document))
        if not plan.changes and not plan.diff:
            self.say(f"Revision {info.number} is what runs already.", theme.GOOD)
            return
        words = [f"{change.what}: {change.effect.value}" for change in plan.changes[:8]]
        if len(plan.changes) > 8:
            words.append(f"and {len(plan.changes) - 8} more")
        answer = await self.app.push_screen_wait(
            Ask(
                f"Go back to revision {info.number}",
                [f"Applied {moment(info.at)} by {info.who}: {info.why or '-'}", "", *words],
                options=[("yes", "Yes, go back"), ("no", "No")],
                default="no",
                alarm=plan.connections > 0,
            )
        )
        if answer != "yes":
            return
        applied = await appliance.rollback(info.number, why=f"back to revision {info.number}")
        self.say(f"Revision {applied.revision} runs: the same as {info.number}.", theme.GOOD)
        self.console_app.watching.now()
        self.listed.show(await appliance.revisions())

    def _paint(self, info: RevisionInfo, width: int, chosen: bool) -> list[Segment]:
        status = self.picture.status
        running = status is not None and status.node.revision == info.number
        text = f" {info.number:>7}{'*' if running else ' '} {moment(info.at)}  {fit(info.who, 10)} "
        style = theme.CURSOR if chosen else theme.GOOD if running else theme.PLAIN
        return [Segment(text + fit(info.why, max(1, width - len(text))), style)]
