# SPDX-License-Identifier: Apache-2.0
"""What the last looks at a layer 4 server found."""

from __future__ import annotations

from console import theme
from console.keymap import MOVES, bindings
from console.screens.text import TextLine, TextScreen
from console.wording import moment
from services.api_reports import CheckResult

ServerKey = tuple[int, int]
"""Ids of service and server."""


class ChecksScreen(TextScreen):
    """The last results, newest first; those that said the same are one line, the newest."""

    ABOUT = (
        "What the last checks of this real server found, newest first. Results in a row that say "
        "the same are one line, with the time of the newest."
    )
    FOOTER = ("help", "menu", "filter", "refresh", "back")
    KEYS = (*MOVES, "filter", "refresh", "back")
    BINDINGS = bindings("refresh")

    def __init__(self, server: ServerKey, label: str) -> None:
        super().__init__(f"Checks > {label}")
        self._server = server

    def begin(self) -> None:
        super().begin()
        self.action_refresh()

    def action_refresh(self) -> None:
        self.read(self._fetch, "reading the results")

    async def _fetch(self) -> None:
        told = await self.console_app.appliance.check_results(*self._server)
        self.set_lines([_line(result) for result in told.results])


def _line(result: CheckResult) -> TextLine:
    took = "" if result.ms is None else f"{result.ms} ms"
    state = "ok" if result.ok else "failed"
    line = f"{moment(result.at)}  {result.check:<16} {state:<7} {took:>8}  {result.words}".rstrip()
    return line, theme.PLAIN if result.ok else theme.BAD
