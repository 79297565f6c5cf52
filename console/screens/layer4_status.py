# SPDX-License-Identifier: Apache-2.0
"""Layer 4 Status: what the kernel counts of every virtual service and real server."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import NamedTuple

from rich.segment import Segment
from textual.widget import Widget

from console import theme
from console.glyphs import fit
from console.keymap import MOVES, bindings
from console.picture import Picture
from console.screens.report import Report
from console.widgets.lines import Lines
from console.widgets.row_list import RowList
from console.wording import place, rate, short
from services.api_reports import Flow, Layer4Server, Layer4Service

COLUMN = 6
_Column = tuple[str, Callable[[Flow], str]]

LIVE_COLUMNS: tuple[_Column, ...] = (
    ("Act", lambda flow: short(flow.active)),
    ("Inact", lambda flow: short(flow.inactive)),
)
TOTALS: tuple[_Column, ...] = (
    ("Conns", lambda flow: short(flow.connections)),
    ("PktIn", lambda flow: short(flow.packets_in)),
    ("PkOut", lambda flow: short(flow.packets_out)),
    ("BytIn", lambda flow: rate(flow.bytes_in)),
    ("ByOut", lambda flow: rate(flow.bytes_out)),
)
RATES: tuple[_Column, ...] = (
    ("Con/s", lambda flow: short(flow.connections_per_s)),
    ("PkI/s", lambda flow: short(flow.packets_in_per_s)),
    ("PkO/s", lambda flow: short(flow.packets_out_per_s)),
    ("ByI/s", lambda flow: rate(flow.bytes_in_per_s)),
    ("ByO/s", lambda flow: rate(flow.bytes_out_per_s)),
)
BOTH = 80 + COLUMN * len(RATES)
"""Cells from which totals and rates stand side by side."""


class _Row(NamedTuple):
    service: Layer4Service
    server: Layer4Server | None
    last: bool = False


class Layer4StatusScreen(Report):
    """A row for each VIP, with its RIPs below it."""

    CRUMBS = "Reports > Layer 4 status"
    ABOUT = (
        "What the kernel has counted of each virtual service and real server of layer 4 since it "
        "was made: connections, packets and bytes from and to clients; t shows them per second. "
        "Act are established connections, Inact all others. With DR and TUN the answers do "
        "not pass here, so nothing is counted of them. A server in grey is not in the kernel: it "
        "is halted."
    )
    FOOTER = ("help", "menu", "other_view", "refresh", "pause", "back")
    KEYS = (*MOVES, "other_view", "refresh", "pause", "slower", "faster", "back")
    BINDINGS = bindings("other_view")

    def __init__(self) -> None:
        super().__init__()
        self._rates = False

    def compose_body(self) -> Iterable[Widget]:
        yield Lines(id="heading", classes="line")
        yield RowList[_Row](
            self._paint,
            key=lambda row: (row.service.label, row.server.label if row.server else ""),
            id="rows",
            empty=[Segment(" No layer 4 virtual service.", theme.FAINT)],
        )

    def begin(self) -> None:
        super().begin()
        self.set_focus(self.table)

    @property
    def table(self) -> RowList[_Row]:
        """The rows."""
        return self.query_one("#rows", RowList)

    def show_body(self, picture: Picture) -> None:
        super().show_body(picture)
        self._show_heading()

    async def fetch(self) -> None:
        report = await self.console_app.appliance.layer4()
        rows = []
        for service in report.services:
            rows.append(_Row(service, None))
            rows += [
                _Row(service, server, server is service.servers[-1]) for server in service.servers
            ]
        self.table.show(rows)

    def action_other_view(self) -> None:
        self._rates = not self._rates
        self._show_heading()
        self.table.repaint()

    def _show_heading(self) -> None:
        width = self.cells_wide - 1
        words = "".join(fit(name, COLUMN, right=True) for name, _ in self._columns(width))
        name, address = _texts(width - len(words))
        line = f" {fit('Name', name)} {fit('Address', address)}{words}"
        self.query_one("#heading", Lines).show([[Segment(line, theme.HEADING)]])

    def _columns(self, width: int) -> tuple[_Column, ...]:
        if width >= BOTH:
            return (*LIVE_COLUMNS, *TOTALS, *RATES)
        return (*LIVE_COLUMNS, *(RATES if self._rates else TOTALS))

    def _paint(self, row: _Row, width: int, chosen: bool) -> list[Segment]:
        columns = self._columns(width)
        name, address = _texts(width - COLUMN * len(columns))
        service, server = row.service, row.server
        if server is None:
            label, style = service.label, theme.STRONG
            where = place(service.addresses[0], service.ports) if service.addresses else ""
            flow = service.flow
        else:
            label = f" {'`' if row.last else '|'}-- {server.label}"
            style = theme.PLAIN if server.there else theme.GREY
            where = place(server.address, server.port)
            flow = server.flow
        figures = "".join(fit(shown(flow), COLUMN, right=True) for _, shown in columns)
        text = f" {fit(label, name)} {fit(where, address)}{figures}"
        return [Segment(fit(text, width), theme.CURSOR if chosen else style)]


def _texts(room: int) -> tuple[int, int]:
    """Widths of name and address."""
    address = max(10, (room - 2) * 5 // 9)
    return max(6, room - 2 - address), address
