# SPDX-License-Identifier: Apache-2.0
"""Real servers one at a time: read, change that one, apply on the revision read."""

from __future__ import annotations

import typer

from services.cli.common import Json, Rip, Vip, listing
from services.cli.door import door
from services.cli.edits import editing, put_server, put_service, refuse_taken, start
from services.cli.names import complete_vip, server_named, service_named
from services.cli.output import as_json, data
from services.cli.settings import Named, amended
from services.model import Document, RealServer

rip = typer.Typer(name="rip", help="Real servers.", no_args_is_help=True, rich_markup_mode=None)


@rip.command("list")
def rip_list(
    context: typer.Context,
    vip: str | None = typer.Argument(
        None, help="Only of this virtual service.", metavar="VIP", autocompletion=complete_vip
    ),
    *,
    json: Json = False,
) -> None:
    """List the real servers as configured; `ballast status` shows them live."""
    document = door(context).ask(lambda client: client.document()).document
    services = document.cluster.layer7 if vip is None else (service_named(document, vip),)
    if json:
        data(
            as_json(
                [
                    {"vip": service.label, **server.model_dump(mode="json")}
                    for service in services
                    for server in service.servers
                ]
            )
        )
        return
    rows = [
        (
            service.label,
            server.label,
            server.address,
            server.port,
            server.weight,
            server.state.value,
            server.comment,
        )
        for service in services
        for server in service.servers
    ]
    heads = ("VIP", "RIP", "ADDRESS", "PORT", "WEIGHT", "STATE", "COMMENT")
    listing(rows, heads, empty="There is no real server yet.")


@editing(rip, "add", RealServer, without=("label",), defaults=True)
def rip_add(document: Document, vip: Vip, rip: Rip, *, named: Named) -> Document:
    """Add a real server to a VIP; if it exists, change what is named and leave the rest."""
    service = service_named(document, vip)
    found = next((each for each in service.servers if each.label == rip), None)
    new = amended(RealServer, start(rip, found), named)
    return put_service(document, put_server(service, new, at=rip), at=vip)


@editing(rip, "edit", RealServer)
def rip_edit(document: Document, vip: Vip, rip: Rip, *, named: Named) -> Document:
    """Change what is named of a real server; --label renames it."""
    service = service_named(document, vip)
    new = amended(RealServer, start(rip, server_named(service, rip)), named)
    if new.label != rip:
        refuse_taken(new.label, [each.label for each in service.servers], kind="RIP")
    return put_service(document, put_server(service, new, at=rip), at=vip)


@editing(rip, "delete")
def rip_delete(document: Document, vip: Vip, rip: Rip) -> Document:
    """Delete a real server at once; `ballast drain` first lets its connections finish."""
    service = service_named(document, vip)
    gone = server_named(service, rip)
    left = tuple(each for each in service.servers if each is not gone)
    return put_service(document, service.model_copy(update={"servers": left}), at=vip)
