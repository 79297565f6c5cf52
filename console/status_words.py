# SPDX-License-Identifier: Apache-2.0
"""What the status screen says, line by line, and what a screen says instead of old figures. Pure.

Counts of services by colour and no names: which services exist is nobody's business before
login.
"""

from __future__ import annotations

from rich.segment import Segment
from rich.style import Style

from console import theme
from console.glyphs import bar, fit, wrap
from console.picture import Picture
from console.wording import count, duration
from services.api_status import Health, InterfaceStatus, NodeStatus, Status
from services.errors import Unreachable

_Words = list[list[Segment]]

CRUMBS = "Status"
ABOUT = "What this appliance is, how it does and how to reach it. F2 or Enter logs in."
FOOTER = ("help", "log_in", "power", "repaint")
LOGIN_FIRST = "F2 logs in first."

ROOM = 20
"""Lines between the bars on a screen of 24."""

FIRST = {
    "setup": "setup / setup                address, gateway and name",
    "loadbalancer": "loadbalancer / loadbalancer  the console: all else",
    "root": "root / loadbalancer          a shell",
}
"""The guide's accounts and passwords."""


def calm(picture: Picture, width: int) -> list[list[Segment]]:
    """Instead of figures that are no longer true: what is wrong, and that nobody need do much."""
    error = picture.lost
    if error is None:
        return []
    if picture.starting:
        return [[], [], [Segment("   Ballast is starting ...", theme.STRONG)]]
    told = [
        (error.what, theme.STRONG),
        (error.do, theme.PLAIN),
        ("", theme.PLAIN),
    ]
    if isinstance(error, Unreachable):
        told += [
            ("Traffic is not touched by this: what was balanced is balanced on.", theme.PLAIN),
            ("This screen goes on by itself as soon as the agent answers.", theme.PLAIN),
        ]
    lines: list[list[Segment]] = [[], []]
    for text, style in told:
        lines += [[Segment(f"   {line}", style)] for line in wrap(text, max(20, width - 6))]
    return lines


def facts(status: Status, width: int = 80, room: int = ROOM) -> _Words:
    """Everything the screen says, line by line; blank lines give way where it gets crowded."""
    node = status.node
    gauges = f"{bar(node.cpu_pct)} {node.cpu_pct:.0f}%"
    memory = f"{bar(node.memory_pct)} {node.memory_pct:.0f}%"
    lines: _Words = [
        [],
        [
            Segment(f"   Ballast {node.version}", theme.STRONG),
            Segment("  load balancer", theme.PLAIN),
        ],
        *_notices(node, width),
        [],
        _fact("Host name", node.hostname),
        _fact("Up", f"{duration(node.uptime_s)}, revision {node.revision}"),
        _fact("CPU", f"{gauges}   Memory {memory}"),
        [],
        *(_card(card, first=number == 0) for number, card in enumerate(node.interfaces)),
        [],
        [*_label("Services"), *_counts(status)],
        [],
        *_login(node),
        *_next(status),
    ]
    while len(lines) > room and [] in lines:
        del lines[len(lines) - 1 - lines[::-1].index([])]
    return lines


def _notices(node: NodeStatus, width: int) -> _Words:
    """What is wrong stands on top: whoever walks up to the screen came because of it."""
    told = [line for text in node.notices[:3] for line in wrap(f"! {text}", max(20, width - 6))]
    return [[], *([Segment(f"   {line}", theme.WARNING)] for line in told[:4])] if told else []


def _label(text: str) -> list[Segment]:
    return [Segment(fit(f"   {text}", 16), theme.FAINT)]


def _fact(label: str, value: str) -> list[Segment]:
    return [*_label(label), Segment(value, theme.PLAIN)]


def _card(card: InterfaceStatus, *, first: bool) -> list[Segment]:
    link = ("link up  ", theme.GOOD) if card.carrier else ("no link  ", theme.FAINT)
    addresses = "  ".join((*card.addresses, *card.not_saved)) or "no address"
    pieces = [
        *_label("Network" if first else ""),
        Segment(f"{card.name}  ", theme.PLAIN),
        Segment(*link),
        Segment(addresses, theme.PLAIN if card.addresses else theme.FAINT),
    ]
    if card.not_saved:
        pieces.append(Segment(f"  {len(card.not_saved)} not saved", theme.WARNING))
    return pieces


def _counts(status: Status) -> list[Segment]:
    if not status.services:
        return [Segment("none yet", theme.PLAIN)]
    pieces: list[Segment] = []
    shades: tuple[tuple[Health, Style], ...] = tuple(theme.CHIPS.items())
    for health, style in shades:
        number = sum(service.health is health for service in status.services)
        if number:
            pieces += [Segment(f" {number} {health.value} ", style), Segment("  ", theme.PLAIN)]
    servers = sum(len(service.servers) for service in status.services)
    pieces.append(Segment(f"{count(servers, 'real server')}", theme.PLAIN))
    return pieces


def _login(node: NodeStatus) -> _Words:
    """How to log in, with the guide's words for as long as they are true."""
    hosts = _hosts(node)
    if not node.factory:
        if not hosts:
            return [_fact("Log in", "F2 or Enter; no network yet")]
        here = "F2 or Enter; from elsewhere  "
        return [
            _fact("Log in", here + f"ssh {hosts[0]}"),
            *(_fact("", " " * len(here) + f"ssh {host}") for host in hosts[1:3]),
        ]
    return [
        _fact("Log in", "F2 or Enter. For the first time, user / password:"),
        *(_fact("", FIRST[name]) for name in FIRST if name in node.factory),
        _fact("", "Good on this screen only; the first login asks for a new one."),
    ]


def _next(status: Status) -> _Words:
    """The next step of somebody who has just unpacked the unit."""
    node = status.node
    if "setup" in node.factory:
        return [_fact("Next", "Log in as setup and give the unit its address.")]
    if status.services:
        return []
    if "loadbalancer" in node.factory:
        return [_fact("Next", "Log in as loadbalancer, here; later also by SSH.")]
    return [_fact("Next", "Log in; 3 Cluster Configuration makes a virtual service.")]


def _hosts(node: NodeStatus) -> list[str]:
    """The unit's own addresses by which it is reached now."""
    return [
        address.partition("/")[0]
        for card in node.interfaces
        if card.carrier
        for address in (*card.addresses, *card.not_saved)
    ]
