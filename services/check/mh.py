# SPDX-License-Identifier: Apache-2.0
"""The scheduler mh: how its table is shared out among servers (Linux, ip_vs_mh.c); pure.

The kernel goes round the servers and gives each as many places in a row as it has turns, until
the table is full: who comes late gets none, ever, if the turns of one round are more than that.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

PLACES = 4093
"""Of the whole table (CONFIG_IP_VS_MH_TAB_INDEX=12, as Debian builds it)."""

_TURN_BITS = 6
"""Half the table's index."""

MOST_TURNS = 2**_TURN_BITS - 1
"""Of one server."""


def turns(weights: Sequence[int]) -> list[int]:
    """Places that each server gets in a round: its weight in lowest terms, halved until the
    heaviest has no more than `MOST_TURNS`; one at least, unless it weighs nothing.
    """
    common = max(1, math.gcd(*weights))
    halvings = max(0, (max(weights, default=0) // common).bit_length() - _TURN_BITS)
    return [max(1, weight // common >> halvings) if weight else 0 for weight in weights]
