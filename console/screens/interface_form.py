# SPDX-License-Identifier: Apache-2.0
"""One network card's addresses and MTU."""

from __future__ import annotations

from typing import TYPE_CHECKING

from console import objects
from console.screens.form import COUNTDOWN, Form, subject
from services.api import AccessRole

if TYPE_CHECKING:
    from console.app import ConsoleApp


class InterfaceForm(Form):
    """The fields of a card; its name is what it is."""

    ABOUT = "Addresses of one network card of this unit. VIPs are not among them."
    WITHOUT = ("name",)
    ROLES = (AccessRole.SETUP,)

    @staticmethod
    def open(app: ConsoleApp, name: str) -> None:
        """The form for that card."""

        async def go() -> None:
            about = await subject(app, objects.interface_key(name))
            app.push_screen(InterfaceForm(about, f"Local Configuration > Network > {name}"))

        app.open(go, "opening the form")

    def hints(self) -> list[str]:
        return [COUNTDOWN]
