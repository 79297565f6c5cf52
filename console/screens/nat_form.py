# SPDX-License-Identifier: Apache-2.0
"""One 1:1 NAT entry."""

from __future__ import annotations

from typing import TYPE_CHECKING

from console import objects
from console.screens.form import Form, subject
from console.screens.service_form import fresh_id

if TYPE_CHECKING:
    from console.app import ConsoleApp

_ABOVE = "Cluster Configuration > 1:1 NAT"


class NatForm(Form):
    """The fields of an entry."""

    ABOUT = "An outside address that leads to one real server, for what is not balanced."

    @staticmethod
    def open_new(app: ConsoleApp) -> None:
        """A form for a new entry."""
        NatForm.open(app, fresh_id(), new=True)

    @staticmethod
    def open(app: ConsoleApp, entry: int, *, new: bool = False) -> None:
        """A form for that entry."""
        if not app.may():
            return

        async def go() -> None:
            about = await subject(app, objects.nat_key(entry))
            app.push_screen(NatForm(about, f"{_ABOVE} > {'New entry' if new else about.label}"))

        app.open(go, "opening the form")

    def hints(self) -> list[str]:
        return [
            "The server's default gateway must be this appliance.",
            "The outside address floats as a VIP does: no card and no service has it.",
        ]
