# SPDX-License-Identifier: Apache-2.0
"""What the status of services of both layers is made of; pure."""

from __future__ import annotations

from collections.abc import Sequence

from services.api import Health, ServerStatus
from services.drivers.sample import Sample
from services.model import ServerState


def service_health(servers: Sequence[ServerStatus], *, trouble: str) -> tuple[Health, str]:
    """Health of a service by its servers'; `trouble`: why none of them is reached at all."""
    if trouble:
        return Health.DOWN, trouble
    if not servers:
        return Health.OFF, "no real server"
    wanted = [server for server in servers if server.state is ServerState.ONLINE]
    if not wanted:
        return Health.OFF, "every real server was taken offline"
    down = [server for server in wanted if server.health is Health.DOWN]
    if len(down) == len(wanted):
        return Health.DOWN, "every real server is down"
    if down:
        return Health.WARN, f"{len(down)} of {len(servers)} real servers down"
    return Health.UP, ""


def taken_out(state: ServerState) -> tuple[Health, str] | None:
    """Health of a server that the administrator has taken out; None: it is wanted online."""
    match state:
        case ServerState.HALT:
            return Health.HALT, "halted by the administrator"
        case ServerState.DRAIN:
            return Health.DRAIN, "draining: finishes its connections"
        case ServerState.ONLINE:
            return None


def per_s(total: int, earlier: int | None, now: Sample, before: Sample) -> float:
    """Per second between two samples; 0 over a restart, where counters begin again."""
    spent = now.at - before.at
    if earlier is None or spent <= 0 or total < earlier:
        return 0.0
    return (total - earlier) / spent
