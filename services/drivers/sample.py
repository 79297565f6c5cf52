# SPDX-License-Identifier: Apache-2.0
"""What the data plane tells about itself, as values: counters, health and reasons."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from services.drivers.ipvs import Statistics
from services.health.shares import Standing
from services.plan.ipvs import ServiceKey
from services.plan.state import ServerKey


@dataclass(frozen=True)
class ServerCounters:
    """What the data plane says of one server."""

    up: bool
    reason: str
    """Why it is down, or empty."""
    connections: int = 0
    queued: int = 0
    sessions_total: int = 0
    sessions_per_s: float = 0
    bytes_total: int = 0
    """Both directions, since the worker started."""
    check_ms: int | None = None
    since_s: int = 0


@dataclass(frozen=True)
class ServiceCounters:
    """What the data plane says of one service's client side."""

    connections: int = 0
    sessions_total: int = 0
    sessions_per_s: float = 0
    bytes_total: int = 0


@dataclass(frozen=True)
class Sample:
    """All counters from one moment."""

    at: float
    """Seconds on `time.monotonic`'s clock."""
    running: bool
    """False: HAProxy does not run, everything is down."""
    since_s: int = 0
    """Seconds since the worker started."""
    servers: Mapping[ServerKey, ServerCounters] = field(default_factory=dict)
    services: Mapping[int, ServiceCounters] = field(default_factory=dict)
    layer4: Mapping[ServiceKey, Statistics] | None = None
    """What the kernel's IPVS counts; None: nobody asked, or it does not answer."""
    standings: Mapping[ServerKey, Standing] = field(default_factory=dict)
    """How the layer 4 servers stand, by their checks; one that is not named is new."""
