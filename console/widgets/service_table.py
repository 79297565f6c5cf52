# SPDX-License-Identifier: Apache-2.0
"""How a row of the Overview looks: columns by width, chips, tree, marks. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from rich.segment import Segment

from console import theme
from console.glyphs import fit
from console.rows import Draft, Order, Row, View
from console.wording import duration, place, rate, short

CONNS, RATE, MODE = 8, 8, 10
WIDE = ((9, "Total"), (6, "Check"), (6, "Since"))
"""Columns added from 100 cells on."""
_FIXED = 1 + theme.CHIP_WIDTH + 1 + 1 + 1 + MODE + CONNS + 1 + RATE


@dataclass(frozen=True)
class Columns:
    """Widths of the columns that grow."""

    name: int
    address: int
    wide: bool

    @classmethod
    def of(cls, width: int) -> Columns:
        """The columns of a table `width` cells wide."""
        wide = width >= 99
        room = width - _FIXED - (sum(size for size, _ in WIDE) if wide else 0)
        address = min(46, max(12, (room + 1) // 2))
        return cls(name=max(8, room - address), address=address, wide=wide)


_SORTED = {
    Order.HEALTH: "Health",
    Order.NAME: "Name",
    Order.ADDRESS: "Address",
    Order.CONNECTIONS: "Conns",
    Order.RATE: "B/s",
}


def heading(width: int, view: View) -> list[Segment]:
    """The line above the rows; an arrow stands at the column they are sorted by."""
    columns = Columns.of(width)
    arrow = "▲" if view.reverse else "▼"

    def word(text: str) -> str:
        return f"{text}{arrow}" if _SORTED.get(view.order) == text else text

    text = (
        " "
        + fit(word("Health"), theme.CHIP_WIDTH)
        + " "
        + fit(word("Name"), columns.name)
        + " "
        + fit(word("Address"), columns.address)
        + " "
        + fit("Mode", MODE)
        + fit(word("Conns"), CONNS, right=True)
        + " "
        + fit(word("B/s"), RATE, right=True)
    )
    if columns.wide:
        text += "".join(fit(title, size, right=True) for size, title in WIDE)
    return [Segment(text, theme.HEADING)]


def paint(row: Row, width: int, *, chosen: bool, marked: bool) -> list[Segment]:
    """One row as segments, `width` cells together."""
    columns = Columns.of(width)
    style = theme.CURSOR if chosen else theme.MARKED if marked else theme.PLAIN
    found = row.server or row.service
    text = (
        " "
        + fit(_name(row), columns.name)
        + " "
        + fit(_address(row, columns.address), columns.address)
        + " "
        + fit(_mode(row), MODE)
        + fit(short(found.connections), CONNS, right=True)
        + " "
        + fit(rate(found.bytes_per_s), RATE, right=True)
    )
    if columns.wide:
        check = row.server.check_ms if row.server else None
        since = row.server.since_s if row.server else None
        values = (
            short(found.sessions_total),
            "" if check is None else f"{short(check)}ms",
            "" if since is None else duration(since),
        )
        text += "".join(
            fit(value, size, right=True) for value, (size, _) in zip(values, WIDE, strict=True)
        )
    sign = "*" if marked else row.draft.value
    first = Segment(sign, theme.MARKED if sign.strip() and not chosen else style)
    lamp = theme.NEW_CHIP if row.draft is Draft.NEW else theme.chip(row.health)
    return [first, lamp, Segment(text, style)]


def _name(row: Row) -> str:
    if row.server is None:
        sign = " " if not row.service.servers else "+" if row.folded else "-"
        return f"{sign} {row.service.label}"
    return f"  {'`--' if row.last else '|--'} {row.server.label}"


def _address(row: Row, width: int) -> str:
    if row.server is not None:
        return place(row.server.address, row.server.port)
    addresses = row.service.addresses
    if not addresses:
        return ""
    more = f" +{len(addresses) - 1}" if len(addresses) > 1 else ""
    return fit(place(addresses[0], row.service.ports), width - len(more)).rstrip() + more


def _mode(row: Row) -> str:
    return row.service.kind if row.server is None else f"w{row.server.weight}"
