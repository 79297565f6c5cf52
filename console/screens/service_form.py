# SPDX-License-Identifier: Apache-2.0
"""Virtual services (VIP) of both layers."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, ClassVar

from console import fields, objects, theme
from console.screens.form import Form, Subject, subject
from console.screens.overview import Overview
from services.model import CheckProtocol, CheckType, Feedback, Forwarding, Layer4Check
from services.model.checks import uses
from services.model.layer4 import Protocol

if TYPE_CHECKING:
    from console.app import ConsoleApp

LARGEST_ID = 2**31 - 1


def fresh_id() -> int:
    """A permanent id; random, so that two consoles do not pick the same one."""
    return secrets.randbelow(LARGEST_ID) + 1


class ServiceForm(Form):
    """The fields of a layer 7 service; its real servers have forms of their own."""

    ABOUT = "A layer 7 virtual service: the addresses and ports that clients connect to."
    LAYER: ClassVar[str] = "layer7"
    NAME: ClassVar[str] = "Layer 7"

    @classmethod
    def open_new(cls, app: ConsoleApp) -> None:
        """A form for a new service."""
        if not app.may():
            return

        async def go() -> None:
            about = await subject(app, objects.service_key(fresh_id(), cls.LAYER))
            app.push_screen(cls(about, f"{cls.NAME} - New virtual service"))

        app.open(go, "opening the form")

    @classmethod
    def open(cls, app: ConsoleApp, service: int) -> None:
        """A form for that service."""
        if not app.may():
            return

        async def go() -> None:
            about = await subject(app, objects.service_key(service, cls.LAYER))
            app.push_screen(cls(about, f"{cls.NAME} - Virtual service {about.label}"))

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


class Layer4ServiceForm(ServiceForm):
    """The fields of a layer 4 service."""

    ABOUT = (
        "A layer 4 virtual service, carried by the kernel. DR and TUN leave the packet as it came: "
        "each real server has the VIP on its loopback, does not answer ARP for it, and answers the "
        "client itself. With NAT the servers' gateway is this appliance; SNAT asks nothing of "
        "them, and they see the appliance's address instead of the client's."
    )
    LAYER = "layer4"
    NAME = "Layer 4"

    def idle(self) -> set[str]:
        check = Layer4Check.model_construct(
            kind=CheckType(self.value_of("check.kind")),
            protocol=CheckProtocol(self.value_of("check.protocol")),
            feedback=Feedback(self.value_of("check.feedback")),
        )
        found = {f"check.{name}" for name in Layer4Check.model_fields if not uses(check, name)}
        if self.value_of("protocol") != Protocol.MARK:
            found.add("mark")
        if self.value_of("forwarding") != Forwarding.TUN:
            found |= {"tunnel", "tunnel_port"}
        return found

    def hints(self) -> list[str]:
        method = self.value_of("forwarding")
        return [*super().hints(), *filter(None, [_METHODS.get(method, "")])]


_METHODS = {
    "dr": "DR: each real server needs the VIP on its loopback and must not answer ARP for it.",
    "tun": "TUN: each real server unwraps the tunnel, and needs the VIP on its loopback.",
    "nat": "NAT: the real servers' gateway must be this appliance.",
    "snat": "SNAT: the real servers see this appliance's address, not the client's.",
}


def form_of(layer: str) -> type[ServiceForm]:
    """The form for services of that layer."""
    return Layer4ServiceForm if layer == Layer4ServiceForm.LAYER else ServiceForm


def with_default(about: Subject, **values: object) -> Subject:
    """The subject with other values to begin with."""
    changed = fields.defaults(about.key.model) | about.values | values
    return Subject(about.key, about.before, changed, about.document, about.label)
