# SPDX-License-Identifier: Apache-2.0
"""Virtual services (VIP) of both layers."""

from __future__ import annotations

import secrets
from functools import partial
from typing import TYPE_CHECKING, ClassVar

from console import fields, objects, stored, theme
from console.fields import FieldSpec
from console.keymap import bindings
from console.screens.form import Form, Subject, subject
from console.screens.overview import Overview
from console.screens.store_form import StoreForm
from console.widgets.field import ChoiceField, Field
from services.api import StoredKind
from services.check.hints import far
from services.model import CheckProtocol, CheckType, Feedback, Forwarding, Layer4Check
from services.model.checks import uses
from services.model.layer4 import HASHING, Protocol, Tunnel, TunnelChecksum

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
            await cls._show(app, about, f"{cls.NAME} - New virtual service")

        app.open(go, "opening the form")

    @classmethod
    def open(cls, app: ConsoleApp, service: int) -> None:
        """A form for that service."""
        if not app.may():
            return

        async def go() -> None:
            about = await subject(app, objects.service_key(service, cls.LAYER))
            await cls._show(app, about, f"{cls.NAME} - Virtual service {about.label}")

        app.open(go, "opening the form")

    @classmethod
    async def _show(cls, app: ConsoleApp, about: Subject, title: str) -> None:
        app.push_screen(cls(about, title))

    def updated(self, label: str) -> None:
        super().updated(label)
        home = self.console_app.screen_stack[0]
        if self.subject.before is None and isinstance(home, Overview):
            home.point_at(self.subject.key.ids)
            home.say(f"{label} is among the pending changes. n adds its servers.", theme.GOOD)

    def hints(self) -> list[str]:
        if found := self._far():
            return found
        if self.subject.before is None:
            return ["Real servers come next: n on the service's row, once this is updated."]
        return []

    def _far(self) -> list[str]:
        """That a VIP as typed lies in no network of the unit, while the person types it."""
        local = self.subject.document.local
        typed = map(fields.address_in, self.value_of("addresses").split(","))
        away = [str(vip) for vip in typed if vip is not None and far(vip, local)]
        words = "in no network of this unit's interfaces; a router must send it here."
        return [f"{', '.join(away)}: {words}"] if away else []


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
    FOOTER = ("help", "submit", "next_field", "previous_field", "store_new", "back")
    KEYS = ("submit", "next_field", "previous_field", "store_new", "back")
    BINDINGS = bindings("store_new")

    def __init__(self, about: Subject, title: str, files: stored.Files) -> None:
        """`files`: what is stored, for the fields that name such a file."""
        super().__init__(about, title)
        self._files = files

    @classmethod
    async def _show(cls, app: ConsoleApp, about: Subject, title: str) -> None:
        files = {kind: await app.appliance.stored(kind) for kind in StoredKind}
        app.push_screen(cls(about, title, files))

    def _field(self, spec: FieldSpec) -> Field:
        kind = _STORED.get(spec.name)
        if kind is None:
            return super()._field(spec)
        name = str(spec.shown(fields.value_at(self.subject.values, spec.path)))
        options = stored.options(self._files[kind], name)
        return ChoiceField(spec.title, name, options=options, name=spec.name, hint=spec.hint)

    def action_store_new(self) -> None:
        kind = self._stored_kind
        if kind is None:
            self.say("Go to the field Password or Script of the check first.", theme.WARNING)
            return

        def then(name: str) -> None:
            self.console_app.ask(partial(self._choose, kind, name), "reading what is stored")

        StoreForm.open(self.console_app, kind, then=then)

    async def _choose(self, kind: StoredKind, name: str) -> None:
        """What was just stored is what the field names from now on."""
        files = await self.console_app.appliance.stored(kind)
        for field in self.query(ChoiceField):
            if _STORED.get(field.name or "") is kind:
                field.offer(stored.options(files, name), name)

    @property
    def _stored_kind(self) -> StoredKind | None:
        """What the focused field names; None: no stored file."""
        return _STORED.get((self.focused and self.focused.name) or "")

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
            found |= {"tunnel", "tunnel_port", "tunnel_checksum"}
        elif self.value_of("tunnel") == Tunnel.IPIP:
            found |= self._unused("tunnel_checksum", TunnelChecksum.NONE)
        if self.value_of("scheduler") not in HASHING:
            found |= self._unused("hash_port", "False") | self._unused("hash_fallback", "False")
        return found

    def _unused(self, name: str, off: str) -> set[str]:
        """The field, unless it is on: it would be refused, and must be seen to be put right."""
        return {name} if self.value_of(name) == off else set()

    def hints(self) -> list[str]:
        if (kind := self._stored_kind) is not None:
            return [f"F4 stores a new {kind.value}. All of them: {stored.WHERE}."]
        if found := self._far():
            return found
        method = self.value_of("forwarding")
        return [*super().hints(), *filter(None, [_METHODS.get(method, "")])]


_STORED = {f"check.{kind.field}": kind for kind in StoredKind}
"""Fields that name a stored file."""

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
