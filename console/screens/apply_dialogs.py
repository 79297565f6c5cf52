# SPDX-License-Identifier: Apache-2.0
"""Applying: the last question before it, and the countdown after it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from textual import on
from textual.widget import Widget

from console import review
from console.keymap import bindings
from console.picture import Picture
from console.screens.dialog import Dialog
from console.widgets.buttons import Buttons
from console.widgets.field import TextField
from console.wording import count
from services.api import Applied, DraftApply, PlanView

if TYPE_CHECKING:
    from console.app import ConsoleApp

CONFIRM_S = 60
"""Long enough to look whether one still gets in, short enough to wait for."""
LONGEST_S = 3600


class ApplyDialog(Dialog[DraftApply]):
    """Reason and countdown; None after No or Esc."""

    BINDINGS = [  # noqa: RUF012 - as Textual declares it
        *bindings("next_field", "previous_field", ahead=True),
        *bindings("submit"),
    ]

    def __init__(self, plan: PlanView, changes: int) -> None:
        words = [f"{count(changes, 'change')} to apply. {review.summary(plan)}"]
        if plan.confirm_advised:
            words += [
                "",
                (
                    "Addresses or gateways of this unit change: what is not confirmed within the "
                    "seconds below comes back by itself."
                ),
            ]
        super().__init__("Apply pending changes", words, alarm=plan.connections > 0)
        self._plan = plan

    def compose_body(self) -> Iterable[Widget]:
        yield TextField("Reason", name="why", label_width=16)
        seconds = str(CONFIRM_S) if self._plan.confirm_advised else ""
        yield TextField("Confirm within", seconds, name="confirm_s", label_width=16)
        yield Buttons(
            [("apply", "Apply"), ("no", "No")],
            default="no" if self._plan.connections else "apply",
        )

    def begin(self) -> None:
        super().begin()
        self.set_focus(self.query(TextField).first())

    def action_next_field(self) -> None:
        self.focus_next()

    def action_previous_field(self) -> None:
        self.focus_previous()

    @on(TextField.Submitted)
    def _entered(self) -> None:
        self.focus_next()

    @on(Buttons.Pressed)
    def _pressed(self, message: Buttons.Pressed) -> None:
        if message.answer == "apply":
            self.action_submit()
        else:
            self.dismiss(None)

    def action_submit(self) -> None:
        """F9 once more, or the button."""
        why, seconds = (field.value.strip() for field in self.query(TextField))
        if not seconds:
            self.dismiss(DraftApply(why=why))
        elif seconds.isascii() and seconds.isdigit() and 1 <= int(seconds) <= LONGEST_S:
            self.dismiss(DraftApply(why=why, confirm_s=int(seconds)))
        else:
            field = self.query(TextField).last()
            field.refuse([f"Write 1 to {LONGEST_S} seconds, or nothing for no countdown."])
            self.set_focus(field)


class KeepDialog(Dialog[str]):
    """Counts down; answers `kept` or `gone` by itself once somebody kept it or nobody did."""

    def __init__(self) -> None:
        super().__init__("Keep the new settings?", [""], alarm=True)
        self._seen = False
        """Whether the countdown was seen: the first picture may be older than the change."""
        self._back_to = 0

    def compose_body(self) -> Iterable[Widget]:
        yield Buttons(
            [("keep", "Keep"), ("undo", "Roll back now"), ("wait", "Look around first")],
            default="wait",
        )

    def begin(self) -> None:
        super().begin()
        self.set_focus(self.query_one(Buttons))
        self.show(self.console_app.picture)

    def show(self, picture: Picture) -> None:
        confirm = picture.status.node.confirm if picture.status else None
        if confirm is None:
            if self._seen and picture.status is not None and self.is_current:
                self._seen = False
                kept = picture.status.node.revision > self._back_to
                self.dismiss("kept" if kept else "gone")
            else:
                self.speak(["It was applied; waiting for the appliance's word."])
            return
        self._seen, self._back_to = True, confirm.revision
        self.speak(
            [
                (
                    f"Applied by {confirm.who}. If nobody keeps it within "
                    f"{count(confirm.seconds_left, 'second')}, the settings before come back by "
                    "themselves."
                ),
            ]
        )

    @on(Buttons.Pressed)
    def _pressed(self, message: Buttons.Pressed) -> None:
        self.dismiss(message.answer)


async def roll_back(app: ConsoleApp) -> Applied | None:
    """End the countdown by going back now; None: it was over already.

    Asked without a countdown, the agent would go back one revision more: a key pressed twice,
    or a moment too late, must not undo what was applied before.
    """
    status = await app.appliance.status()
    return await app.appliance.rollback() if status.node.confirm is not None else None
