# SPDX-License-Identifier: Apache-2.0
"""The document as objects with keys, the way drafts travel: found, put and removed as values.

A service is an object without its servers, the unit one without its interfaces: each of
those is an object of its own, so that two people may edit side by side.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from pydantic import ValidationError

from services.api import Edit
from services.model import (
    LAYERS,
    NAT,
    AnyService,
    Document,
    Interface,
    Layer4Advanced,
    Layer4Server,
    Layer4Service,
    Local,
    Model,
    NatEntry,
    RealServer,
    Server,
    VirtualService,
)

Object = dict[str, Any]
"""One object as JSON, without the objects inside it."""

Place = tuple[str | int, ...]

_Model = TypeVar("_Model", bound=Model)

CHILDREN: Mapping[type[Model], str] = {
    Layer4Service: "servers",
    VirtualService: "servers",
    Local: "interfaces",
}
"""The field of a model that holds objects of their own."""


_KINDS: Mapping[type[Model], str] = {
    Layer4Service: "virtual service",
    VirtualService: "virtual service",
    Layer4Server: "real server",
    RealServer: "real server",
    NatEntry: "1:1 NAT",
    Layer4Advanced: "all of layer 4",
}


@dataclass(frozen=True)
class Key:
    """Names an object: `layer7/7`, `layer7/7/3`, `layer4/8`, `nat/9`, `local`, `local/eth0`,
    `layer4_advanced`.
    """

    text: str

    @property
    def parts(self) -> tuple[str, ...]:
        """The pieces between the slashes."""
        return tuple(self.text.split("/"))

    @property
    def model(self) -> type[Model]:
        """What the object is."""
        match self.parts:
            case ("layer4", _):
                return Layer4Service
            case ("layer4", _, _):
                return Layer4Server
            case ("layer7", _):
                return VirtualService
            case ("layer7", _, _):
                return RealServer
            case ("nat", _):
                return NatEntry
            case ("layer4_advanced",):
                return Layer4Advanced
            case ("local",):
                return Local
            case _:
                return Interface

    @property
    def kind(self) -> str:
        """What people call an object like this."""
        return _KINDS.get(self.model, "this unit")

    @property
    def is_service(self) -> bool:
        """Whether it names a service, or a server of one."""
        return self.parts[0] in LAYERS

    @property
    def owner(self) -> Key:
        """Key of the service that a server belongs to; a service's own."""
        return Key("/".join(self.parts[:2]))

    @property
    def ids(self) -> tuple[int, int]:
        """Ids of service and server; 0 for a service's own key."""
        _, service, *server = self.parts
        return int(service), int(server[0]) if server else 0


def service_key(service: int, layer: str = "layer7") -> Key:
    """Key of a virtual service."""
    return Key(f"{layer}/{service}")


def server_key(service: int, server: int, layer: str = "layer7") -> Key:
    """Key of a real server."""
    return Key(f"{layer}/{service}/{server}")


def nat_key(entry: int) -> Key:
    """Key of a 1:1 NAT entry."""
    return Key(f"{NAT}/{entry}")


LOCAL = Key("local")
LAYER4_ADVANCED = Key("layer4_advanced")


def interface_key(name: str) -> Key:
    """Key of a network card."""
    return Key(f"local/{name}")


def bare(model: Model) -> Object:
    """The object as it travels: JSON without the objects inside it."""
    child = CHILDREN.get(type(model))
    return model.model_dump(mode="json", exclude={child} if child else None)


def place_of(document: Document, key: Key) -> Place | None:
    """Where the object stands, as problems name it; None: nowhere."""
    match key.parts:
        case ("local",):
            return ("local",)
        case ("local", name):
            names: list[str] = [card.name for card in document.local.interfaces]
            return ("local", "interfaces", names.index(name)) if name in names else None
        case ("layer4_advanced",):
            return ("cluster", "layer4_advanced")
        case ("nat", number):
            ids = [entry.id for entry in document.cluster.nat]
            return ("cluster", NAT, ids.index(int(number))) if int(number) in ids else None
    service, server = key.ids
    layer = key.parts[0]
    for index, found in enumerate(getattr(document.cluster, layer)):
        if found.id == service:
            if not server:
                return ("cluster", layer, index)
            ids = [one.id for one in found.servers]
            if server in ids:
                return ("cluster", layer, index, "servers", ids.index(server))
    return None


def find(document: Document, key: Key) -> Model | None:
    """The object; None: there is none."""
    place = place_of(document, key)
    found: Any = document
    for step in place or ():
        found = found[step] if isinstance(step, int) else getattr(found, step)
    return found if place is not None else None


def find_bare(document: Document, key: Key) -> Object | None:
    """The object as it travels; None: there is none."""
    found = find(document, key)
    return bare(found) if found is not None else None


def label_of(document: Document, key: Key) -> str:
    """How people call it: `web`, `web/web1`, `this unit`, `eth0`."""
    match key.parts:
        case ("local",):
            return "this unit"
        case ("local", name):
            return name
        case ("layer4_advanced",):
            return "Layer 4 - advanced"
    service, server = key.ids
    owner = find(document, key.owner)
    found = find(document, key)
    name = getattr(found, "label", key.text)
    return f"{getattr(owner, 'label', service)}/{name}" if server else str(name)


def put(document: Document, key: Key, model: Model) -> Document:
    """`document` with the object in its place, at the end if it is new; children stay."""
    match model:
        case Local():
            kept = model.model_copy(update={"interfaces": document.local.interfaces})
            return document.model_copy(update={"local": kept})
        case Interface():
            cards = _with(document.local.interfaces, model, lambda card: card.name)
            local = document.local.model_copy(update={"interfaces": cards})
            return document.model_copy(update={"local": local})
        case NatEntry():
            entries = _with(document.cluster.nat, model, lambda entry: entry.id)
            return _with_cluster(document, nat=entries)
        case Layer4Advanced():
            return _with_cluster(document, layer4_advanced=model)
        case VirtualService() | Layer4Service():
            old = find(document, key)
            servers = old.servers if isinstance(old, VirtualService | Layer4Service) else ()
            return _with_service(document, model.model_copy(update={"servers": servers}))
        case RealServer() | Layer4Server():
            owner = find(document, key.owner)
            if isinstance(owner, VirtualService | Layer4Service):
                new = _with_server(owner.servers, model)
                return _with_service(document, owner.model_copy(update={"servers": new}))
    return document


def _with_cluster(document: Document, **fields: object) -> Document:
    cluster = document.cluster.model_copy(update=fields)
    return document.model_copy(update={"cluster": cluster})


def _with_server(servers: Sequence[Server], new: Server) -> tuple[Server, ...]:
    return _with(servers, new, lambda server: server.id)


def _with_service(document: Document, service: AnyService) -> Document:
    services = _with(document.cluster.services, service, lambda one: one.id)
    return document.model_copy(update={"cluster": document.cluster.with_services(services)})


def _with(
    found: Sequence[_Model], new: _Model, name: Callable[[_Model], Hashable]
) -> tuple[_Model, ...]:
    if any(name(one) == name(new) for one in found):
        return tuple(new if name(one) == name(new) else one for one in found)
    return (*found, new)


def remove(document: Document, key: Key) -> Document:
    """`document` without the object and what is in it; what is always there or missing stays."""
    match key.parts:
        case ("local",) | ("layer4_advanced",):
            return document
        case ("local", name):
            cards = tuple(card for card in document.local.interfaces if card.name != name)
            local = document.local.model_copy(update={"interfaces": cards})
            return document.model_copy(update={"local": local})
        case ("nat", number):
            kept = tuple(entry for entry in document.cluster.nat if entry.id != int(number))
            return _with_cluster(document, nat=kept)
    service, server = key.ids
    if not server:
        services = (one for one in document.cluster.services if one.id != service)
        cluster = document.cluster.with_services(services)
        return document.model_copy(update={"cluster": cluster})
    owner = find(document, key.owner)
    if isinstance(owner, VirtualService | Layer4Service):
        servers = tuple(one for one in owner.servers if one.id != server)
        return _with_service(document, owner.model_copy(update={"servers": servers}))
    return document


def with_edits(document: Document, edits: Iterable[Edit]) -> Document:
    """`document` as the edits would have it, whoever else changed the same objects.

    For judging a form while the draft clashes; what does not pass the model is left out.
    """
    for edit in edits:
        key = Key(edit.key)
        if edit.after is None:
            document = remove(document, key)
            continue
        try:
            document = put(document, key, key.model.model_validate(edit.after))
        except ValidationError:
            continue
    return document
