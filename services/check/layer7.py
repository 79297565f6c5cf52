# SPDX-License-Identifier: Apache-2.0
"""Rules inside one layer 7 service: what its fields and its servers demand of each other."""

from __future__ import annotations

from collections.abc import Iterator

from services.check.service import Path, families
from services.errors import Problem
from services.model import Mode, Persistence, VirtualService


def layer7(path: Path, service: VirtualService) -> Iterator[Problem]:
    """The problems of the service at `path` that can be seen without the other services."""
    if service.persistence is Persistence.HTTP_COOKIE and service.mode is not Mode.HTTP:
        yield Problem(
            (*path, "persistence"),
            f"{service.label} keeps clients by a cookie, but in TCP mode nobody reads cookies.",
            "Choose HTTP mode, or persistence by source IP.",
        )
    check = service.check
    if check.timeout_s > check.interval_s:
        # HAProxy bounds a check's connect by the interval, whatever the timeout says
        yield Problem(
            (*path, "check", "timeout_s"),
            f"{service.label} checks every {check.interval_s} s but waits {check.timeout_s} s for "
            "an answer: a check would still wait when the next one is due.",
            f"Write {check.interval_s} at most, or check less often.",
        )
    yield from families(path, service)
