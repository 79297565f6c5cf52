# SPDX-License-Identifier: Apache-2.0
"""Doctor: what has been proven of the VIPs and the real servers behind them, faults first."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from rich.segment import Segment
from rich.style import Style
from textual import on
from textual.widget import Widget

from console import theme
from console.glyphs import fit, wrap
from console.keymap import MOVES, bindings
from console.screens.frame import Frame
from console.screens.server_setup import ServerSetupScreen
from console.widgets.row_list import RowList
from services.api import FindingView, Verdict

_CHIPS = {
    Verdict.FAULT: (" FAULT ", theme.ALARM),
    Verdict.UNPROVEN: ("   ?   ", theme.NOTICE),
    Verdict.GOOD: ("  OK   ", theme.GOOD),
}
_INDENT = 10


class _Line(NamedTuple):
    """One line of a finding."""

    place: tuple[int, int]
    """Of the finding, and of the line in it."""
    chip: tuple[str, Style] | None
    text: str
    style: Style
    finding: FindingView


class DoctorScreen(Frame):
    """Findings about one service, or about all."""

    ABOUT = (
        "The doctor asks on the wire who has the VIPs, and knocks at each real server by the way "
        "on which clients' packets reach it: a frame to its card (DR), a tunnel (TUN), a "
        "connection from elsewhere whose answer must come back (NAT). It changes nothing, and "
        "live traffic does not notice. FAULT: proven wrong, and what to do. ?: nothing could be "
        "proven, and why. OK: proven right. Enter on a fault of a real server shows the commands "
        "that set it up; r examines again."
    )
    FOOTER = ("help", "menu", "set_up", "refresh", "back")
    KEYS = (*MOVES, "set_up", "refresh", "back")
    BINDINGS = bindings("back", "refresh")

    def __init__(self, service: int | None = None, label: str = "") -> None:
        """`service` is a permanent id; None: all."""
        super().__init__()
        self._service = service
        self._label = label
        self._findings: tuple[FindingView, ...] = ()

    def crumbs(self) -> str:
        return f"Doctor > {self._label}" if self._label else "Support > Doctor"

    def compose_body(self) -> Iterable[Widget]:
        yield RowList[_Line](_paint, key=lambda line: line.place, id="findings")

    def begin(self) -> None:
        super().begin()
        self.set_focus(self.lines)
        self.action_refresh()

    def on_resize(self) -> None:
        if self.is_mounted:
            self._show()

    @property
    def lines(self) -> RowList[_Line]:
        """The findings' lines."""
        return self.query_one("#findings", RowList)

    def action_refresh(self) -> None:
        self.lines.explain(Segment(" Examining; it takes some seconds ...", theme.PLAIN))
        self._findings = ()
        self._show()
        self.read(self._examine, "examining")

    async def _examine(self) -> None:
        try:
            report = await self.console_app.appliance.examine(self._service)
        except BaseException:
            self.lines.explain(Segment(" Nothing was examined.", theme.PLAIN))
            raise
        self.lines.explain(Segment(" There is no service to examine.", theme.PLAIN))
        self._findings = report.findings
        self._show()
        if report.left_out:
            self.say(
                f"{report.left_out} real servers were left out: there are too many at once. "
                "Examine one service, from its row.",
                theme.WARNING,
            )

    def _show(self) -> None:
        width = max(20, self.cells_wide - _INDENT - 2)
        self.lines.show(
            [
                line
                for number, finding in enumerate(self._findings)
                for line in _told(number, finding, width)
            ]
        )

    @on(RowList.Chosen)
    def _open(self, message: RowList.Chosen) -> None:
        finding = self.lines.rows[message.index].finding
        if not finding.setup:
            self.say("No commands belong to this finding.")
            return
        label = f"{finding.setup}/{finding.server}"
        self.app.push_screen(ServerSetupScreen([finding.key], label))


def _told(number: int, finding: FindingView, width: int) -> list[_Line]:
    words = [
        *((line, theme.PLAIN) for line in wrap(f"{finding.service}: {finding.what}", width)),
        *((line, theme.FAINT) for line in (wrap(finding.do, width) if finding.do else ())),
    ]
    return [
        _Line((number, place), None if place else _CHIPS[finding.verdict], text, style, finding)
        for place, (text, style) in enumerate(words)
    ]


def _paint(line: _Line, width: int, chosen: bool) -> list[Segment]:
    chip = Segment(*line.chip) if line.chip else Segment("       ", theme.PLAIN)
    style = theme.CURSOR if chosen else line.style
    return [
        Segment(" ", theme.PLAIN),
        chip,
        Segment("  ", theme.PLAIN),
        Segment(fit(line.text, max(1, width - _INDENT)), style),
    ]
