# SPDX-License-Identifier: Apache-2.0
"""How connections look as rows, and their totals by server. Pure."""

from __future__ import annotations

from rich.segment import Segment

from console import theme
from console.glyphs import fit
from console.wording import short
from services.api_reports import Connection, ServerConnections

STATE, EXPIRES = 12, 5
MARK = "!"
"""Colour is never the only sign."""


def heading(width: int) -> list[Segment]:
    """The line above the connections."""
    client, vip, server = _widths(width)
    text = (
        f" {fit('Client', client)} {fit('VIP', vip)} {fit('Real server', server)} "
        f"{fit('State', STATE)} {fit('Secs', EXPIRES, right=True)}"
    )
    return [Segment(text, theme.HEADING)]


def paint(row: Connection, width: int, chosen: bool) -> list[Segment]:
    """A connection."""
    client, vip, server = _widths(width)
    name = f"{row.service}/{row.server}" if row.server else row.rip
    text = (
        f" {fit(row.client, client)} {fit(row.vip, vip)} {fit(name, server)} "
        f"{fit(row.state + (MARK if row.suspect else ''), STATE)} "
        f"{fit(str(row.expires_s), EXPIRES, right=True)}"
    )
    return _line(text, width, bad=row.suspect, chosen=chosen)


def server_heading() -> list[Segment]:
    """The line above the totals."""
    text = f" {fit('Service', 18)} {fit('Real server', 18)} {fit('Address', 20)}"
    return [Segment(f"{text}{'Conns':>8}{'Waiting':>9}", theme.HEADING)]


def paint_server(each: ServerConnections, width: int, chosen: bool) -> list[Segment]:
    """What a server carries."""
    bad = bool(each.trouble)
    text = (
        f" {fit(each.service or '-', 18)} {fit(each.server or '-', 18)} {fit(each.rip, 20)}"
        f"{short(each.connections):>8}{short(each.waiting):>8}{MARK if bad else ''}"
    )
    return _line(text, width, bad=bad, chosen=chosen)


def _widths(width: int) -> tuple[int, int, int]:
    """Of client, VIP and server."""
    room = width - STATE - EXPIRES - 5
    client = max(15, room * 3 // 8)
    vip = max(14, (room - client) // 2)
    return client, vip, max(10, room - client - vip)


def _line(text: str, width: int, *, bad: bool, chosen: bool) -> list[Segment]:
    style = theme.CURSOR if chosen else theme.BAD if bad else theme.PLAIN
    return [Segment(fit(text, width), style)]
