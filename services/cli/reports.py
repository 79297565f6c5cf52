# SPDX-License-Identifier: Apache-2.0
"""Reports: who is connected now, and what layer 4 carries."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from services.api_reports import DEEPEST, MOST_ROWS, ConnectionQuery, Order
from services.cli.common import Json, Rip, Vip
from services.cli.door import door
from services.cli.names import complete_layer4_vip, server_named, service_named
from services.cli.output import as_json, clock, data, rate, say, table

if TYPE_CHECKING:
    from services import client as asked
    from services.api_reports import CheckResults, Connections, Flow, Layer4Report

Client = Annotated[
    str, typer.Option("--client", help="Only this client, or network.", metavar="ADDRESS")
]
VipAddress = Annotated[
    str, typer.Option("--vip", help="Only to this address, or network.", metavar="ADDRESS")
]
Service = Annotated[
    str,
    typer.Option(
        "--service",
        help="Only of the virtual service of this label.",
        metavar="VIP",
        autocompletion=complete_layer4_vip,
    ),
]
Server = Annotated[
    str,
    typer.Option("--server", help="Only to this real server: label or address.", metavar="RIP"),
]
State = Annotated[str, typer.Option("--state", help="Only in this state, e.g. SYN_RECV.")]
Sort = Annotated[Order, typer.Option("--sort", help="What to sort by.")]
Reverse = Annotated[bool, typer.Option("--reverse", help="Sort the other way round.")]
Limit = Annotated[int, typer.Option("--limit", help="Connections to show.", min=0, max=MOST_ROWS)]
Offset = Annotated[
    int, typer.Option("--offset", help="Connections to pass over.", min=0, max=DEEPEST)
]


def connections(
    context: typer.Context,
    *,
    client: Client = "",
    vip: VipAddress = "",
    service: Service = "",
    server: Server = "",
    state: State = "",
    sort: Sort = Order.STATE,
    reverse: Reverse = False,
    limit: Limit = 100,
    offset: Offset = 0,
    json: Json = False,
) -> None:
    """Show the current layer 4 connections, and where handshakes pile up.

    Layer 7's are HAProxy's: `ballast status` counts them.
    """
    query = _query(
        client=client,
        vip=vip,
        service=service,
        server=server,
        state=state,
        order=sort,
        reverse=reverse,
        limit=limit,
        offset=offset,
    )
    found = door(context).ask(lambda agent: agent.current_connections(query))
    if json:
        data(as_json(found))
        return
    if found.matching:
        data(_page(found))
    else:
        say("There is no such connection." if found.read else "There is no connection.")
    for text in (*_troubles(found), *found.notes):
        say(text)


def _query(**fields: object) -> ConnectionQuery:
    from pydantic import ValidationError

    from services.errors import ConfigInvalid
    from services.model import problems_from

    try:
        return ConnectionQuery.model_validate(fields)
    except ValidationError as error:
        raise ConfigInvalid(problems_from(error, ConnectionQuery)) from error


def _page(found: Connections) -> str:
    states = [(each.state, each.connections) for each in found.states]
    parts = [table(("STATE", "CONNS"), states)]
    if found.servers:
        servers = [
            (each.service, each.server, each.rip, each.connections, each.waiting)
            for each in found.servers
        ]
        parts.append(table(("VIP", "RIP", "ADDRESS", "CONNS", "WAITING"), servers))
    if found.servers_more:
        parts.append(f"and {found.servers_more} more real servers")
    if found.rows:
        rows = [
            (
                each.client,
                each.service,
                each.protocol,
                each.vip,
                each.server,
                each.rip,
                each.state,
                each.expires_s,
                "suspect" if each.suspect else "",
            )
            for each in found.rows
        ]
        heads = ("CLIENT", "VIP", "PROTOCOL", "TO", "RIP", "ADDRESS", "STATE", "EXPIRES", "")
        parts.append(table(heads, rows))
    return "\n\n".join(parts)


def _troubles(found: Connections) -> list[str]:
    return [
        f"{each.service}/{each.server or each.rip}: {each.waiting} wait for their handshake. "
        f"{each.trouble}"
        for each in found.servers
        if each.trouble
    ]


def layer4_page(report: Layer4Report) -> str:
    """Layer 4 Status as a table."""
    rows: list[tuple[object, ...]] = []
    for service in report.services:
        how = f"{service.protocol} {service.forwarding} {service.scheduler}"
        where = (", ".join(service.addresses), service.ports, how, "")
        rows.append((service.label, "", *where, *_figures(service.flow)))
        rows += [
            (
                "",
                server.label,
                server.address,
                server.port or "",
                "" if server.there else "not there",
                server.weight,
                *_figures(server.flow),
            )
            for server in service.servers
        ]
    heads = ("VIP", "RIP", "ADDRESS", "PORTS", "KIND", "WEIGHT", "ACTIVE", "INACTIVE", "KEPT")
    total = ("CONNS", "PKTS IN", "PKTS OUT", "BYTES IN", "BYTES OUT")
    per_s = ("CONNS/S", "PKTS/S IN", "PKTS/S OUT", "BYTES/S IN", "BYTES/S OUT")
    return table((*heads, *total, *per_s), rows)


def _figures(flow: Flow) -> tuple[object, ...]:
    return (
        flow.active,
        flow.inactive,
        flow.persistent,
        flow.connections,
        flow.packets_in,
        flow.packets_out,
        rate(flow.bytes_in),
        rate(flow.bytes_out),
        flow.connections_per_s,
        flow.packets_in_per_s,
        flow.packets_out_per_s,
        rate(flow.bytes_in_per_s),
        rate(flow.bytes_out_per_s),
    )


def checks(context: typer.Context, vip: Vip, rip: Rip, *, json: Json = False) -> None:
    """Show what the last checks of a layer 4 server found, newest first."""

    async def ask(client: asked.Client) -> CheckResults:
        document = (await client.document()).document
        service = service_named(document, vip)
        return await client.check_results(service.id, server_named(service, rip).id)

    told = door(context).ask(ask)
    if json:
        data(as_json(told))
        return
    rows = [
        (
            clock(result.at),
            result.check,
            "ok" if result.ok else "failed",
            "" if result.ms is None else f"{result.ms} ms",
            result.words,
        )
        for result in told.results
    ]
    if rows:
        data(table(("AT", "CHECK", "RESULT", "TOOK", "WHY"), rows))
    else:
        say(f"Nobody has looked at {told.label} yet.")
