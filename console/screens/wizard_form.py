# SPDX-License-Identifier: Apache-2.0
"""The network wizard, steps 2 and 3: the card's address, the unit's name.

Every step judges all answers and stops at what is wrong with its own, beside the field. The
address is asked for on the wire before one may go on: two machines with one address make both
of them unreachable, and nothing on the screen would tell why.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar

from rich.segment import Segment
from rich.style import Style
from textual import on
from textual.widget import Widget

from console import theme
from console.fields import FieldSpec, Kind
from console.glyphs import wrap
from console.keymap import bindings
from console.picture import Picture
from console.screens.dialog import Ask
from console.screens.wizard import WizardStep
from console.widgets.buttons import Buttons
from console.widgets.field import ChoiceField, Field, TextField
from console.widgets.lines import Lines
from console.wizard import (
    ADDRESS,
    ADDRESS_FIELDS,
    NAME_FIELDS,
    Verdict,
    judge,
    normal,
    own_address,
)
from console.wording import link
from services.api import InterfaceStatus
from services.errors import ApplianceError

LOOSE = (
    "What is applied at the end comes back by itself unless it is kept within 60 seconds, so "
    "a mistake here locks nobody out."
)


class WizardForm(WizardStep):
    """Fields of the model, and two buttons."""

    FOOTER = ("help", "next_step", "step_back", "next_field", "previous_field", "back")
    KEYS = ("next_step", "step_back", "next_field", "previous_field", "back")
    BINDINGS = [  # noqa: RUF012 - as Textual declares it
        *bindings("next_field", "previous_field", ahead=True),
        *bindings("next_step", "step_back", "back"),
    ]
    SPECS: ClassVar[tuple[FieldSpec, ...]] = ()

    def compose_step(self) -> Iterable[Widget]:
        for spec in self.SPECS:
            yield self._field(spec)
        yield Lines(id="facts")
        yield Buttons([("back", "Back"), ("next", "Next")], default="next")
        yield Lines(id="about")

    def _field(self, spec: FieldSpec) -> Field:
        value = self.wizard.values[spec.name]
        if spec.kind is Kind.CHOICE:
            return ChoiceField(spec.title, value, options=spec.options, name=spec.name)
        return TextField(spec.title, value, name=spec.name, hint=spec.hint)

    def begin(self) -> None:
        super().begin()
        self.set_focus(self.query(Field).first())

    def about(self) -> list[str]:
        words = [f"{spec.title}\n{spec.help} {spec.hint}".rstrip() for spec in self.SPECS]
        return [self.ABOUT, "Fields", *words]

    def show_body(self, picture: Picture) -> None:
        super().show_body(picture)
        width = max(20, self.cells_wide - 4)
        facts = [line for text in self.facts(picture) for line in wrap(text, width)]
        self.query_one("#facts", Lines).show(
            [[], *([Segment(f"  {line}", theme.FAINT)] for line in facts), []]
        )
        self._show_help()

    def facts(self, picture: Picture) -> list[str]:
        """What one should know while typing."""
        return []

    def resting_words(self) -> tuple[str, Style]:
        wrong = sum(1 for field in self.query(Field) if field.errors)
        if wrong:
            return ("See the red lines.", theme.BAD)
        return ("", theme.PLAIN)

    def on_descendant_focus(self) -> None:
        self._show_help()

    def _show_help(self) -> None:
        focused = self.focused
        spec = next((s for s in self.SPECS if focused and s.name == focused.name), None)
        lines = wrap(spec.help if spec else "", max(20, self.cells_wide - 2))
        self.query_one("#about", Lines).show([[Segment(f" {line}", theme.FAINT)] for line in lines])

    def keep_typed(self) -> None:
        for field in self.query(Field):
            self.wizard.values[field.name or ""] = str(field.value)

    def unsaved(self) -> bool:
        self.keep_typed()
        return super().unsaved()

    # -- keys ---------------------------------------------------------------------------------

    def action_next_field(self) -> None:
        self.focus_next()

    def action_previous_field(self) -> None:
        self.focus_previous()

    @on(TextField.Submitted)
    def _entered(self) -> None:
        self.focus_next()

    @on(Buttons.Pressed)
    def _pressed(self, message: Buttons.Pressed) -> None:
        if message.answer == "next":
            self.action_next_step()
        else:
            self.action_step_back()

    def action_next_step(self) -> None:
        self.once(self._on, "looking at the answers")

    async def _on(self) -> None:
        self.keep_typed()
        self._tidy()
        asked = dict(self.wizard.values)
        sound = self._explain(judge(self.wizard)) and await self.agreed()
        self.keep_typed()
        if sound and self.is_current and self.wizard.values == asked:
            self.go_on()

    def _tidy(self) -> None:
        """Write what was typed as it will be kept."""

    def _explain(self, verdict: Verdict) -> bool:
        """Tell what is wrong with this step's answers; whether nothing is."""
        mine = verdict.of(self.SPECS)
        first: Field | None = None
        for field in self.query(Field):
            told = mine.get(field.name or "", ())
            field.refuse(told)
            if told and first is None:
                first = field
        self.hush()
        general = verdict.wrong.get("", ())
        if general:
            self.say(" ".join(general), theme.BAD)
        if first is not None:
            self.set_focus(first)
        self.show(self.picture)
        return not mine and not general

    async def agreed(self) -> bool:
        """Whether one may go on with answers that are right in themselves."""
        return True

    def go_on(self) -> None:
        """Open the next step."""


class AddressStep(WizardForm):
    """Step 2."""

    STEP = 2
    SPECS = ADDRESS_FIELDS
    ABOUT = (
        "The card's own address with its mask, and the router to other networks. F9 asks on "
        "the wire whether somebody has the address already."
    )

    def facts(self, picture: Picture) -> list[str]:
        card = self._card(picture)
        told = []
        if card is not None:
            cable = "" if card.carrier else ": is its cable in?"
            told.append(f"{card.name}  {link(card)}{cable}  {card.mac}  {card.driver}".rstrip())
        if others := self.wizard.others:
            told.append(f"The card keeps {', '.join(others)} as well.")
        return [*told, LOOSE]

    def _card(self, picture: Picture) -> InterfaceStatus | None:
        cards = picture.status.node.interfaces if picture.status else ()
        return next((card for card in cards if card.name == self.wizard.card), None)

    def _tidy(self) -> None:
        try:
            address = normal(self.wizard.values[ADDRESS])
        except ValueError:
            return
        if address != self.wizard.values[ADDRESS]:
            self.wizard.values[ADDRESS] = address
            next(f for f in self.query(TextField) if f.name == ADDRESS).set_text(address)

    async def agreed(self) -> bool:
        card = self._card(self.picture)
        if card is not None and not card.carrier:
            return await self._all_the_same(
                "No link",
                f"{card.name} has no link, so nobody can be asked whether the address is free, "
                "and the unit is not reached through it. Put its cable in, or connect the card "
                "in the hypervisor's settings.",
            )
        address = own_address(self.wizard)
        if card is not None and address in {own.partition("/")[0] for own in card.addresses}:
            return True
        field = next(f for f in self.query(Field) if f.name == ADDRESS)
        self.say(f"Asking on {self.wizard.card} whether {address} is free ...")
        try:
            probe = await self.console_app.appliance.probe_address(self.wizard.card, address)
        except ApplianceError as error:
            return await self._all_the_same("Not asked", f"{error}")
        self.hush()
        if probe.owner:
            told = f"{address} is in use: {probe.owner} answers for it on {self.wizard.card}."
            field.refuse([f"{told} Choose another address, or switch that machine off first."])
            self.set_focus(field)
            self.show(self.picture)
            return False
        return True

    async def _all_the_same(self, title: str, words: str) -> bool:
        self.hush()
        answer = await self.console_app.push_screen_wait(
            Ask(
                title,
                [words],
                options=[("on", "Go on all the same"), ("stay", "Stay here")],
                default="stay",
            )
        )
        return answer == "on"

    def go_on(self) -> None:
        self.console_app.push_screen(NameStep(self.wizard))


class NameStep(WizardForm):
    """Step 3."""

    STEP = 3
    SPECS = NAME_FIELDS
    ABOUT = "Name servers, and what this unit is called. All of it belongs to this unit alone."

    def facts(self, picture: Picture) -> list[str]:
        return ["A single unit is the master; the other one of a pair is the slave."]

    def go_on(self) -> None:
        from console.screens.wizard_review import ReviewStep

        self.console_app.push_screen(ReviewStep(self.wizard))
