# SPDX-License-Identifier: Apache-2.0
"""One object changed in a whole document, and the frame of every verb that does so.

Adding what exists updates it. People who script an appliance want "make it so": with two
verbs every script would have to ask first which one applies.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterable
from typing import Any

import typer

from services.cli.common import Confirm, Json, Why, tell
from services.cli.door import change, door
from services.cli.settings import settings
from services.errors import Refused
from services.model import Document, Model, RealServer, VirtualService
from services.model.base import shown

Edit = Callable[..., Document]
"""The running document, the labels typed and, where fields can be, `named` make another."""


def editing(
    group: typer.Typer,
    name: str,
    model: type[Model] | None = None,
    *,
    without: tuple[str, ...] = (),
    defaults: bool = False,
) -> Callable[[Edit], Edit]:
    """Make an edit a verb: read the running document, edit it, apply it, tell the person.

    Every parameter but `document` and `named` is an argument; with a `model` its fields are
    options, `without` those named, and what was typed of them arrives as `named`.
    """
    chosen = [each for each in settings(model) if each.name not in without] if model else []

    def decorate(edit: Edit) -> Edit:
        own = inspect.signature(edit, eval_str=True).parameters
        labels = [own[each] for each in own if each not in ("document", "named")]

        def run(
            context: typer.Context,
            *,
            confirm: Confirm = None,
            why: Why = "",
            json: Json = False,
            **given: Any,  # noqa: ANN401 - typer hands over every option's own type
        ) -> None:
            typed = {each.name: given[each.name] for each in labels}
            words = why or " ".join([group.info.name or "", name, *typed.values()])
            if model:
                values = {each.path: given[each.name] for each in chosen}
                typed["named"] = {path: v for path, v in values.items() if v is not None}
            applied = door(context).ask(
                lambda client: change(
                    client, functools.partial(edit, **typed), why=words, confirm_s=confirm
                )
            )
            tell(applied, json=json)

        context, *shared, _ = inspect.signature(run, eval_str=True).parameters.values()
        options = [each.parameter(defaults=defaults) for each in chosen]
        run.__signature__ = inspect.Signature(  # type: ignore[attr-defined]  # typer reads it
            [context, *labels, *shared, *options]
        )
        run.__doc__ = edit.__doc__
        group.command(name)(run)
        return edit

    return decorate


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
