# SPDX-License-Identifier: Apache-2.0
"""What a scripted appliance would do to get from one document to another."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from services.api import Effect, PlannedChange
from services.model import Document, ServerState, real_servers, server_names

ServerKey = tuple[int, int]


def planned(
    old: Document, new: Document, connections: Mapping[ServerKey, int]
) -> Iterator[PlannedChange]:
    """The changes in their order; `connections`: the live ones of each server."""
    if old.local.hostname != new.local.hostname:
        yield PlannedChange(what=f"set the hostname to {new.local.hostname}", effect=Effect.NONE)
    had = {str(a) for card in old.local.interfaces for a in card.addresses}
    gets = {str(a) for card in new.local.interfaces for a in card.addresses}
    for address in sorted(gets - had):
        yield PlannedChange(what=f"bring address {address} up", effect=Effect.NONE)
    for address in sorted(had - gets):
        yield PlannedChange(what=f"take address {address} down", effect=Effect.NONE)
    if _structure(old) != _structure(new):
        dropped = sum(
            connections.get(key, 0) for key in real_servers(old).keys() - real_servers(new)
        )
        yield PlannedChange(
            what="reload HAProxy",
            effect=Effect.DROPS if dropped else Effect.RELOAD,
            connections=dropped,
        )
    else:
        yield from _knobs(old, new, connections)


def _knobs(
    old: Document, new: Document, connections: Mapping[ServerKey, int]
) -> Iterator[PlannedChange]:
    before, names = real_servers(old), server_names(old)
    for key, server in real_servers(new).items():
        was = before.get(key)
        if was is None or (was.state, was.weight) == (server.state, server.weight):
            continue
        if server.state is ServerState.HALT:
            drops = connections.get(key, 0)
            yield PlannedChange(
                what=f"halt {names[key]}",
                effect=Effect.DROPS if drops else Effect.NONE,
                connections=drops,
            )
        else:
            weight = 0 if server.state is ServerState.DRAIN else server.weight
            yield PlannedChange(what=f"set {names[key]} to weight {weight}", effect=Effect.NONE)


def _structure(document: Document) -> object:
    """What HAProxy cannot be told without a reload: everything but states, weights, comments."""
    tree = document.cluster.model_dump(mode="json")
    for service in tree["layer7"]:
        for server in service["servers"]:
            del server["state"], server["weight"], server["comment"]
        del service["comment"]
    return tree
