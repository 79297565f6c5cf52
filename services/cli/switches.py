# SPDX-License-Identifier: Apache-2.0
"""Drain, halt, online and weight: the run-time knobs, open to operators too.

Each server is set by a call of its own, since an operator may turn these knobs but not
apply a document. Each is said as it is done, so that after a failure in the middle it is
clear which were.
"""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING, Annotated

import typer

from services.cli.common import Json, Rip, Vip, Why
from services.cli.door import door
from services.cli.names import (
    complete_address,
    complete_rip,
    complete_vip,
    server_named,
    service_named,
)
from services.cli.output import as_json, data, say
from services.cli.settings import amended
from services.errors import NotFound

if TYPE_CHECKING:
    from services.api import Applied, KnobRequest
    from services.client import Client
    from services.model import Document, RealServer, VirtualService

SomeVip = Annotated[
    str | None,
    typer.Argument(help="Label of a virtual service.", metavar="VIP", autocompletion=complete_vip),
]
SomeRip = Annotated[
    str | None,
    typer.Argument(
        help="Label of one of its real servers.", metavar="RIP", autocompletion=complete_rip
    ),
]
Every = Annotated[bool, typer.Option("--all", help="Every real server of the VIP.")]
At = Annotated[
    str | None,
    typer.Option(
        "--address",
        help="The real servers with this address, in every VIP.",
        metavar="ADDRESS",
        autocompletion=complete_address,
    ),
]


def drain(
    context: typer.Context,
    vip: SomeVip = None,
    rip: SomeRip = None,
    *,
    every: Every = False,
    address: At = None,
    why: Why = "",
    json: Json = False,
) -> None:
    """Give a real server no new connections.

    It finishes those it has.
    """
    _turn(context, "drain", vip, rip, every=every, address=address, why=why, json=json)


def halt(
    context: typer.Context,
    vip: SomeVip = None,
    rip: SomeRip = None,
    *,
    every: Every = False,
    address: At = None,
    why: Why = "",
    json: Json = False,
) -> None:
    """Take a real server offline at once; its connections end."""
    _turn(context, "halt", vip, rip, every=every, address=address, why=why, json=json)


def online(
    context: typer.Context,
    vip: SomeVip = None,
    rip: SomeRip = None,
    *,
    every: Every = False,
    address: At = None,
    why: Why = "",
    json: Json = False,
) -> None:
    """Bring a real server back into its VIP."""
    _turn(context, "online", vip, rip, every=every, address=address, why=why, json=json)


def weight(
    context: typer.Context,
    vip: Vip,
    rip: Rip,
    number: Annotated[str, typer.Argument(help="0 to 256.", metavar="N")],
    *,
    why: Why = "",
    json: Json = False,
) -> None:
    """Set a real server's share of the new connections."""
    from services.api import KnobRequest
    from services.model import RealServer

    def chosen(document: Document) -> tuple[KnobRequest, list[tuple[VirtualService, RealServer]]]:
        service = service_named(document, vip)
        server = server_named(service, rip)
        wanted = amended(RealServer, server.model_dump(mode="json"), {("weight",): number})
        return KnobRequest(weight=wanted.weight, why=why), [(service, server)]

    async def turn(client: Client) -> list[dict[str, object]]:
        request, servers = chosen((await client.document()).document)
        return await _set(client, servers, request, f"weight {request.weight}")

    _show(door(context).ask(turn), json=json)


def _turn(
    context: typer.Context,
    state: str,
    vip: str | None,
    rip: str | None,
    *,
    every: bool,
    address: str | None,
    why: str,
    json: bool,
) -> None:
    from services.api import KnobRequest
    from services.model import ServerState

    _refuse_unclear(vip, rip, every=every, address=address)
    request = KnobRequest(state=ServerState(state), why=why)

    async def turn(client: Client) -> list[dict[str, object]]:
        document = (await client.document()).document
        servers = _with_address(document, address) if address else _of(document, vip or "", rip)
        return await _set(client, servers, request, state)

    _show(door(context).ask(turn), json=json)


def _refuse_unclear(vip: str | None, rip: str | None, *, every: bool, address: str | None) -> None:
    """Say how to name servers, unless exactly one of the three ways was taken."""
    if address is not None:
        try:
            ipaddress.ip_address(address)
        except ValueError:
            raise typer.BadParameter(f"{address!r} is no IP address.") from None
    ways = (rip is not None, every, address is not None)
    if sum(ways) != 1 or (vip is None) != (address is not None):
        raise typer.BadParameter("Name VIP RIP, or VIP --all, or --address ADDRESS.")


def _of(document: Document, vip: str, rip: str | None) -> list[tuple[VirtualService, RealServer]]:
    service = service_named(document, vip)
    if rip is not None:
        return [(service, server_named(service, rip))]
    if not service.servers:
        raise NotFound(
            f"VIP `{service.label}` has no real servers.", do="Add one with `ballast rip add`."
        )
    return [(service, server) for server in service.servers]


def _with_address(document: Document, address: str) -> list[tuple[VirtualService, RealServer]]:
    sought = ipaddress.ip_address(address)
    found = [
        (service, server)
        for service in document.cluster.layer7
        for server in service.servers
        if server.address == sought
    ]
    if not found:
        raise NotFound(
            f"No real server has the address {sought}.", do="`ballast rip list` lists them."
        )
    return found


async def _set(
    client: Client,
    servers: list[tuple[VirtualService, RealServer]],
    request: KnobRequest,
    words: str,
) -> list[dict[str, object]]:
    done: list[dict[str, object]] = []
    for service, server in servers:
        applied: Applied = await client.set_server(service.id, server.id, request)
        say(f"{service.label}/{server.label}: {words}")
        done.append({"vip": service.label, "rip": server.label, "applied": applied})
    return done


def _show(done: list[dict[str, object]], *, json: bool) -> None:
    if json:
        data(as_json(done))
