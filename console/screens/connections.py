# SPDX-License-Identifier: Apache-2.0
"""Current connections of layer 4: who is connected where, and where handshakes pile up.

The agent filters, sorts and counts; a page of the lines is all that comes here, so a million
connections are no more to a console than a hundred.
"""

from __future__ import annotations

from collections.abc import Iterable

from rich.segment import Segment
from rich.style import Style
from textual import on
from textual.widget import Widget

from console import theme
from console.connection_words import asked
from console.glyphs import fit
from console.keymap import MOVES, bindings
from console.screens.dialog import Ask
from console.screens.report import Report
from console.widgets import connection_table as table
from console.widgets.filter_line import FilterLine
from console.widgets.lines import Lines
from console.widgets.row_list import RowList
from console.wording import short
from services.api_reports import (
    DEEPEST,
    Connection,
    ConnectionQuery,
    Connections,
    Order,
    ServerConnections,
)

PAGE = 200

NO_MATCH = " No connection is like this: Esc takes the filter away."
NONE = " No connection of layer 4."
LAYER7 = "Connections of layer 7 are HAProxy's: the Overview counts them."


class ConnectionsScreen(Report):
    """The lines, or their totals by server."""

    CRUMBS = "Reports > Current connections"
    ABOUT = (
        "Connections of layer 4 as the kernel keeps them; seconds are until it forgets one. "
        "Layer 7 connections are HAProxy's, the Overview counts them. SYN_RECV is a handshake "
        "that has not ended: where these pile up at a server, its row is red and the line below "
        "says why. When every server shows it at once, think of a SYN flood. / filters: an "
        "address or network, a state, a part of a label; or client=203.0.113.0/24 vip=192.0.2.10 "
        "service=shop server=web1 state=SYN_RECV. A line without a port is a client that "
        "persistence remembers."
    )
    FOOTER = ("help", "menu", "filter", "sort", "other_view", "next_page", "open", "back")
    KEYS = (
        *(*MOVES, "open", "filter", "sort", "sort_reverse", "other_view", "next_page"),
        *("previous_page", "refresh", "pause", "slower", "faster", "back"),
    )
    BINDINGS = bindings(
        "filter", "sort", "sort_reverse", "other_view", "next_page", "previous_page"
    )

    def __init__(self) -> None:
        super().__init__()
        self._query = ConnectionQuery(limit=PAGE)
        self._found: Connections | None = None
        self._by_server = False
        self._asked = False
        """Whether a person waits for the answer."""

    def compose_body(self) -> Iterable[Widget]:
        yield Lines(id="heading", classes="line")
        yield RowList[Connection](self._paint, key=_key, id="rows")
        yield RowList[ServerConnections](
            self._paint_server,
            key=lambda each: (each.service, each.server, each.rip),
            id="servers",
            empty=[Segment(NONE, theme.PLAIN)],
        )
        yield FilterLine()
        yield Lines(id="totals", classes="line")

    def begin(self) -> None:
        super().begin()
        self._show_found()
        self.set_focus(self.lines)

    @staticmethod
    def _paint(row: Connection, width: int, chosen: bool) -> list[Segment]:
        return table.paint(row, width, chosen=chosen)

    @staticmethod
    def _paint_server(each: ServerConnections, width: int, chosen: bool) -> list[Segment]:
        return table.paint_server(each, width, chosen=chosen)

    @property
    def lines(self) -> RowList[Connection]:
        """The connections of this page."""
        return self.query_one("#rows", RowList)

    @property
    def servers(self) -> RowList[ServerConnections]:
        """The totals."""
        return self.query_one("#servers", RowList)

    async def fetch(self) -> None:
        query = self._query
        found = await self.console_app.appliance.current_connections(query)
        if query is self._query:  # meanwhile the person may have asked for something else
            self._found = found
            if self._asked:
                self.hush()
            self._asked = False
            self._show_found()

    def _ask(self, **fields: object) -> None:
        """Ask for something else, from its beginning unless `offset` is given."""
        self._query = self._query.model_copy(update={"offset": 0, **fields})
        self._asked = True
        self.say("Reading ...")
        self.read_now()

    def _show_found(self) -> None:
        found = self._found
        self.lines.set_class(self._by_server, "hidden")
        self.servers.set_class(not self._by_server, "hidden")
        heading = table.server_heading() if self._by_server else table.heading(self.cells_wide - 1)
        self.query_one("#heading", Lines).show([heading])
        if found is None:
            return
        self.lines.explain(Segment(NO_MATCH if found.read else NONE, theme.PLAIN))
        self.lines.show(found.rows)
        self.servers.show(found.servers)
        self.query_one("#totals", Lines).show([self._totals(found)])
        self._show_notice()

    def _totals(self, found: Connections) -> list[Segment]:
        begin = self._query.offset
        shown = f"{begin + 1}-{begin + len(found.rows)} of " if found.rows else ""
        of = f"{short(found.matching)}, {short(found.read)}{'' if found.whole else '+'} read"
        text = f" {shown}{of}, by {self._query.order.value}:"
        states = "  ".join(f"{each.state} {short(each.connections)}" for each in found.states)
        return [Segment(fit(f"{text} {states}", self.cells_wide), theme.FAINT)]

    def resting_words(self) -> tuple[str, Style]:
        found = self._found
        if found is None:
            return ("Reading ...", theme.PLAIN)
        chosen = self._server_of_cursor(found)
        for server in (chosen, *found.servers):
            if server is not None and server.trouble:
                return (_suspicion(server), theme.WARNING)
        if found.notes:
            return (found.notes[0], theme.WARNING)
        return (LAYER7, theme.FAINT)

    def _server_of_cursor(self, found: Connections) -> ServerConnections | None:
        if self._by_server:
            return self.servers.current
        row = self.lines.current
        if row is None or not row.suspect:
            return None
        return _server_of(found, row)

    # -- asking for something else ------------------------------------------------------------

    def action_sort(self) -> None:
        orders = list(Order)
        following = orders[(orders.index(self._query.order) + 1) % len(orders)]
        self._ask(order=following, reverse=False)

    def action_sort_reverse(self) -> None:
        self._ask(reverse=not self._query.reverse)

    def action_next_page(self) -> None:
        offset = self._query.offset + PAGE
        if self._found is None or offset >= self._found.matching:
            self.say("These are the last ones.")
        elif offset + PAGE > DEEPEST:
            self.say(f"No more than {DEEPEST} can be paged through: filter, or sort.")
        else:
            self._ask(offset=offset)
            self.lines.move_to(0)

    def action_previous_page(self) -> None:
        if self._query.offset:
            self._ask(offset=max(0, self._query.offset - PAGE))
        else:
            self.say("These are the first ones.")

    def action_other_view(self) -> None:
        self._by_server = not self._by_server
        self._show_found()
        self.set_focus(self.servers if self._by_server else self.lines)

    def action_filter(self) -> None:
        self.query_one(FilterLine).ask()

    def action_back(self) -> None:
        if not self.query_one(FilterLine).put_away():
            super().action_back()
            return
        self._filter("")

    @on(FilterLine.Submitted)
    def _typed(self) -> None:
        self._filter(self.query_one(FilterLine).value)

    def _filter(self, text: str) -> None:
        self.set_focus(self.servers if self._by_server else self.lines)
        self._ask(**asked(text))

    @on(RowList.Moved)
    def _moved(self) -> None:
        self.hush()

    @on(RowList.Chosen)
    async def _open(self, message: RowList.Chosen) -> None:
        found = self._found
        if found is None:
            return
        if self._by_server:
            server = self.servers.rows[message.index]
            self._filter_server(server)
            return
        row = self.lines.rows[message.index]
        suspect = _server_of(found, row) if row.suspect else None
        words = [
            f"Client   {row.client}",
            f"VIP      {row.vip} ({row.protocol})  {row.service or 'of no service that runs now'}",
            f"RIP      {row.rip}  {row.server or 'none of its servers'}",
            f"State    {row.state}, forgotten in {row.expires_s} s",
            *(["", _accusation(suspect)] if suspect is not None else []),
        ]
        self.app.push_screen(Ask("Connection", words, options=[("ok", "Close")], default="ok"))

    def _filter_server(self, server: ServerConnections) -> None:
        """Show one server's connections."""
        self._by_server = False
        field = self.query_one(FilterLine)
        name = server.server or server.rip
        text = f"service={server.service} server={name}" if server.service else f"server={name}"
        field.set_text(text)
        field.remove_class("hidden")
        self._filter(text)
        self._show_found()


def _key(row: Connection) -> tuple[str, ...]:
    return (row.protocol, row.client, row.vip, row.rip)


def _server_of(found: Connections, row: Connection) -> ServerConnections | None:
    return next(
        (
            each
            for each in found.servers
            if (each.service, each.server) == (row.service, row.server) and each.trouble
        ),
        None,
    )


def _suspicion(server: ServerConnections) -> str:
    name = server.server or server.rip
    return (
        f"{server.service}/{name}: {short(server.waiting)} in SYN_RECV: {server.suspicion}? "
        "Enter on a red line says more."
    )


def _accusation(server: ServerConnections) -> str:
    name = server.server or server.rip
    return f"{server.service}/{name}: {server.waiting} wait in SYN_RECV. {server.trouble}"
