# SPDX-License-Identifier: Apache-2.0
"""Layer 7 real server (RIP)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from console import objects
from console.screens.form import Form, subject
from console.screens.service_form import fresh_id, with_default
from services.model import VirtualService
from services.model.base import port_ranges

if TYPE_CHECKING:
    from console.app import ConsoleApp


class ServerForm(Form):
    """The fields of a real server."""

    ABOUT = "A real server that answers for the virtual service."

    @staticmethod
    def open_new(app: ConsoleApp, service: int) -> None:
        """A form for a new server of that service; it begins with the service's first port."""
        if not app.may():
            return

        async def go() -> None:
            about = await subject(app, objects.server_key(service, fresh_id()))
            owner = objects.find(about.document, objects.service_key(service))
            name = owner.label if isinstance(owner, VirtualService) else ""
            if isinstance(owner, VirtualService):
                about = with_default(about, port=port_ranges(owner.ports)[0][0])
            app.push_screen(ServerForm(about, f"Layer 7 - New real server in {name}"))

        app.open(go, "opening the form")

    @staticmethod
    def open(app: ConsoleApp, service: int, server: int) -> None:
        """A form for that server."""
        if not app.may():
            return

        async def go() -> None:
            about = await subject(app, objects.server_key(service, server))
            app.push_screen(ServerForm(about, f"Layer 7 - Real server {about.label}"))

        app.open(go, "opening the form")

    def hints(self) -> list[str]:
        if self.value_of("weight").strip() == "0":
            return ["Weight 0 takes no new connections; that is what drain does, too."]
        return []
