# SPDX-License-Identifier: Apache-2.0
"""Virtual services one at a time: read, change that one, apply on the revision read."""

from __future__ import annotations

import typer

from services.cli.common import Json, Vip, listing
from services.cli.door import door
from services.cli.edits import editing, put_service, refuse_taken, start, with_services
from services.cli.names import service_named
from services.cli.output import as_json, data
from services.cli.settings import Named, amended
from services.model import Document, VirtualService

vip = typer.Typer(name="vip", help="Virtual services.", no_args_is_help=True, rich_markup_mode=None)


@vip.command("list")
def vip_list(context: typer.Context, *, json: Json = False) -> None:
    """List the virtual services as configured; `ballast status` shows them live."""
    services = door(context).ask(lambda client: client.document()).document.cluster.layer7
    if json:
        data(as_json(services))
        return
    rows = [
        (
            each.label,
            ", ".join(map(str, each.addresses)),
            each.ports,
            each.mode.value,
            each.balance.value,
            each.persistence.value,
            each.check.kind.value,
            len(each.servers),
            each.comment,
        )
        for each in services
    ]
    heads = ("VIP", "ADDRESSES", "PORTS", "MODE", "BALANCE", "PERSISTENCE", "CHECK", "RIPS")
    listing(rows, (*heads, "COMMENT"), empty="There is no virtual service yet.")


@editing(vip, "add", VirtualService, without=("label",), defaults=True)
def vip_add(document: Document, vip: Vip, *, named: Named) -> Document:
    """Add a virtual service; if it exists, change what is named and leave the rest."""
    found = next((each for each in document.cluster.layer7 if each.label == vip), None)
    new = amended(VirtualService, start(vip, found), named)
    return put_service(document, new, at=vip)


@editing(vip, "edit", VirtualService)
def vip_edit(document: Document, vip: Vip, *, named: Named) -> Document:
    """Change what is named of a virtual service; --label renames it and breaks no connection."""
    found = service_named(document, vip)
    new = amended(VirtualService, start(vip, found), named)
    if new.label != vip:
        refuse_taken(new.label, [each.label for each in document.cluster.layer7], kind="VIP")
    return put_service(document, new, at=vip)


@editing(vip, "clone", VirtualService, without=("label",))
def vip_clone(
    document: Document,
    vip: Vip,
    new: str = typer.Argument(help="Label of the copy.", metavar="NEW"),
    *,
    named: Named,
) -> Document:
    """Copy a virtual service with its real servers; name what the copy has otherwise."""
    found = service_named(document, vip)
    refuse_taken(new, [each.label for each in document.cluster.layer7], kind="VIP")
    copy = start(vip, found) | {"id": 0, "label": new}
    for server in copy["servers"]:
        server["id"] = 0
    return put_service(document, amended(VirtualService, copy, named), at=new)


@editing(vip, "delete")
def vip_delete(document: Document, vip: Vip) -> Document:
    """Delete a virtual service and its real servers; their connections end."""
    gone = service_named(document, vip)
    return with_services(
        document, tuple(each for each in document.cluster.layer7 if each is not gone)
    )
