# SPDX-License-Identifier: Apache-2.0
"""Real servers (RIP) of both layers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from console import objects
from console.screens.form import Form, subject
from console.screens.service_form import form_of, fresh_id, with_default
from services.model import Layer4Service, Model, VirtualService
from services.model.base import port_ranges
from services.model.layer4 import DIRECT

if TYPE_CHECKING:
    from console.app import ConsoleApp


class ServerForm(Form):
    """The fields of a real server that has a port of its own."""

    ABOUT = "A real server that answers for the virtual service."

    @staticmethod
    def open_new(app: ConsoleApp, service: int, layer: str) -> None:
        """A form for a new server of that service; it begins with the service's first port."""
        if not app.may():
            return

        async def go() -> None:
            about = await subject(app, objects.server_key(service, fresh_id(), layer))
            owner = objects.find(about.document, about.key.owner)
            if isinstance(owner, VirtualService):
                about = with_default(about, port=port_ranges(owner.ports)[0][0])
            name = getattr(owner, "label", "")
            form = _form(owner)
            app.push_screen(form(about, f"{form_of(layer).NAME} - New real server in {name}"))

        app.open(go, "opening the form")

    @staticmethod
    def open(app: ConsoleApp, service: int, server: int, layer: str) -> None:
        """A form for that server."""
        if not app.may():
            return

        async def go() -> None:
            about = await subject(app, objects.server_key(service, server, layer))
            form = _form(objects.find(about.document, about.key.owner))
            app.push_screen(form(about, f"{form_of(layer).NAME} - Real server {about.label}"))

        app.open(go, "opening the form")

    def hints(self) -> list[str]:
        if self.value_of("weight").strip() == "0":
            return ["Weight 0 takes no new connections; that is what drain does, too."]
        return []


class DirectServerForm(ServerForm):
    """The fields of a server that gets packets as they came: it has no port of its own."""

    ABOUT = "A real server that answers the client itself, on the virtual service's own port."
    WITHOUT = ("port",)


def _form(owner: Model | None) -> type[ServerForm]:
    direct = isinstance(owner, Layer4Service) and owner.forwarding in DIRECT
    return DirectServerForm if direct else ServerForm
