# SPDX-License-Identifier: Apache-2.0
"""This unit's name, role, gateways and name servers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from console import objects
from console.screens.form import COUNTDOWN, Form, subject
from services.api import AccessRole

if TYPE_CHECKING:
    from console.app import ConsoleApp


class LocalForm(Form):
    """The local half without its network cards."""

    ABOUT = "What belongs to this unit alone and is never copied to its peer."
    ROLES = (AccessRole.SETUP,)

    @staticmethod
    def open(app: ConsoleApp) -> None:
        """The form."""

        async def go() -> None:
            about = await subject(app, objects.LOCAL)
            app.push_screen(LocalForm(about, "Local Configuration > Hostname, DNS and gateways"))

        app.open(go, "opening the form")

    def hints(self) -> list[str]:
        return [COUNTDOWN]
