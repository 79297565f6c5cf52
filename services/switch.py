# SPDX-License-Identifier: Apache-2.0
"""Drain, halt, online and weight as a change of the document: which servers, what is said; pure.

Many servers are switched as one change, so that a rack taken out of service is one revision
and one step back.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

from pydantic import ValidationError

from services.errors import ConfigInvalid, NotFound
from services.model import (
    AnyService,
    Document,
    Server,
    ServerState,
    problems_from,
    real_servers,
    server_names,
)

NAMED = 5
"""Servers that are named in a reason; of more, the rest is counted."""


def switched(
    document: Document,
    keys: Collection[tuple[int, int]],
    *,
    state: ServerState | None,
    weight: int | None,
) -> Document:
    """`document` with that state or weight, where given, for the servers of these keys.

    Raises `NotFound` for a key that is not there, `ConfigInvalid` for a weight out of range.
    """
    given: dict[str, object] = {"state": state, "weight": weight}
    wish = {field: value for field, value in given.items() if value is not None}
    there = real_servers(document)
    if any(key not in there for key in keys):
        raise NotFound("There is no such real server.", do="Look at `ballast rip list`.")
    new = {key: _wished(there[key], wish) for key in keys}
    concerned = {service for service, _ in new}
    cluster = document.cluster.with_services(
        _with_servers(service, new) if service.id in concerned else service
        for service in document.cluster.services
    )
    return document.model_copy(update={"cluster": cluster})


def _wished(server: Server, wish: dict[str, object]) -> Server:
    kind = type(server)
    try:
        # validated anew, because a copy is not: a weight of 1000000 stops here
        return kind.model_validate(server.model_dump() | wish)
    except ValidationError as error:
        raise ConfigInvalid(problems_from(error, kind)) from error


def _with_servers(service: AnyService, new: Mapping[tuple[int, int], Server]) -> AnyService:
    servers = tuple(new.get((service.id, server.id), server) for server in service.servers)
    return service.model_copy(update={"servers": servers})


def reason(
    document: Document,
    keys: Collection[tuple[int, int]],
    *,
    state: ServerState | None,
    weight: int | None,
) -> str:
    """What a switch does, for revision and journal: `drain web/web1, web/web2`."""
    names = server_names(document)
    named = ", ".join(names[key] for key in list(keys)[:NAMED])
    if len(keys) > NAMED:
        named += f" and {len(keys) - NAMED} more"
    said = [] if state is None else [f"{state.value} {named}"]
    said += [] if weight is None else [f"weight {weight} for {named}"]
    return ", ".join(said)
