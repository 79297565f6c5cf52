# SPDX-License-Identifier: Apache-2.0
"""System Overview: every virtual service and real server, live; the console's home."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from rich.segment import Segment
from rich.style import Style
from textual import on
from textual.widget import Widget

from console import rows, theme, wording
from console.glyphs import wrap
from console.keymap import MOVES, bindings
from console.picture import Picture
from console.rows import Draft, Row, View
from console.screens.frame import Frame
from console.widgets import bars, service_table
from console.widgets.filter_line import FilterLine
from console.widgets.lines import Lines
from console.widgets.row_list import RowList
from services.api import NodeStatus, Status
from services.model import ServerState

VERBS = (
    *("new", "edit", "delete", "halt", "drain", "online", "mark", "fold", "unfold"),
    *("filter", "sort", "sort_reverse", "logs", "refresh", "pause", "slower", "faster"),
)

ALARM_LINES = 3
"""What there is no room for stands in the main menu's About."""

NO_SERVICE = " No virtual service to show: n makes one."
NO_MATCH = " Nothing has these words: Esc takes the filter away."


class Overview(Frame):
    """Services, servers, figures; what its keys start stands in `console.verbs`."""

    CRUMBS = "System Overview"
    ABOUT = (
        "Every virtual service (VIP) with its real servers (RIP). UP: all well. WARN: a server "
        "failed, others answer. DOWN: all failed. HALT, DRAIN, OFF: taken offline on purpose; a "
        "draining server shows the connections that remain. A + before a row is new in the "
        "pending changes, ~ changed, - deleted, * marked."
    )
    FOOTER = ("help", "menu", "new", "halt", "drain", "online", "filter", "review")
    KEYS = (*MOVES, "open", *VERBS)
    BINDINGS = bindings(*VERBS, "back")
    LIVE = True

    def __init__(self) -> None:
        super().__init__()
        self._pointed: rows.RowKey | None = None

    def compose_body(self) -> Iterable[Widget]:
        yield Lines(id="gauges", classes="line")
        yield Lines(id="alarms")
        yield Lines(id="heading", classes="line")
        yield RowList[Row](
            self._paint,
            key=lambda row: row.key,
            id="rows",
        )
        yield FilterLine()
        yield Lines(id="totals", classes="line")

    def begin(self) -> None:
        super().begin()
        self.set_focus(self.table)

    def resumed(self) -> None:
        # after a log-out the filter is gone
        self.query_one(FilterLine).set_text(self.view.words)
        super().resumed()

    @property
    def table(self) -> RowList[Row]:
        """The rows."""
        return self.query_one("#rows", RowList)

    @property
    def view(self) -> View:
        """How the person likes it; the app keeps it while they are elsewhere."""
        return self.console_app.view

    def see(self, view: View) -> None:
        """Show it that way from now on."""
        self.console_app.view = view
        self._show_rows()

    def point_at(self, key: rows.RowKey) -> None:
        """Put the cursor on that row, now or when it comes."""
        self._pointed = key
        self._point()
        self._show_notice()

    def _point(self) -> None:
        keys = [row.key for row in self.table.rows]
        if self._pointed in keys:
            self.table.move_to(keys.index(self._pointed), tell=False)
            self._pointed = None

    def show_body(self, picture: Picture) -> None:
        if picture.status is None:
            return
        self.query_one("#gauges", Lines).show([bars.gauges(picture.status.node, self.cells_wide)])
        self.query_one("#alarms", Lines).show(alarms(picture.status.node, self.cells_wide))
        heading = service_table.heading(self.cells_wide - 1, self.view)
        self.query_one("#heading", Lines).show([heading])
        self._show_rows()
        self.query_one("#totals", Lines).show([self._totals(picture, picture.status)])

    def resting_words(self) -> tuple[str, Style]:
        row = self.table.current
        if self.picture.status is None or row is None:
            return ("", theme.PLAIN)
        found = row.server or row.service
        reason = found.reason or wording.health_words(found)
        return (f"{row.label}: {reason}", theme.FAINT)

    def _totals(self, picture: Picture, status: Status) -> list[Segment]:
        left = f" {wording.totals(status)}"
        if marked := len(self._marked()):
            left += f" | {marked} marked"
        pace = "paused" if picture.paused else f"refresh {picture.refresh_s:g}s"
        right = f"{pace}  {wording.clock(status.at)} "
        room = max(1, self.cells_wide - len(left) - len(right))
        return [Segment(left + " " * room + right, theme.FAINT)]

    def _show_rows(self) -> None:
        if self.picture.status is None:
            return
        found = rows.rows_of(self.picture.status.services, self.view, self.picture.drafted)
        filtered = self.view.words.strip() and self.picture.status.services
        self.table.explain(Segment(NO_MATCH if filtered else NO_SERVICE, theme.PLAIN))
        self.table.show(found)
        self._point()
        self._show_notice()

    def _paint(self, row: Row, width: int, chosen: bool) -> list[Segment]:
        return service_table.paint(row, width, chosen=chosen, marked=row.key in self.view.marked)

    # -- looking ------------------------------------------------------------------------------

    @on(RowList.Moved)
    def _moved(self) -> None:
        self.hush()

    def action_mark(self) -> None:
        if (row := self.table.current) is not None:
            self.see(self.view.toggle(row.key))
            self.table.action_down()
            self.show(self.picture)

    def action_fold(self) -> None:
        if (row := self.table.current) is not None:
            self.see(self.view.fold(row.service.id))
            self.point_at((row.service.id, 0))

    def action_unfold(self) -> None:
        if (row := self.table.current) is not None:
            self.see(self.view.unfold(row.service.id))

    def action_sort(self) -> None:
        self.see(self.view.sorted_next())
        self.show(self.picture)
        self.say(f"Sorted by {self.view.order.value}.")

    def action_sort_reverse(self) -> None:
        self.see(replace(self.view, reverse=not self.view.reverse))
        self.show(self.picture)
        self.say("Sorted the other way round." if self.view.reverse else "Sorted as before.")

    def action_filter(self) -> None:
        self.query_one(FilterLine).ask()

    @on(FilterLine.Changed)
    def _filtered(self) -> None:
        self.see(replace(self.view, words=self.query_one(FilterLine).value))

    @on(FilterLine.Submitted)
    def _typed(self) -> None:
        self.set_focus(self.table)

    def action_back(self) -> None:
        """Nothing is before home: Esc takes the filter and the marks away."""
        self.query_one(FilterLine).put_away()
        self.set_focus(self.table)
        self.see(replace(self.view, words="", marked=frozenset()))
        self.show(self.picture)

    def action_refresh(self) -> None:
        self.console_app.watching.now()

    def action_pause(self) -> None:
        self.console_app.watching.pause()

    def action_slower(self) -> None:
        self.console_app.watching.turn(1)

    def action_faster(self) -> None:
        self.console_app.watching.turn(-1)

    # -- doing --------------------------------------------------------------------------------

    def chosen_rows(self) -> list[Row]:
        """The marked rows, or the one under the cursor; what is only drafted is not among them."""
        current = [self.table.current] if self.table.current else []
        return [row for row in self._marked() or current if row.draft is not Draft.NEW]

    def _marked(self) -> list[Row]:
        status = self.picture.status
        return rows.marked_rows(status.services, self.view, self.picture.drafted) if status else []

    @on(RowList.Chosen)
    def _open(self, message: RowList.Chosen) -> None:
        from console import verbs

        verbs.open_actions(self, self.table.rows[message.index])

    def action_new(self) -> None:
        from console import verbs

        verbs.new(self)

    def action_edit(self) -> None:
        from console import verbs

        if (row := self.table.current) is not None:
            verbs.edit(self, row)

    def action_delete(self) -> None:
        from console import verbs

        if (row := self.table.current) is not None:
            verbs.delete(self, row)

    def action_halt(self) -> None:
        self._switch(ServerState.HALT)

    def action_drain(self) -> None:
        self._switch(ServerState.DRAIN)

    def action_online(self) -> None:
        self._switch(ServerState.ONLINE)

    def _switch(self, state: ServerState) -> None:
        from console import verbs

        verbs.switch(self, self.chosen_rows(), state)

    def action_logs(self) -> None:
        from console.screens.journal import JournalScreen

        if (row := self.table.current) is not None:
            self.app.push_screen(JournalScreen(row.label))


def alarms(node: NodeStatus, width: int) -> list[list[Segment]]:
    """What the administrator must know of the unit itself; no line if there is nothing."""
    told = [line for text in node.notices for line in wrap(f"! {text}", max(20, width - 2))]
    return [[Segment(f" {line}", theme.WARNING)] for line in told[:ALARM_LINES]]
