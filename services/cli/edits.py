# SPDX-License-Identifier: Apache-2.0
"""One object changed in a whole document, and the frame of every verb that does so.

Adding what exists updates it. People who script an appliance want "make it so": with two
verbs every script would have to ask first which one applies.

A refusal names what the person typed: an option, an argument, another object by its labels;
never a place in a document that they have not seen.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar, get_args

import typer

from services.check import brought
from services.cli.common import Confirm, Json, Verb, Why, tell
from services.cli.door import door, on_running
from services.cli.layers import Kinds
from services.cli.output import say
from services.cli.settings import NOWHERE, Named, Places, amended, as_typed, options
from services.errors import ConfigInvalid, Problem, Refused
from services.model import AnyService, Document, Layer4Advanced, Model, NatEntry, Server
from services.model.base import shown

if TYPE_CHECKING:
    from services.api import Applied, Revision
    from services.client import Client

_Object = TypeVar("_Object", bound=Model)


@dataclass(frozen=True)
class Wish:
    """What was typed of an object's fields."""

    named: Named
    places: Places
    """Where its label was typed, if that was no option."""

    def made(self, model: type[_Object], start: Mapping[str, Any]) -> _Object:
        """`start` with it; raises `ConfigInvalid` that names the options."""
        return amended(model, start, self.named, places=self.places)


@dataclass(frozen=True)
class Edited:
    """A document with one object changed, so that a refusal can tell it from the others."""

    document: Document
    service: str
    """Label of the service; of a 1:1 NAT entry; empty: no such object was changed."""
    server: str | None = None
    """Label of the server, if one was changed."""
    nat: bool = False
    """The label is a 1:1 NAT entry's."""


Edit = Callable[..., Edited]
"""The running document, what was typed and, where fields can be, `wish` make another."""


def editing(
    group: typer.Typer,
    name: str,
    kinds: Kinds | None = None,
    *,
    without: tuple[str, ...] = (),
    defaults: bool = False,
) -> Callable[[Edit], Edit]:
    """Make an edit a verb: read the running document, edit it, apply it, tell the person.

    Every parameter but `document` and `wish` is the verb's; with `kinds` of objects their
    fields are options, `without` those named, and what was typed of them is the `wish`.
    """
    chosen = [each for each in options(kinds) if each.name not in without] if kinds else []

    def decorate(edit: Edit) -> Edit:
        own = inspect.signature(edit, eval_str=True).parameters
        asked = [own[each] for each in own if each not in ("document", "wish")]
        arguments = [each for each in asked if each.kind is not inspect.Parameter.KEYWORD_ONLY]
        # where the label is no option, the last argument is it
        places: Places = {("label",): _metavar(arguments[-1])} if "label" in without else NOWHERE

        def run(
            context: typer.Context,
            *,
            confirm: Confirm = None,
            why: Why = "",
            json: Json = False,
            **given: Any,  # noqa: ANN401 - typer hands over every option's own type
        ) -> None:
            typed = {each.name: given[each.name] for each in asked}
            words = [group.info.name or "", name, *(typed[each.name] for each in arguments)]
            if kinds:
                values = {each.path: given[each.name] for each in chosen}
                named = {path: value for path, value in values.items() if value is not None}
                typed["wish"] = Wish(named, places)

            async def act(client: Client, running: Revision) -> tuple[Applied, Sequence[Problem]]:
                edited = edit(running.document, **typed)
                try:
                    applied = await _applied(
                        client, edited.document, running, why or " ".join(words), confirm
                    )
                except ConfigInvalid as error:
                    raise ConfigInvalid(
                        [_told(problem, edited, places) for problem in error.problems]
                    ) from error
                return applied, brought(edited.document, running.document)

            applied, hints = door(context).ask(lambda client: on_running(client, act))
            tell(applied, json=json)
            for hint in hints:
                say(f"Worth a second look: {hint.what} {hint.do}")

        context, *shared, _ = inspect.signature(run, eval_str=True).parameters.values()
        own_options = [each for each in asked if each not in arguments]
        fields = [each.parameter(defaults=defaults) for each in chosen]
        run.__signature__ = inspect.Signature(  # type: ignore[attr-defined]  # typer reads it
            [context, *arguments, *own_options, *shared, *fields]
        )
        run.__doc__ = edit.__doc__
        group.command(name, cls=Verb)(run)
        return edit

    return decorate


def _metavar(argument: inspect.Parameter) -> str:
    """What the help calls an argument, e.g. `VIP`."""
    told = (argument.default, *get_args(argument.annotation))
    found = next(each for each in told if isinstance(each, typer.models.ArgumentInfo))
    return str(found.metavar)


async def _applied(
    client: Client, wanted: Document, running: Revision, why: str, confirm_s: int | None
) -> Applied:
    """Apply on the revision read; what changes nothing makes no revision that says nothing."""
    from services.api import Applied, ApplyRequest

    if wanted == running.document:
        return Applied(revision=running.info.number, changes=())
    return await client.apply(
        ApplyRequest(document=wanted, base=running.info.number, why=why, confirm_s=confirm_s)
    )


def _told(problem: Problem, edited: Edited, places: Places) -> Problem:
    """A problem of the whole document, in the words of somebody who typed one object of it."""
    match problem.path:
        case ("cluster", str(layer), int(index), "servers", int(place), *inside):
            service = getattr(edited.document.cluster, layer)[index]
            found: AnyService | Server | NatEntry = service.servers[place]
            mine = (edited.service, edited.server) == (service.label, found.label)
            name = f"{service.label}/{found.label}"
        case ("cluster", str(layer), int(index), *inside):
            found = getattr(edited.document.cluster, layer)[index]
            mine = (edited.service, edited.server) == (found.label, None)
            mine = mine and edited.nat is isinstance(found, NatEntry)
            name = found.label
        case ("cluster", "layer4_advanced", *inside):
            inner = Problem(tuple(inside), problem.what, problem.do)
            return as_typed(inner, Layer4Advanced, places)
        case _:
            return problem
    if mine:
        return as_typed(Problem(tuple(inside), problem.what, problem.do), type(found), places)
    return Problem((name, *inside), problem.what, problem.do)


def put_service(document: Document, new: AnyService, *, at: str) -> Document:
    """`document` with `new` in the place of the service labelled `at`, or at the end."""
    return with_services(document, put_object(document.cluster.services, new, at=at))


def with_services(document: Document, services: Iterable[AnyService]) -> Document:
    """`document` with other services."""
    cluster = document.cluster.with_services(services)
    return document.model_copy(update={"cluster": cluster})


def put_server(service: AnyService, new: Server, *, at: str) -> AnyService:
    """`service` with `new` in the place of the server labelled `at`, or at the end."""
    return service.model_copy(update={"servers": put_object(service.servers, new, at=at)})


def put_object(
    objects: tuple[Any, ...], new: AnyService | Server | NatEntry, *, at: str
) -> tuple[Any, ...]:
    """`objects` with `new` in the place of the one labelled `at`, or at the end."""
    if all(each.label != at for each in objects):
        return (*objects, new)
    return tuple(new if each.label == at else each for each in objects)


def start(label: str, found: AnyService | Server | NatEntry | None) -> dict[str, Any]:
    """What an edit begins with, as JSON: the object found, or only the label of a new one."""
    return {"label": label} if found is None else found.model_dump(mode="json")


def refuse_taken(label: str, taken: Iterable[str], *, kind: str) -> None:
    """Raise `Refused` if a label somebody wants to give is taken: it would replace an object."""
    if label in taken:
        raise Refused(f"There is a {kind} {shown(label, 63)} already.", do="Choose another label.")
