# SPDX-License-Identifier: Apache-2.0
"""Virtual services one at a time: read, change that one, apply on the revision read."""

from __future__ import annotations

from typing import Annotated

import typer

from services.cli.common import Json, Vip, listing
from services.cli.door import door
from services.cli.edits import (
    Edited,
    Wish,
    editing,
    put_service,
    refuse_taken,
    start,
    with_services,
)
from services.cli.layers import SERVICES, Layer, kind_words, layer_of
from services.cli.names import labelled, service_named
from services.errors import Refused
from services.model import AnyService, Document, Layer4Service
from services.model.layer4 import Protocol

vip = typer.Typer(name="vip", help="Virtual services.", no_args_is_help=True, rich_markup_mode=None)

OfLayer = Annotated[
    Layer | None,
    typer.Option(
        "--layer", help="Of a new service: 4 is the kernel's IPVS, 7 HAProxy.  [default: 7]"
    ),
]


@vip.command("list")
def vip_list(context: typer.Context, *, json: Json = False) -> None:
    """List the virtual services as configured; `ballast status` shows them live."""
    services = door(context).ask(lambda client: client.document()).document.cluster.services
    heads = ("VIP", "ADDRESSES", "PORTS", "PROTOCOL", "LAYER", "BALANCE", "PERSISTENCE", "CHECK")
    told = [
        {"layer": int(layer_of(each)), **each.model_dump(mode="json")} for each in services if json
    ]
    listing(
        map(_row, services),
        (*heads, "RIPS", "COMMENT"),
        empty="There is no virtual service yet.",
        json=told if json else None,
    )


def _row(service: AnyService) -> tuple[object, ...]:
    if isinstance(service, Layer4Service):
        by_mark = service.protocol is Protocol.MARK
        shown = (
            f"mark {service.mark}" if by_mark else service.ports,
            "" if by_mark else service.protocol.value,
            f"4 {service.forwarding.name}",
            service.scheduler.value,
            f"{service.persistence_s} s" if service.persistence_s else "none",
            service.check.kind.value,
        )
    else:
        shown = (
            service.ports,
            service.mode.value,
            "7",
            service.balance.value,
            service.persistence.value,
            service.check.kind.value,
        )
    addresses = ", ".join(map(str, service.addresses))
    return (service.label, addresses, *shown, len(service.servers), service.comment)


@editing(vip, "add", SERVICES, without=("label",), defaults=True)
def vip_add(document: Document, vip: Vip, *, layer: OfLayer = None, wish: Wish) -> Edited:
    """Add a virtual service; if it exists, change what is named and leave the rest."""
    found = labelled(document.cluster.services, vip)
    if found is None:
        kind = SERVICES[layer or Layer.SEVEN]
    elif layer in (None, layer_of(found)):
        kind = type(found)
    else:
        raise Refused(
            f"{found.label} is {kind_words(type(found))}, and stays one.",
            do="Leave out --layer, or choose another label.",
        )
    new = wish.made(kind, start(vip, found))
    return Edited(put_service(document, new, at=vip), vip)


@editing(vip, "edit", SERVICES)
def vip_edit(document: Document, vip: Vip, *, wish: Wish) -> Edited:
    """Change what is named of a virtual service; --label renames it and breaks no connection."""
    found = service_named(document, vip)
    new = wish.made(type(found), start(vip, found))
    if new.label != vip:
        refuse_taken(new.label, _labels(document), kind="VIP")
    return Edited(put_service(document, new, at=vip), new.label)


@editing(vip, "clone", SERVICES, without=("label",))
def vip_clone(
    document: Document,
    vip: Vip,
    new: str = typer.Argument(help="Label of the copy.", metavar="NEW"),
    *,
    wish: Wish,
) -> Edited:
    """Copy a virtual service with its real servers; name what the copy has otherwise."""
    found = service_named(document, vip)
    refuse_taken(new, _labels(document), kind="VIP")
    copy = start(vip, found) | {"id": 0, "label": new}
    if "mark" in copy:
        copy["mark"] = 0  # each service has its own
    for server in copy["servers"]:
        server["id"] = 0
    return Edited(put_service(document, wish.made(type(found), copy), at=new), new)


@editing(vip, "delete")
def vip_delete(document: Document, vip: Vip) -> Edited:
    """Delete a virtual service and its real servers; their connections end."""
    gone = service_named(document, vip)
    left = (each for each in document.cluster.services if each is not gone)
    return Edited(with_services(document, left), vip)


def _labels(document: Document) -> list[str]:
    return [each.label for each in document.cluster.services]
