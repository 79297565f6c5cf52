# SPDX-License-Identifier: Apache-2.0
"""Status screen: what the appliance shows to whoever stands before it, read only.

Counts of services by colour and no names: which services exist is nobody's business before
login.
"""

from __future__ import annotations

from collections.abc import Iterable

from rich.segment import Segment
from rich.style import Style
from textual.binding import Binding
from textual.widget import Widget

from console import theme
from console.glyphs import bar, fit
from console.keymap import bindings
from console.picture import Picture
from console.screens.frame import Frame
from console.widgets import bars
from console.widgets.lines import Lines
from console.wording import count, duration
from services.api import Health, InterfaceStatus, NodeStatus, Status

_Words = list[list[Segment]]


class StatusScreen(Frame):
    """Product, name, network, health; F2 leads in."""

    CRUMBS = "Status"
    FOOTER = ("help", "log_in", "power", "repaint")
    KEYS = ("log_in", "power", "quit", "repaint")
    ABOUT = "What this appliance is, how it does and how to reach it. F2 logs in."
    LIVE = True
    BINDINGS = [  # noqa: RUF012 - as Textual declares it
        *bindings("log_in", "quit", "review"),
        *(Binding(digit, "jump", show=False) for digit in "12345678"),
    ]

    def compose_body(self) -> Iterable[Widget]:
        yield Lines(id="facts", classes="body")

    def show_body(self, picture: Picture) -> None:
        if picture.status is not None:
            self.query_one("#facts", Lines).show(facts(picture.status))

    def title_bar(self, picture: Picture, width: int) -> list[Segment]:
        return bars.title(picture, self.CRUMBS, width, named=False)

    def action_log_in(self) -> None:
        self.console_app.log_in()

    def action_quit(self) -> None:
        if self.console_app.resident:
            self.say("This is the appliance's own screen: it stays. F12 restarts or shuts down.")
        else:
            self.console_app.quit_when_done()

    def action_jump(self) -> None:
        self.say("F2 logs in first.", theme.WARNING)

    def action_review(self) -> None:
        self.say("F2 logs in first.", theme.WARNING)


def facts(status: Status) -> _Words:
    """Everything the screen says, line by line."""
    node = status.node
    lines: _Words = [
        [],
        [
            Segment(f"   Ballast {node.version}", theme.STRONG),
            Segment("  load balancer", theme.PLAIN),
        ],
        [],
        _fact("Host name", node.hostname),
        _fact("Revision", str(node.revision)),
        _fact("Up", duration(node.uptime_s)),
        _fact("CPU", f"{bar(node.cpu_pct, 20)} {node.cpu_pct:.0f}%"),
        _fact("Memory", f"{bar(node.memory_pct, 20)} {node.memory_pct:.0f}%"),
        [],
    ]
    for number, card in enumerate(node.interfaces):
        lines.append(_card(card, first=number == 0))
    lines += [[], [*_label("Services"), *_counts(status)], []]
    lines += _reach(node)
    for notice in node.notices[:3]:
        lines.append([Segment(f"   ! {notice}", theme.WARNING)])
    return lines


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


def _reach(node: NodeStatus) -> _Words:
    hosts = [
        address.partition("/")[0]
        for card in node.interfaces
        if card.carrier
        for address in card.addresses
    ]
    if not hosts:
        return [_fact("Reach it", "no network yet: F2, then Local Configuration")]
    return [_fact("Reach it" if n == 0 else "", f"ssh {host}") for n, host in enumerate(hosts[:3])]
