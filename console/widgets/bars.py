# SPDX-License-Identifier: Apache-2.0
"""The bars round every screen as segments: title, status, gauges, footer. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from rich.segment import Segment
from rich.style import Style

from console import theme
from console.glyphs import bar, fit
from console.keymap import KEYS
from console.picture import Picture
from console.wording import count, duration, rate, short
from services.api_status import NodeStatus

FOOTER_PAIRS = 8
"""More do not fit on 80 columns."""

SHORTEST_HOST = 8
"""Signs of a hostname that are always shown."""


def title(picture: Picture, crumbs: str, width: int, *, named: bool = True) -> list[Segment]:
    """Hostname, shortened rather than where one is, and (`named`) who one is."""
    host = picture.status.node.hostname if picture.status else "ballast"
    who = picture.who.user if picture.who and named else ""
    room = max(0, width - len(who) - 2)
    host = fit(host, min(len(host), max(SHORTEST_HOST, room - len(crumbs) - 4)))
    left = fit(f" {host}  {crumbs}", room)
    return [Segment(f"{left} {fit(who, width - room - 1)}", theme.TITLE)]


def status(picture: Picture, width: int) -> list[Segment]:
    """Role, activity, link; then what waits for the person."""
    pieces = _pair(picture.status.node) if picture.status else [Segment(" ", theme.PLAIN)]
    used = sum(len(piece.text) for piece in pieces)
    pieces += _waiting(picture, width - used)
    return pieces


def _pair(node: NodeStatus) -> list[Segment]:
    master, active = node.role == "master", node.active
    known = node.link != "unknown"
    lit_active = theme.GOOD if master == active else theme.WARNING
    pieces = [
        *_lamp("Master", theme.GOOD, lit=master),
        Segment("|", theme.PLAIN),
        *_lamp("Slave", theme.GOOD if not active else theme.WARNING, lit=not master),
        Segment("  ", theme.PLAIN),
        *_lamp("Active", lit_active, lit=active and known),
        Segment("|", theme.PLAIN),
        *_lamp("Passive", theme.GOOD, lit=not active and known),
        Segment("  ", theme.PLAIN),
    ]
    match node.link:
        case "no peer":
            pieces += [Segment("Link no peer", theme.FAINT)]
        case "up":
            pieces += [Segment("[Link] up", theme.GOOD)]
        case "down":
            pieces += [Segment("[Link] down", theme.BAD)]
        case other:
            pieces += [Segment(f"[Link] {other}", theme.WARNING)]
    return pieces


def _lamp(word: str, style: Style, *, lit: bool) -> list[Segment]:
    if lit:
        return [Segment(f"[{word}]", style)]
    return [Segment(f" {word} ", theme.FAINT)]


def _waiting(picture: Picture, room: int) -> list[Segment]:
    words, style = _urgent(picture)
    text = next((word for word in words if len(word) + 3 <= room), "")
    if not text:
        return [Segment(" " * max(1, room), theme.PLAIN)]
    return [Segment(" " * (room - len(text) - 2), theme.PLAIN), Segment(f" {text} ", style)]


def _urgent(picture: Picture) -> tuple[tuple[str, ...], Style]:
    """What waits for the person, in words of falling length."""
    confirm = picture.status.node.confirm if picture.status else None
    if picture.starting:
        return ("starting",), theme.NOTICE
    if picture.lost is not None:
        return ("no answer from the agent", "no answer"), theme.ALARM
    if confirm is not None:
        return (f"keep within {confirm.seconds_left} s? F7", "keep? F7"), theme.NOTICE
    if picture.clashes:
        told = count(picture.clashes, "pending clash", "es")
        return (f"{told}: F7 review", "clash: F7"), theme.ALARM
    if number := len(picture.drafted):
        told = f"{count(number, 'change')} pending: F7"
        return (f"{told} review", told, f"{number}: F7"), theme.NOTICE
    if picture.paused:
        return ("refresh paused: p resumes", "paused"), theme.NOTICE
    return (), theme.PLAIN


def gauges(node: NodeStatus, width: int) -> list[Segment]:
    """CPU, memory, time up and traffic; the bars give way when figures need the room."""
    words = [
        f"Up {duration(node.uptime_s)}",
        f"Conns {short(node.connections)}",
        f"In {rate(node.bytes_in_per_s)} Out {rate(node.bytes_out_per_s)}",
    ]
    line = ""
    for size in (10, 8, 6, 4):
        parts = [
            f"CPU {bar(node.cpu_pct, size)} {node.cpu_pct:.0f}%",
            f"Mem {bar(node.memory_pct, size)} {node.memory_pct:.0f}%",
            *words,
        ]
        line = "  ".join(parts)
        if len(line) <= width:
            break
    return [Segment(line, theme.PLAIN)]


def footer(keys: Sequence[str], width: int) -> list[Segment]:
    """At most eight keys and their words."""
    pieces: list[Segment] = []
    used = 0
    for name in keys[:FOOTER_PAIRS]:
        key = KEYS[name]
        size = len(key.shown) + len(key.label) + 3
        if used + size > width:
            break
        pieces += [
            Segment(f" {key.shown}", theme.FOOTER_KEY),
            Segment(f" {key.label} ", theme.FOOTER),
        ]
        used += size
    pieces.append(Segment(" ", theme.FOOTER))
    return pieces
