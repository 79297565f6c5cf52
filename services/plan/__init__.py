# SPDX-License-Identifier: Apache-2.0
"""Wanted and seen in, ordered changes out. Nothing else."""

from __future__ import annotations

from services.plan.changes import Change, Effect
from services.plan.planner import plan
from services.plan.state import (
    HaproxySeen,
    HaproxyWanted,
    LinksSeen,
    LinksWanted,
    Seen,
    ServerKnobs,
    Wanted,
)

__all__ = [
    "Change",
    "Effect",
    "HaproxySeen",
    "HaproxyWanted",
    "LinksSeen",
    "LinksWanted",
    "Seen",
    "ServerKnobs",
    "Wanted",
    "plan",
]
