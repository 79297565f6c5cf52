# SPDX-License-Identifier: Apache-2.0
"""Verbs that look: the running document, the live state, what happened."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from services.cli.common import Json, listing
from services.cli.door import door
from services.cli.output import as_json, clock, data, rate, say, span, table
from services.cli.reports import layer4_page

if TYPE_CHECKING:
    from services.api import NodeStatus, Revision, Status
    from services.client import Client

Layer = Annotated[
    int | None, typer.Option("--layer", help="4: the kernel's counters.", min=4, max=4, metavar="4")
]
Number = Annotated[int, typer.Option("--limit", help="Lines to show.", min=1, metavar="NUMBER")]


def show(
    context: typer.Context,
    *,
    yaml: Annotated[bool, typer.Option("--yaml", help="Print YAML, as without options.")] = False,
    json: Json = False,
    revision: Annotated[
        int | None, typer.Option("--revision", help="An earlier one.", metavar="REV", min=0)
    ] = None,
) -> None:
    """Print the running document, to be edited and applied again.

    YAML leaves out what has its default; JSON names every field.
    """
    if yaml and json:
        raise typer.BadParameter("Name --yaml or --json, not both.")
    document = door(context).ask(lambda client: read_revision(client, revision)).document
    if json:
        data(as_json(document))
    else:
        from services.reading import write_yaml

        data(write_yaml(document))


async def read_revision(client: Client, number: int | None) -> Revision:
    """A revision by its number; None is the running one."""
    return await (client.document() if number is None else client.revision(number))


def status(context: typer.Context, *, layer: Layer = None, json: Json = False) -> None:
    """Show the live state of every VIP, RIP, daemon and link.

    With --layer 4 what the kernel counts instead: connections, packets, bytes, rates.
    """
    if layer is not None:
        report = door(context).ask(lambda client: client.layer4())
        if json:
            data(as_json(report))
        elif report.services:
            data(layer4_page(report))
        else:
            say("There is no layer 4 service.")
        return
    seen = door(context).ask(lambda client: client.status())
    data(as_json(seen) if json else _page(seen))


def _page(seen: Status) -> str:
    node = seen.node
    parts = [_node(node)]
    if seen.services:
        parts.append(_services(seen))
    links = [
        (
            link.name,
            "up" if link.carrier else "no carrier",
            link.mac,
            ", ".join(link.addresses),
            ", ".join(link.not_saved),
        )
        for link in node.interfaces
    ]
    if links:
        parts.append(table(("LINK", "STATE", "MAC", "ADDRESSES", "NOT SAVED"), links))
    units = [
        (unit.name, "running" if unit.running else "stopped", span(unit.since_s), unit.detail)
        for unit in node.units
    ]
    if units:
        parts.append(table(("DAEMON", "STATE", "SINCE", "DETAIL"), units))
    return "\n\n".join(parts)


def _node(node: NodeStatus) -> str:
    flow = rate(node.bytes_in_per_s), rate(node.bytes_out_per_s)
    facts = [
        ("host", node.hostname),
        ("role", f"{node.role}, {'active' if node.active else 'passive'}, {node.link}"),
        ("version", f"{node.version}, revision {node.revision}, up {span(round(node.uptime_s))}"),
        ("load", f"CPU {node.cpu_pct:.0f} %, memory {node.memory_pct:.0f} %"),
        ("traffic", f"{node.connections} connections, in {flow[0]}/s, out {flow[1]}/s"),
        *(("notice", notice) for notice in node.notices),
    ]
    if node.confirm is not None:
        due = node.confirm
        back = f"revision {due.revision} comes back in {due.seconds_left} s."
        facts.append(("notice", f"A change of {due.who} waits for `ballast confirm`; {back}"))
    _, *lines = table(("", ""), facts).split("\n")
    return "\n".join(lines)


def _services(seen: Status) -> str:
    heads = ("VIP", "RIP", "ADDRESS", "PORTS", "KIND", "STATE", "WEIGHT", "CONNS", "SESS/S")
    rows: list[tuple[object, ...]] = []
    for service in seen.services:
        rows.append(
            (
                service.label,
                "",
                ", ".join(service.addresses),
                service.ports,
                service.kind,
                service.health.value,
                "",
                service.connections,
                f"{service.sessions_per_s:.1f}",
                rate(service.bytes_per_s),
                "",
                service.reason,
            )
        )
        rows += [
            (
                "",
                server.label,
                server.address,
                server.port,
                "",
                server.health.value,
                server.weight,
                server.connections,
                f"{server.sessions_per_s:.1f}",
                rate(server.bytes_per_s),
                span(server.since_s),
                server.reason,
            )
            for server in service.servers
        ]
    return table((*heads, "BYTES/S", "SINCE", "REASON"), rows)


def journal(context: typer.Context, *, limit: Number = 100, json: Json = False) -> None:
    """Show what happened, newest first."""
    lines = door(context).ask(lambda client: client.journal(limit))
    rows = ((clock(line.at), line.who, line.what) for line in lines)
    heads = ("WHEN", "WHO", "WHAT")
    listing(rows, heads, empty="The journal is empty.", json=lines if json else None)


def revisions(context: typer.Context, *, json: Json = False) -> None:
    """Show the revisions kept, newest first."""
    kept = door(context).ask(lambda client: client.revisions())
    rows = ((each.number, clock(each.at), each.who, each.why) for each in kept)
    heads = ("REV", "WHEN", "WHO", "WHY")
    listing(rows, heads, empty="No revision is kept yet.", json=kept if json else None)


def diff(
    context: typer.Context,
    old: Annotated[
        int | None, typer.Argument(help="A revision; the one before.", metavar="OLD", min=0)
    ] = None,
    new: Annotated[
        int | None, typer.Argument(help="Another; the running one.", metavar="NEW", min=0)
    ] = None,
    *,
    json: Json = False,
) -> None:
    """Show what changed from one revision to another."""
    from services.difference import changed, difference
    from services.errors import NotFound

    async def pair(client: Client) -> tuple[Revision, Revision]:
        after = await read_revision(client, new)
        number = old
        if number is None:
            earlier = [
                each.number for each in await client.revisions() if each.number < after.info.number
            ]
            if not earlier:
                raise NotFound(
                    f"There is no revision before {after.info.number}.",
                    do="`ballast revisions` lists what there is.",
                )
            number = max(earlier)
        return await client.revision(number), after

    before, after = door(context).ask(pair)
    if json:
        told = changed(before.document, after.document)
        data(as_json({"old": before.info.number, "new": after.info.number, "changed": told}))
        return
    found = difference(before.document, after.document)
    if found:
        from services.cli.output import paragraphs

        data(paragraphs(found))
    else:
        say(f"Revisions {before.info.number} and {after.info.number} are equal.")
