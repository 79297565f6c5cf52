# SPDX-License-Identifier: Apache-2.0
"""The network wizard, step 1: which card. Also what its four steps have in common.

Each step is a screen above the one before it and they share one `console.wizard.Wizard`, so
going back shows what was typed. The account `setup` has this first step as its home.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from typing import TYPE_CHECKING, ClassVar

from rich.segment import Segment
from rich.style import Style
from textual import on
from textual.widget import Widget

from console import theme
from console.glyphs import wrap
from console.keymap import MOVES, bindings
from console.picture import Picture
from console.screens.apply_dialogs import roll_back
from console.screens.dialog import Ask
from console.screens.frame import Frame
from console.widgets.card_list import HEADING, CardList
from console.widgets.lines import Lines
from console.widgets.row_list import RowList
from console.wizard import STEPS, Wizard
from services.api import AccessRole, InterfaceStatus

if TYPE_CHECKING:
    from console.app import ConsoleApp

CARDS = ("eth0", "eth1", "eth2", "eth3")
"""The names that the model knows; whatever else the machine has is none of ours."""

INTRO = (
    "Choose the network card to set up; eth0 is usually the internal side. Addresses are "
    "static, there is no DHCP: a load balancer must be where its clients look for it."
)


class WizardStep(Frame):
    """A step: where one is above, what it is about below."""

    STEP: ClassVar[int] = 1
    ROLES = (AccessRole.SETUP,)

    def __init__(self, wizard: Wizard | None = None) -> None:
        super().__init__()
        self.wizard = wizard or Wizard.empty()

    def compose_body(self) -> Iterable[Widget]:
        yield Lines(id="steps", classes="line")
        yield Lines(id="intro")
        yield from self.compose_step()

    def compose_step(self) -> Iterable[Widget]:
        """The widgets of this step."""
        return ()

    def crumbs(self) -> str:
        card = f": {self.wizard.card}" if self.wizard.card and self.STEP > 1 else ""
        return f"Network setup - step {self.STEP} of {len(STEPS)}{card}"

    def intro(self) -> list[str]:
        """What this step is about, in paragraphs."""
        return []

    def show_body(self, picture: Picture) -> None:
        pieces = [Segment(" ", theme.PLAIN)]
        for number, name in enumerate(STEPS, 1):
            words = f"{number} {name.upper() if number == self.STEP else name}"
            pieces.append(Segment(words, theme.STRONG if number == self.STEP else theme.FAINT))
            if number < len(STEPS):
                pieces.append(Segment(" > ", theme.FAINT))
        self.query_one("#steps", Lines).show([pieces])
        width = max(20, self.cells_wide - 4)
        lines = [line for text in self.intro() for line in wrap(text, width)]
        told = [[Segment(f"  {line}", theme.PLAIN)] for line in lines]
        self.query_one("#intro", Lines).show([[], *told, []] if told else [[]])

    def unsaved(self) -> bool:
        return self.wizard.typed

    # -- moving -------------------------------------------------------------------------------

    def still_busy(self) -> bool:
        """Whether something is under way that this screen is needed for; says so."""
        if self._doing:
            self.say(f"Still {self._doing}; wait for its end.", theme.WARNING)
        return bool(self._doing)

    def action_step_back(self) -> None:
        if self.still_busy():
            return
        self.keep_typed()
        self.console_app.pop_screen()

    def keep_typed(self) -> None:
        """Put what stands in the fields into the wizard."""

    def action_back(self) -> None:
        if self.still_busy():
            return
        self.keep_typed()
        if self.STEP > 1 or self.wizard.typed:
            self.console_app.ask(self._leave_first, "asking whether to leave the wizard")
        else:
            self.leave()

    async def _leave_first(self) -> None:
        answer = await self.console_app.push_screen_wait(
            Ask(
                "Leave the network setup?",
                ["What you typed here is lost. The unit keeps the settings that it has."],
                options=[("leave", "Leave"), ("stay", "Stay")],
                default="stay",
            )
        )
        if answer == "leave":
            self.leave()

    def leave(self) -> None:
        """Out of the wizard, to where it was opened."""
        app = self.console_app
        for step in reversed(app.screen_stack[1:]):
            if isinstance(step, WizardStep):
                app.close(step)
        home = app.screen_stack[0]
        if isinstance(home, WizardCards):
            home.wizard = Wizard.empty()
            home.say("F10 logs out.")


class WizardCards(WizardStep):
    """Step 1: the cards, live."""

    ABOUT = (
        "Sets the unit's address, gateway, name servers and name in four steps. Nothing is "
        "changed before the last one, and what is applied there comes back by itself unless it "
        "is kept within 60 seconds."
    )
    KEYS = (*MOVES, "next_step", "keep", "undo", "back")
    BINDINGS = bindings("next_step", "keep", "undo", "back")
    LIVE = True

    @staticmethod
    def open(app: ConsoleApp) -> None:
        """Begin, from a menu."""
        app.push_screen(WizardCards())

    def compose_step(self) -> Iterable[Widget]:
        yield Lines([(Segment(HEADING, theme.HEADING),)], classes="line")
        yield CardList(
            empty=Segment(" The machine has no network card that it knows.", theme.WARNING)
        )

    def footer(self) -> tuple[str, ...]:
        if self.console_app.only_setup:
            return ("help", "next_step", "log_out", "repaint")
        return ("help", "menu", "next_step", "back")

    def intro(self) -> list[str]:
        return [INTRO]

    def begin(self) -> None:
        super().begin()
        self.set_focus(self.cards)

    @property
    def cards(self) -> CardList:
        """The cards."""
        return self.query_one(CardList)

    def show_body(self, picture: Picture) -> None:
        super().show_body(picture)
        if picture.status is not None:
            found = picture.status.node.interfaces
            self.cards.show([card for card in found if card.name in CARDS])

    def resting_words(self) -> tuple[str, Style]:
        confirm = self.picture.status.node.confirm if self.picture.status else None
        if confirm is not None:
            left = f"{confirm.seconds_left} s"
            return (f"New settings wait: y keeps them, else they go in {left}.", theme.WARNING)
        return ("Enter sets the card up.", theme.PLAIN)

    # -- keys ---------------------------------------------------------------------------------

    @on(RowList.Chosen)
    def _chosen(self) -> None:
        self.action_next_step()

    def action_next_step(self) -> None:
        card = self.cards.current
        if card is None or not self.console_app.may(*self.ROLES):
            return
        if self.picture.status is not None and self.picture.status.node.confirm is not None:
            self.say("New settings wait to be kept: y keeps them, b rolls back.", theme.WARNING)
        else:
            self.console_app.open(partial(self._go, card), "opening the next step")

    async def _go(self, card: InterfaceStatus) -> None:
        from console.screens.wizard_form import AddressStep

        app = self.console_app
        if not self.wizard.typed:
            draft, runs = await app.appliance.draft(), await app.appliance.document()
            self.wizard = Wizard(runs.document, runs.info.number, draft.edits)
        self.wizard.choose(card.name)
        app.push_screen(AddressStep(self.wizard))

    def action_keep(self) -> None:
        if self.console_app.may(*self.ROLES):
            self.once(self._keep, "keeping the settings")

    async def _keep(self) -> None:
        applied = await self.console_app.appliance.confirm()
        self.console_app.say(f"Kept: revision {applied.revision} runs.", bad=False)
        self.console_app.watching.now()

    def action_undo(self) -> None:
        waits = self.picture.status is not None and self.picture.status.node.confirm is not None
        if not waits:
            self.say("Nothing waits to be kept or rolled back.", theme.WARNING)
        elif self.console_app.may(*self.ROLES):
            self.once(self._undo, "rolling back")

    async def _undo(self) -> None:
        applied = await roll_back(self.console_app)
        words = "Rolled back: the settings before are back." if applied else "It is over already."
        self.say(words, theme.GOOD)
        self.console_app.watching.now()
