# SPDX-License-Identifier: Apache-2.0
"""The unit's network cards, a row each: link, hardware address, addresses."""

from __future__ import annotations

from rich.segment import Segment

from console import theme
from console.glyphs import fit
from console.widgets.row_list import RowList
from console.wording import link
from services.api import InterfaceStatus

HEADING = f" {'Card':<6} {'Link':<14} {'Hardware address':<18} Addresses"


class CardList(RowList[InterfaceStatus]):
    """The cards as they are now; addresses that were added by hand are told apart."""

    def __init__(self, *, empty: Segment) -> None:
        super().__init__(_paint, key=lambda card: card.name, id="cards", empty=[empty])


def _paint(card: InterfaceStatus, width: int, chosen: bool) -> list[Segment]:
    extra = f"  not saved: {', '.join(card.not_saved)}" if card.not_saved else ""
    addresses = (", ".join(card.addresses) or "no address") + extra
    text = f" {card.name:<6} {link(card):<14} {card.mac:<18} {addresses}"
    style = theme.CURSOR if chosen else theme.PLAIN if card.carrier else theme.FAINT
    return [Segment(fit(text, width), style)]
