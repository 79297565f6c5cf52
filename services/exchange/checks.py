# SPDX-License-Identifier: Apache-2.0
"""What files say of health checks, in the fields of the model: the one place that knows both.

The readers hand over every setting of a check under ldirectord's name for it, which is the
original appliance's too; keepalived's words are brought into these before.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from services.exchange.lines import Left, Line
from services.exchange.making import Said

NAMES = frozenset(
    {
        "checkcommand", "checkcount", "checkinterval", "checkport", "checktimeout", "checktype",
        "database", "failurecount", "httpmethod", "load", "login", "negotiatetimeout", "passwd",
        "receive", "request", "secret", "service", "virtualhost",
    }
)  # fmt: skip
"""Settings of a check, in ldirectord's words."""


@dataclass(frozen=True)
class CheckWord:
    """One setting of a check."""

    name: str
    """One of `NAMES`; what has no name among them is another program's own."""
    value: str
    places: tuple[Line, ...]
    """Where it stands, once for every server; nowhere: the program would do so by itself."""


def check_fields(words: Iterable[CheckWord], left: Left) -> dict[str, Said]:
    """Fields of a layer 4 service out of the settings of its check; the rest is left over."""
    for word in words:
        left.add_all(word.places, "Health checks of layer 4 servers have no field yet.")
    return {}
