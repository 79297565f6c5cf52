# SPDX-License-Identifier: Apache-2.0
"""Rules between objects: every problem of a document at once, each with path and remedy.

The model judges one field at a time; whatever needs two stands here. All rules always run,
because somebody who moves thirty services to a new network wants one list, not thirty
rounds. Pure, and linear in the size of the document: forms call it at every change.

    check
    ├── network    the unit's own cards, addresses, gateways
    ├── service    inside one service of either layer
    ├── layer4     inside one of layer 4
    ├── health     its health check
    ├── layer7     inside one of layer 7
    ├── nat        1:1 NAT, and what all layer 4 services share
    ├── across     between services: labels, addresses and ports, rings
    └── hints      no problem, and mostly a slip all the same; asked for by itself
"""

from __future__ import annotations

from collections.abc import Iterator

from services.check.across import OWN_PORTS, across
from services.check.hints import brought, hints
from services.check.layer4 import layer4
from services.check.layer7 import layer7
from services.check.nat import nat
from services.check.network import network
from services.check.service import Placed, placed, service
from services.errors import ConfigInvalid, Problem
from services.model import Document, Layer4Service, Local

__all__ = ["OWN_PORTS", "brought", "check", "hints", "require"]


def check(document: Document) -> tuple[Problem, ...]:
    """Every problem between the objects of `document`, in the document's order; none: empty."""
    found = [
        *across(document),
        *(problem for place in placed(document) for problem in _inside(place, document.local)),
        *nat(document),
        *network(document.local),
    ]
    # steps at one place are of one kind, so the flag only keeps a number from meeting a name
    return tuple(sorted(found, key=lambda problem: [(isinstance(s, str), s) for s in problem.path]))


def _inside(place: Placed, local: Local) -> Iterator[Problem]:
    yield from service(*place)
    if isinstance(place.service, Layer4Service):
        yield from layer4(place.path, place.service, local)
    else:
        yield from layer7(place.path, place.service)


def require(document: Document) -> None:
    """Raise `ConfigInvalid` with every problem of `document`, if it has one."""
    if problems := check(document):
        raise ConfigInvalid(problems)
