# SPDX-License-Identifier: Apache-2.0
"""One object changed in a whole document; pure but for the one call that applies it.

Adding what exists updates it. People who script an appliance want "make it so": with two
verbs every script would have to ask first which one applies.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import typer

from services.cli.common import tell
from services.cli.door import change, door
from services.errors import Refused
from services.model import Document, RealServer, VirtualService
from services.model.base import shown


def apply_edit(
    context: typer.Context,
    edit: Callable[[Document], Document],
    *,
    why: str,
    confirm: int | None,
    json: bool,
) -> None:
    """Apply `edit` to the running document and tell the person."""
    applied = door(context).ask(lambda client: change(client, edit, why=why, confirm_s=confirm))
    tell(applied, json=json)


def with_services(document: Document, services: tuple[VirtualService, ...]) -> Document:
    """`document` with other services."""
    cluster = document.cluster.model_copy(update={"layer7": services})
    return document.model_copy(update={"cluster": cluster})


def put_service(document: Document, new: VirtualService, *, at: str) -> Document:
    """`document` with `new` in the place of the service labelled `at`, or at the end."""
    services = document.cluster.layer7
    if all(each.label != at for each in services):
        return with_services(document, (*services, new))
    return with_services(document, tuple(new if each.label == at else each for each in services))


def put_server(service: VirtualService, new: RealServer, *, at: str) -> VirtualService:
    """`service` with `new` in the place of the server labelled `at`, or at the end."""
    servers = service.servers
    if all(each.label != at for each in servers):
        return service.model_copy(update={"servers": (*servers, new)})
    changed = tuple(new if each.label == at else each for each in servers)
    return service.model_copy(update={"servers": changed})


def start(label: str, found: VirtualService | RealServer | None) -> dict[str, Any]:
    """What an edit begins with, as JSON: the object found, or only the label of a new one."""
    return {"label": label} if found is None else found.model_dump(mode="json")


def refuse_taken(label: str, taken: Iterable[str], *, kind: str) -> None:
    """Raise `Refused` if a label somebody wants to give is taken: it would replace an object."""
    if label in taken:
        raise Refused(f"There is a {kind} {shown(label, 63)} already.", do="Choose another label.")
