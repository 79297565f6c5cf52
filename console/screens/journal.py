# SPDX-License-Identifier: Apache-2.0
"""Journal: who changed what and what the agent put right, newest first."""

from __future__ import annotations

from console import theme
from console.keymap import MOVES, bindings
from console.screens.text import TextScreen
from console.wording import moment

LIMIT = 500


class JournalScreen(TextScreen):
    """The appliance's own journal; `label` shows only what names one object."""

    ABOUT = "Changes by people and repairs by the agent, newest first."
    FOOTER = ("help", "menu", "filter", "refresh", "back")
    KEYS = (*MOVES, "filter", "refresh", "back")
    BINDINGS = bindings("refresh")

    def __init__(self, label: str = "") -> None:
        super().__init__(f"Logs > Journal > {label}" if label else "Logs > Journal")
        self._label = label

    def begin(self) -> None:
        super().begin()
        self.action_refresh()

    def action_refresh(self) -> None:
        self.read(self._fetch, "reading the journal")

    async def _fetch(self) -> None:
        entries = await self.console_app.appliance.journal(LIMIT)
        self.set_lines(
            [
                (f"{moment(entry.at)}  {entry.who:<10} {entry.what}", theme.PLAIN)
                for entry in entries
                if self._label.casefold() in entry.what.casefold()
            ]
        )
