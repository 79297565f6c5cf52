# SPDX-License-Identifier: Apache-2.0
"""Real servers one at a time: read, change that one, apply on the revision read."""

from __future__ import annotations

import typer

from services.cli.common import Json, Rip, Vip, listing
from services.cli.door import door
from services.cli.edits import Edited, Wish, editing, put_server, put_service, refuse_taken, start
from services.cli.layers import SERVERS, layer_of
from services.cli.names import complete_vip, labelled, server_named, service_named
from services.model import AnyService, Document, Server

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
    services = document.cluster.services if vip is None else (service_named(document, vip),)
    pairs = [(service, server) for service in services for server in service.servers]
    heads = ("VIP", "RIP", "ADDRESS", "PORT", "WEIGHT", "STATE", "COMMENT")
    told = [
        {"vip": service.label, **server.model_dump(mode="json")}
        for service, server in pairs
        if json
    ]
    listing(
        (_row(*pair) for pair in pairs),
        heads,
        empty="There is no real server yet.",
        json=told if json else None,
    )


def _row(service: AnyService, server: Server) -> tuple[object, ...]:
    return (
        service.label,
        server.label,
        server.address,
        # in layer 4 there may be none: then it is the port that the client chose
        server.port or "",
        server.weight,
        server.state.value,
        server.comment,
    )


@editing(rip, "add", SERVERS, without=("label",), defaults=True)
def rip_add(document: Document, vip: Vip, rip: Rip, *, wish: Wish) -> Edited:
    """Add a real server to a VIP; if it exists, change what is named and leave the rest."""
    service = service_named(document, vip)
    return _changed(document, service, labelled(service.servers, rip), rip, wish)


@editing(rip, "edit", SERVERS)
def rip_edit(document: Document, vip: Vip, rip: Rip, *, wish: Wish) -> Edited:
    """Change what is named of a real server; --label renames it."""
    service = service_named(document, vip)
    return _changed(document, service, server_named(service, rip), rip, wish)


def _changed(
    document: Document, service: AnyService, found: Server | None, label: str, wish: Wish
) -> Edited:
    new = wish.made(SERVERS[layer_of(service)], start(label, found))
    if new.label != label:
        refuse_taken(new.label, [each.label for each in service.servers], kind="RIP")
    changed = put_server(service, new, at=label)
    return Edited(put_service(document, changed, at=service.label), service.label, new.label)


@editing(rip, "delete")
def rip_delete(document: Document, vip: Vip, rip: Rip) -> Edited:
    """Delete a real server at once; `ballast drain` first lets its connections finish."""
    service = service_named(document, vip)
    gone = server_named(service, rip)
    left = tuple(each for each in service.servers if each is not gone)
    changed = service.model_copy(update={"servers": left})
    return Edited(put_service(document, changed, at=vip), vip)
