# SPDX-License-Identifier: Apache-2.0
"""Drain, halt, online and weight as a change of the document: which servers, what is said; pure.

Many servers are switched as one change, so that a rack taken out of service is one revision
and one step back.
"""

from __future__ import annotations

from collections.abc import Collection

from pydantic import ValidationError

from services.errors import ConfigInvalid, NotFound
from services.model import (
    Document,
    RealServer,
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
    wish = {"state": state, "weight": weight}
    wish = {field: value for field, value in wish.items() if value is not None}
    there = real_servers(document)
    if any(key not in there for key in keys):
        raise NotFound("There is no such real server.", do="Look at `ballast rip list`.")
    try:
        # validated anew, because a copy is not: a weight of 1000 stops here
        new = {key: RealServer.model_validate(there[key].model_dump() | wish) for key in keys}
    except ValidationError as error:
        raise ConfigInvalid(problems_from(error, RealServer)) from error
    services = tuple(
        service.model_copy(
            update={
                "servers": tuple(
                    new.get((service.id, server.id), server) for server in service.servers
                )
            }
        )
        if any(service.id == key[0] for key in new)
        else service
        for service in document.cluster.layer7
    )
    cluster = document.cluster.model_copy(update={"layer7": services})
    return document.model_copy(update={"cluster": cluster})


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
