# SPDX-License-Identifier: Apache-2.0
"""Settings of all layer 4 services: the guide's Layer 4 - Advanced Configuration."""

from __future__ import annotations

from typing import TYPE_CHECKING

from console import objects
from console.screens.form import Form, subject

if TYPE_CHECKING:
    from console.app import ConsoleApp


class Layer4AdvancedForm(Form):
    """The fields that no single service has."""

    ABOUT = "Settings that all layer 4 services share."

    @staticmethod
    def open(app: ConsoleApp) -> None:
        """The form."""
        if not app.may():
            return

        async def go() -> None:
            about = await subject(app, objects.LAYER4_ADVANCED)
            app.push_screen(Layer4AdvancedForm(about, "Cluster Configuration > Layer 4 - advanced"))

        app.open(go, "opening the form")

    def hints(self) -> list[str]:
        if self.value_of("auto_nat"):
            card = self.value_of("auto_nat")
            return [f"Real servers whose gateway is this appliance get out by {card}."]
        return []
