# SPDX-License-Identifier: Apache-2.0
"""Rules between objects: every problem of a document at once, each with path and remedy.

The model judges one field at a time; whatever needs two stands here. All rules always run,
because somebody who moves thirty services to a new network wants one list, not thirty
rounds. Pure, and linear in the size of the document: forms call it at every change.

    check
    ├── network    the unit's own cards, addresses, gateways
    ├── layer7     inside one service
    └── across     between services: labels, addresses and ports, rings
"""

from __future__ import annotations

from services.check.across import OWN_PORTS, across
from services.check.layer7 import layer7
from services.check.network import network
from services.errors import ConfigInvalid, Problem
from services.model import Document

__all__ = ["OWN_PORTS", "check", "require"]


def check(document: Document) -> tuple[Problem, ...]:
    """Every problem between the objects of `document`, in the document's order; none: empty."""
    found = [
        *across(document),
        *(problem for pair in enumerate(document.cluster.layer7) for problem in layer7(*pair)),
        *network(document.local),
    ]
    # steps at one place are of one kind, so the flag only keeps a number from meeting a name
    return tuple(sorted(found, key=lambda problem: [(isinstance(s, str), s) for s in problem.path]))


def require(document: Document) -> None:
    """Raise `ConfigInvalid` with every problem of `document`, if it has one."""
    if problems := check(document):
        raise ConfigInvalid(problems)
