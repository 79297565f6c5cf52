# SPDX-License-Identifier: Apache-2.0
"""The running configuration, or an earlier one, to read."""

from __future__ import annotations

from console import theme
from console.screens.text import TextLine, TextScreen
from services.api import Revision


class DocumentScreen(TextScreen):
    """A revision's document as the socket has it; None: the running one."""

    ABOUT = "The whole configuration as the appliance keeps it. Read only."

    def __init__(self, number: int | None = None) -> None:
        where = "View Configuration > Running" if number is None else f"Revisions > {number}"
        super().__init__(where)
        self._number = number

    def begin(self) -> None:
        super().begin()
        self.read(self._fetch, "reading the configuration")

    async def _fetch(self) -> None:
        appliance = self.console_app.appliance
        if self._number is None:
            self.set_lines(told(await appliance.document()))
        else:
            self.set_lines(told(await appliance.revision(self._number)))


def told(revision: Revision) -> list[TextLine]:
    """A revision as lines to read."""
    info = revision.info
    head = f"Revision {info.number} by {info.who}: {info.why or 'no reason given'}"
    text = revision.document.model_dump_json(indent=2)
    return [
        (head, theme.HEADING),
        (f"sha256 {info.sha256}", theme.FAINT),
        *((line, theme.PLAIN) for line in text.splitlines()),
    ]
