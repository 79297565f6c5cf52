# SPDX-License-Identifier: Apache-2.0
"""Set up real servers: what to do on each so that it answers for its VIPs."""

from __future__ import annotations

import string
from collections.abc import Iterable, Sequence
from itertools import pairwise

from rich.segment import Segment
from textual import on
from textual.widget import Widget

from console import theme
from console.glyphs import fit, wrap
from console.keymap import MOVES, bindings
from console.screens.dialog import Choice, Pick
from console.screens.frame import Frame
from console.screens.text import TextLine, TextScreen
from console.widgets.row_list import RowList
from services.api import SYSTEM_NAMES, SetupView, System

ServerKey = tuple[int, int]
"""Ids of service and server."""


class ServerSetupScreen(TextScreen):
    """The help for some servers, one below the other."""

    ABOUT = (
        "What to do on the real server so that it answers for its VIPs: s chooses its system. "
        "In DR and TUN it must take packets for the VIP and keep silent about it in ARP; with NAT "
        "its default gateway must be this unit. `ballast rip setup` has the same to be copied, "
        "and writes it to a file. Afterwards have the doctor prove it."
    )
    FOOTER = ("help", "menu", "system", "filter", "back")
    KEYS = (*MOVES, "system", "filter", "back")
    BINDINGS = bindings("system")

    def __init__(self, keys: Sequence[ServerKey], label: str) -> None:
        super().__init__(f"Set up > {label}")
        self._keys = tuple(keys)
        self._views: tuple[SetupView, ...] = ()

    def begin(self) -> None:
        super().begin()
        self._read()

    def on_resize(self) -> None:
        self._show()

    def action_system(self) -> None:
        self.once(self._choose, "choosing the system")

    async def _choose(self) -> None:
        choices = [
            Choice(system.value, letter, SYSTEM_NAMES[system])
            for system, letter in zip(System, string.ascii_lowercase, strict=False)
        ]
        picked = await self.app.push_screen_wait(Pick("What runs on it?", choices))
        if picked is not None:
            self.console_app.system = System(picked)
            self._read()

    def _read(self) -> None:
        self.read(self._fetch, "reading the commands")

    async def _fetch(self) -> None:
        appliance, system = self.console_app.appliance, self.console_app.system
        self._views = tuple([await appliance.server_setup(*key, system) for key in self._keys])
        self._show()
        self.text.move_to(0)

    def _show(self) -> None:
        width = max(20, self.cells_wide - 3)
        self.set_lines([line for view in self._views for line in told(view, width)])


def told(view: SetupView, width: int) -> list[TextLine]:
    """One server's help as lines to read."""
    lines: list[TextLine] = [(view.title, theme.HEADING)]
    for sentence in view.about:
        lines += [(line, theme.PLAIN) for line in wrap(sentence, width)]
    for heading, part in (
        ("Apply", view.apply),
        ("Verify", view.verify),
        ("Undo", view.undo),
    ):
        if part:
            lines += [("", theme.PLAIN), (heading, theme.HEADING)]
            for line in part.splitlines():
                style = theme.FAINT if line.startswith("#") else theme.PLAIN
                lines += [(piece, style) for piece in _cut(line, width)]
    return [*lines, ("", theme.PLAIN)]


def _cut(line: str, width: int) -> Iterable[str]:
    """A command in pieces: its blanks mean something, so it is no text to wrap."""
    places = [*range(0, max(1, len(line)), width), len(line)]
    return (line[first:last] for first, last in pairwise(places))


class SetupsScreen(Frame):
    """Every real server of the layer 4 services; Enter opens its commands."""

    CRUMBS = "Support > Set up real servers"
    ABOUT = (
        "Every real server of the layer 4 services. Enter shows what to do on it so that it "
        "answers for its VIPs. Servers of layer 7 services need nothing: this unit is their client."
    )
    FOOTER = ("help", "menu", "open", "back")
    KEYS = (*MOVES, "open", "back")
    BINDINGS = bindings("back")

    def compose_body(self) -> Iterable[Widget]:
        yield RowList[tuple[ServerKey, str, str]](
            _paint,
            key=lambda row: row[0],
            id="servers",
            empty=[Segment(" No layer 4 service has a real server.", theme.PLAIN)],
        )

    def begin(self) -> None:
        super().begin()
        self.set_focus(self.servers)
        self.read(self._fetch, "reading the real servers")

    @property
    def servers(self) -> RowList[tuple[ServerKey, str, str]]:
        """The real servers."""
        return self.query_one("#servers", RowList)

    async def _fetch(self) -> None:
        running = (await self.console_app.appliance.document()).document
        self.servers.show(
            [
                (
                    (service.id, server.id),
                    f"{service.label}/{server.label}",
                    f"{service.forwarding.upper()}  {server.address}",
                )
                for service in running.cluster.layer4
                for server in service.servers
            ]
        )

    @on(RowList.Chosen)
    def _open(self, message: RowList.Chosen) -> None:
        key, label, _ = self.servers.rows[message.index]
        self.app.push_screen(ServerSetupScreen([key], label))


def _paint(row: tuple[ServerKey, str, str], width: int, chosen: bool) -> list[Segment]:
    _, label, words = row
    style = theme.CURSOR if chosen else theme.PLAIN
    return [Segment(fit(f" {label}", 36), style), Segment(fit(words, width - 36), style)]
