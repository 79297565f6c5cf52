# SPDX-License-Identifier: Apache-2.0
"""The network cards: what they have now, and Enter to change it."""

from __future__ import annotations

from collections.abc import Iterable

from rich.segment import Segment
from textual import on
from textual.widget import Widget

from console import theme
from console.keymap import MOVES, bindings
from console.picture import Picture
from console.screens.frame import Frame
from console.screens.interface_form import InterfaceForm
from console.widgets.card_list import HEADING, CardList
from console.widgets.lines import Lines
from console.widgets.row_list import RowList


class InterfacesScreen(Frame):
    """A row per card."""

    CRUMBS = "Local Configuration > Network interfaces"
    ABOUT = "The unit's network cards as they are now. Enter or e changes one."
    FOOTER = ("help", "menu", "edit", "review", "back")
    KEYS = (*MOVES, "edit", "back")
    BINDINGS = bindings("back", "edit")
    LIVE = True

    def compose_body(self) -> Iterable[Widget]:
        yield Lines([(Segment(HEADING, theme.HEADING),)], classes="line")
        yield CardList(empty=Segment(" No network card is known.", theme.PLAIN))

    def begin(self) -> None:
        super().begin()
        self.set_focus(self.cards)

    @property
    def cards(self) -> CardList:
        """The cards."""
        return self.query_one(CardList)

    def show_body(self, picture: Picture) -> None:
        if picture.status is not None:
            self.cards.show(picture.status.node.interfaces)

    def action_edit(self) -> None:
        if (card := self.cards.current) is not None:
            InterfaceForm.open(self.console_app, card.name)

    @on(RowList.Chosen)
    def _chosen(self) -> None:
        self.action_edit()
