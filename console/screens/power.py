# SPDX-License-Identifier: Apache-2.0
"""Power: restart or shut down the machine, with what that costs and a typed reason.

The reason is asked for because it is the first question of whoever finds the unit gone, and
because nobody types one by accident.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from textual import on
from textual.widget import Widget

from console.screens.dialog import Choice, Dialog, Pick
from console.widgets.field import TextField
from console.wording import count
from services.api import PowerAction, PowerRequest, Status

if TYPE_CHECKING:
    from console.app import ConsoleApp

LONGEST = 200

_WORDS = {
    PowerAction.RESTART: ("Restart", "It is back in a minute or two."),
    PowerAction.SHUT_DOWN: (
        "Shut down",
        "It stays off until somebody switches it on, at the machine or in the hypervisor.",
    ),
}


def consequences(status: Status | None) -> list[str]:
    """What either of the two does to traffic and to a change that waits."""
    if status is None:
        return ["The agent is silent, so nobody knows what that does to traffic."]
    node = status.node
    told = []
    if status.services:
        many = count(node.connections, "connection")
        other = "the peer takes over" if node.link == "up" else "nobody takes over"
        told.append(f"{count(len(status.services), 'VIP')} with {many} go down; {other}.")
    if node.confirm is not None:
        told.append("The change that waits to be kept is rolled back by it.")
    return told or ["No service runs here yet."]


class Reason(Dialog[str]):
    """Why; None after Esc."""

    ABOUT = "The reason stands in the journal, with the account. Enter goes on, Esc leaves it."

    def __init__(self, action: PowerAction) -> None:
        title, after = _WORDS[action]
        super().__init__(
            f"{title} the machine",
            [after, "", "Type the reason, then Enter. Esc leaves it running."],
            alarm=True,
        )

    def compose_body(self) -> Iterable[Widget]:
        yield TextField("Reason", name="why", label_width=8)

    def begin(self) -> None:
        self.set_focus(self.query_one(TextField))

    @on(TextField.Submitted)
    def _typed(self, message: TextField.Submitted) -> None:
        why = message.field.value.strip()
        if not why:
            message.field.refuse(["There is no reason yet: it stands in the journal."])
        elif len(why) > LONGEST:
            message.field.refuse([f"It is longer than {LONGEST} signs; shorten it."])
        else:
            self.dismiss(why)


async def power(app: ConsoleApp) -> None:
    """Ask what and why, and have it done."""
    choices = [
        Choice("restart", "r", "Restart"),
        Choice("shut_down", "s", "Shut down and switch off"),
        Choice("cancel", "c", "Cancel"),
    ]
    words = consequences(app.picture.status)
    picked = await app.push_screen_wait(Pick("Power", choices, words, default="cancel"))
    if picked in (None, "cancel"):
        return
    action = PowerAction(picked)
    why = await app.push_screen_wait(Reason(action))
    if why is None:
        app.say("The machine runs on.", bad=False)
        return
    await app.appliance.power(PowerRequest(action=action, why=why))
    does = "restarts" if action is PowerAction.RESTART else "shuts down"
    app.say(f"The machine {does} now.", bad=False)
