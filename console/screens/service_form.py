# SPDX-License-Identifier: Apache-2.0
"""Layer 7 virtual service (VIP)."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

from console import fields, objects, theme
from console.screens.form import Form, Subject, subject
from console.screens.overview import Overview

if TYPE_CHECKING:
    from console.app import ConsoleApp

LARGEST_ID = 2**31 - 1


def fresh_id() -> int:
    """A permanent id; random, so that two consoles do not pick the same one."""
    return secrets.randbelow(LARGEST_ID) + 1


class ServiceForm(Form):
    """The fields of a virtual service; its real servers have forms of their own."""

    ABOUT = "A layer 7 virtual service: the addresses and ports that clients connect to."

    @staticmethod
    def open_new(app: ConsoleApp) -> None:
        """A form for a new service."""
        if not app.may():
            return

        async def go() -> None:
            about = await subject(app, objects.service_key(fresh_id()))
            app.push_screen(ServiceForm(about, "Layer 7 - New virtual service"))

        app.open(go, "opening the form")

    @staticmethod
    def open(app: ConsoleApp, service: int) -> None:
        """A form for that service."""
        if not app.may():
            return

        async def go() -> None:
            about = await subject(app, objects.service_key(service))
            app.push_screen(ServiceForm(about, f"Layer 7 - Virtual service {about.label}"))

        app.open(go, "opening the form")

    def updated(self, label: str) -> None:
        super().updated(label)
        home = self.console_app.screen_stack[0]
        if self.subject.before is None and isinstance(home, Overview):
            home.point_at(self.subject.key.ids)
            home.say(f"{label} is among the pending changes. n adds its servers.", theme.GOOD)

    def hints(self) -> list[str]:
        if self.subject.before is None:
            return ["Real servers come next: n on the service's row, once this is updated."]
        return []


def with_default(about: Subject, **values: object) -> Subject:
    """The subject with other values to begin with."""
    changed = fields.defaults(about.key.model) | about.values | values
    return Subject(about.key, about.before, changed, about.document, about.label)
