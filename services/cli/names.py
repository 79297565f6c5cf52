# SPDX-License-Identifier: Apache-2.0
"""Objects found by the labels people type; a wrong one is answered with the nearest right one.

The same labels complete in the shell. A completion never waits long and never speaks: a
person who presses TAB on a unit whose agent is down wants their prompt, not an error.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, TypeVar

import typer

from services.cli.door import door
from services.errors import ApplianceError, NotFound
from services.model.base import shown

if TYPE_CHECKING:
    from services.model import AnyService, Document, Server
    from services.model.service import Named

    _Object = TypeVar("_Object", bound=Named)

PATIENCE_S = 0.7
"""How long TAB may wait for the agent."""


def missing(what: str, name: str, labels: Iterable[str], *, see: str) -> NotFound:
    """The error for a wrong label; `see` lists the right ones."""
    near = difflib.get_close_matches(name, labels, n=1)
    hint = f"Did you mean `{near[0]}`?" if near else f"`{see}` lists what there is."
    return NotFound(f"There is no {what}.", do=hint)


def labelled(objects: Iterable[_Object], label: str) -> _Object | None:
    """The object of that label; None: there is none."""
    return next((each for each in objects if each.label == label), None)


def service_named(document: Document, label: str) -> AnyService:
    """The virtual service of that label, of either layer; raises `NotFound`."""
    services = document.cluster.services
    if (found := labelled(services, label)) is not None:
        return found
    labels = (each.label for each in services)
    raise missing(f"VIP {shown(label, 63)}", label, labels, see="ballast vip list")


def server_named(service: AnyService, label: str) -> Server:
    """The real server of that label; raises `NotFound`."""
    servers: Sequence[Server] = service.servers
    if (found := labelled(servers, label)) is not None:
        return found
    labels = (each.label for each in servers)
    what = f"RIP {shown(label, 63)} in {service.label}"
    raise missing(what, label, labels, see=f"ballast rip list {service.label}")


def complete_vip(context: typer.Context, incomplete: str) -> list[str]:
    """Labels of the running services that begin like this."""
    return completed(
        context, lambda document: (each.label for each in document.cluster.services), incomplete
    )


def complete_layer4_vip(context: typer.Context, incomplete: str) -> list[str]:
    """Labels of the running layer 4 services that begin like this."""
    return completed(
        context, lambda document: (each.label for each in document.cluster.layer4), incomplete
    )


def complete_rip(context: typer.Context, incomplete: str) -> list[str]:
    """Labels of the servers of the VIP typed before."""
    vip = context.params.get("vip")
    return completed(
        context,
        lambda document: (
            server.label
            for service in document.cluster.services
            if service.label == vip
            for server in service.servers
        ),
        incomplete,
    )


def complete_address(context: typer.Context, incomplete: str) -> list[str]:
    """Addresses of the running real servers."""
    return completed(
        context,
        lambda document: (
            str(server.address)
            for service in document.cluster.services
            for server in service.servers
        ),
        incomplete,
    )


def complete_nat(context: typer.Context, incomplete: str) -> list[str]:
    """Labels of the 1:1 NAT entries that begin like this."""
    return completed(
        context, lambda document: (each.label for each in document.cluster.nat), incomplete
    )


def completed(
    context: typer.Context, names: Callable[[Document], Iterable[str]], incomplete: str
) -> list[str]:
    """Those of the names in the running document that begin like this; none in doubt."""
    try:
        running = door(context).ask(lambda client: client.document(), timeout_s=PATIENCE_S)
    except (ApplianceError, OSError, ValueError):
        return []
    return sorted({name for name in names(running.document) if name.startswith(incomplete)})
