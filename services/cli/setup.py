# SPDX-License-Identifier: Apache-2.0
"""The commands for a real server, to read, to keep as a file, or to send to the server.

One part goes out bare, so that `ballast rip setup web web1 --part verify | ssh web1 sh` runs it
there and has its status.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from services.cli.common import Json
from services.cli.door import door
from services.cli.names import complete_layer4_vip, complete_rip, server_named, service_named
from services.cli.output import as_json, data, say
from services.errors import NotFound, Unable
from services.model.base import shown
from services.systems import System

if TYPE_CHECKING:
    from collections.abc import Sequence

    from services.api import SetupView
    from services.client import Client
    from services.model import Document, Layer4Service
    from services.model.service import Server

PARTS = ("apply", "verify", "undo")


def _part(value: str | None) -> str | None:
    if value not in (None, *PARTS):
        raise typer.BadParameter(f"Name one of {', '.join(PARTS)}.")
    return value


def rip_setup(
    context: typer.Context,
    vip: Annotated[
        str,
        typer.Argument(
            help="Label of a layer 4 service.", metavar="VIP", autocompletion=complete_layer4_vip
        ),
    ],
    rip: Annotated[
        str | None,
        typer.Argument(
            help="Label of one of its real servers; all of them.",
            metavar="RIP",
            autocompletion=complete_rip,
        ),
    ] = None,
    *,
    system: Annotated[System, typer.Option("--system", help="What runs on it.")] = System.LINUX,
    part: Annotated[
        str | None,
        typer.Option(
            "--part",
            help="Only the commands of one part: apply, verify or undo.",
            metavar="PART",
            callback=_part,
        ),
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", help="Write to this file.", metavar="FILE")
    ] = None,
    json: Json = False,
) -> None:
    """Show what to do on a real server so that it answers for its VIPs.

    DR and TUN: takes packets for the VIP, silent in ARP. NAT: its default gateway is this unit.
    """

    async def asked(client: Client) -> list[SetupView]:
        service = _service((await client.document()).document, vip)
        return [
            await client.server_setup(service.id, server.id, system)
            for server in _servers(service, rip)
        ]

    views = door(context).ask(asked)
    if json:
        text = as_json(views)
    elif part is not None:
        text = "\n".join(getattr(view, part) for view in views if getattr(view, part))
        if not text:
            say("\n".join(sentence for view in views for sentence in view.about))
            return
    else:
        text = "\n".join(view.text for view in views)
    if out is None:
        data(text)
        return
    try:
        out.write_text(text if text.endswith("\n") else f"{text}\n", encoding="utf-8")
    except OSError as error:
        raise Unable(
            f"{out} could not be written: {error.strerror}.", do="Name another file."
        ) from error
    say(f"Written to {out}.")


def _service(document: Document, label: str) -> Layer4Service:
    from services.model import Layer4Service

    found = service_named(document, label)
    if isinstance(found, Layer4Service):
        return found
    raise NotFound(
        f"{shown(label, 63)} is a layer 7 service.",
        do="Its servers see this unit as their client: nothing has to be set on them.",
    )


def _servers(service: Layer4Service, label: str | None) -> Sequence[Server]:
    if label is not None:
        return [server_named(service, label)]
    if service.servers:
        return service.servers
    raise NotFound(
        f"VIP `{service.label}` has no real servers.", do="Add one with `ballast rip add`."
    )
