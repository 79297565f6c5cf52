# SPDX-License-Identifier: Apache-2.0
"""Drain, halt, online and weight: the run-time knobs, open to operators too.

An operator may turn these knobs but not apply a document, so they have a call of their own.
However many servers one command names, they are one change: all or none, one revision.
"""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING, Annotated

import typer

from services.cli.common import Json, Rip, Vip, Why
from services.cli.door import door, on_running
from services.cli.layers import SERVERS, layer_of
from services.cli.names import (
    complete_address,
    complete_rip,
    complete_vip,
    server_named,
    service_named,
)
from services.cli.output import as_json, data, say
from services.cli.settings import amended
from services.errors import NotFound, Refused

NAMED = 5
"""Services that a refusal names; of more, the rest is counted."""

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

    from services.api import Applied, Revision, Status
    from services.client import Client
    from services.model import AnyService, Document, Server, ServerState

    Chosen = Sequence[tuple[AnyService, Server]]
    Choose = Callable[[Document], tuple[Chosen, ServerState | None, int | None]]
    """The servers a command names, and the state or weight they are to have."""

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
        help="The real servers with this address, in every VIP of both layers.",
        metavar="ADDRESS",
        autocompletion=complete_address,
    ),
]
Sure = Annotated[
    bool, typer.Option("--yes", help="Also if a VIP is left without a healthy real server.")
]


def _taking_out(name: str, words: str) -> Callable[..., None]:
    """The verb that takes servers out by the state of that name; `words` are its help."""

    def verb(
        context: typer.Context,
        vip: SomeVip = None,
        rip: SomeRip = None,
        *,
        every: Every = False,
        address: At = None,
        sure: Sure = False,
        why: Why = "",
        json: Json = False,
    ) -> None:
        _refuse_unclear(vip, rip, every=every, address=address)
        _turn(context, _chosen(name, vip, rip, address), name, sure=sure, why=why, json=json)

    verb.__name__, verb.__doc__ = name, words
    return verb


drain = _taking_out("drain", "Give a real server no new connections.\n\nIt finishes those it has.")
halt = _taking_out("halt", "Take a real server offline at once; its connections end.")


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
    _refuse_unclear(vip, rip, every=every, address=address)
    _turn(context, _chosen("online", vip, rip, address), "online", sure=True, why=why, json=json)


def _chosen(name: str, vip: str | None, rip: str | None, address: str | None) -> Choose:
    """The servers that were named, and the state of that name for them."""
    from services.model import ServerState

    def choose(document: Document) -> tuple[Chosen, ServerState | None, int | None]:
        chosen = _with_address(document, address) if address else _of(document, vip or "", rip)
        return chosen, ServerState(name), None

    return choose


def weight(
    context: typer.Context,
    vip: Vip,
    rip: Rip,
    number: Annotated[str, typer.Argument(help="0 to 256, in layer 4 to 65535.", metavar="N")],
    *,
    sure: Sure = False,
    why: Why = "",
    json: Json = False,
) -> None:
    """Set a real server's share of the new connections."""

    def choose(document: Document) -> tuple[Chosen, ServerState | None, int | None]:
        service = service_named(document, vip)
        server = server_named(service, rip)
        kind, start = SERVERS[layer_of(service)], server.model_dump(mode="json")
        wanted = amended(kind, start, {("weight",): number}, places={("weight",): "N"})
        return [(service, server)], None, wanted.weight

    _turn(context, choose, f"weight {number}", sure=sure, why=why, json=json)


def _turn(
    context: typer.Context, choose: Choose, words: str, *, sure: bool, why: str, json: bool
) -> None:
    """Set what `choose` finds in the running document, and say it.

    Unless somebody is `sure`, no service is left without a healthy server by it.
    """
    from services.api import KnobRequest
    from services.model import ServerState

    async def turn(client: Client, running: Revision) -> tuple[Chosen, Applied]:
        chosen, state, number = choose(running.document)
        keys = tuple((service.id, server.id) for service, server in chosen)
        takes_out = state in {ServerState.DRAIN, ServerState.HALT} or number == 0
        if takes_out and not sure:
            _refuse_last(await client.status(), keys)
        request = KnobRequest(servers=keys, state=state, weight=number, why=why)
        return chosen, await client.set_servers(request)

    chosen, applied = door(context).ask(lambda client: on_running(client, turn))
    say("\n".join(f"{service.label}/{server.label}: {words}" for service, server in chosen))
    if json:
        servers = [{"vip": service.label, "rip": server.label} for service, server in chosen]
        data(as_json({"servers": servers, "applied": applied}))


def _refuse_last(status: Status, keys: Collection[tuple[int, int]]) -> None:
    """Raise `Refused` if these servers are the last healthy ones of a service."""
    abandoned = [
        service.label
        for service in status.services
        if service.abandoned_without([server for owner, server in keys if owner == service.id])
    ]
    if abandoned:
        shown = ", ".join(abandoned[:NAMED])
        more = f" and {len(abandoned) - NAMED} more" if len(abandoned) > NAMED else ""
        raise Refused(
            f"No healthy real server would be left for {shown}{more}: clients would get the "
            "fallback, or nothing.",
            do="Add --yes if that is meant.",
        )


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


def _of(document: Document, vip: str, rip: str | None) -> Chosen:
    service = service_named(document, vip)
    if rip is not None:
        return [(service, server_named(service, rip))]
    if not service.servers:
        raise NotFound(
            f"VIP `{service.label}` has no real servers.", do="Add one with `ballast rip add`."
        )
    return [(service, server) for server in service.servers]


def _with_address(document: Document, address: str) -> Chosen:
    sought = ipaddress.ip_address(address)
    found = [
        (service, server)
        for service in document.cluster.services
        for server in service.servers
        if server.address == sought
    ]
    if not found:
        raise NotFound(
            f"No real server has the address {sought}.", do="`ballast rip list` lists them."
        )
    return found
