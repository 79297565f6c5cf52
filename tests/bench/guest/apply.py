# SPDX-License-Identifier: Apache-2.0
"""1,000 services of 10 servers: from the plan to the proof, and `ipvsadm -R` of the same lines.

Ours is what an apply does once the document is judged: look, plan, write, look again, plan again,
with the firewall and the kernel's settings real as well. Then the same table is kept as it is, and
`ipvsadm -Sn` shows it.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace

from services.agent.first_look import FirstLook
from services.apply import converge, look
from services.drivers.ipvs import KernelIpvs
from services.drivers.ipvs_refusal import NotDone
from services.plan.ipvs_changes import IpvsChange
from services.plan.planner import plan
from services.wanted import wanted
from tests.bench.guest.tables import (
    NEVER,
    SERVERS,
    SERVICES,
    Samples,
    document,
    empty,
    require_same,
    restored_s,
    saved,
)
from tests.kernel.guest.whole import PLACE, drivers

FULL_TURNS = 3
NO_TURNS = 5
GLANCES = 4
"""Passes of the loop between two that look whole."""


class Counting(KernelIpvs):
    """The kernel's table, and how many changes were written to it."""

    def __init__(self) -> None:
        self.written = 0

    async def write(self, changes: Sequence[IpvsChange]) -> tuple[NotDone, ...]:
        self.written += len(changes)
        return await super().write(changes)


async def measure() -> Samples:
    """Both sides in turns."""
    ipvs = Counting()
    doors = replace(drivers(), ipvs=ipvs)
    whole = wanted(document(SERVICES, SERVERS, NEVER), PLACE)
    await converge(doors, whole)
    lines = saved()
    full: Samples = {"full": [], "restore": []}
    for _ in range(FULL_TURNS):
        full["restore"].append(restored_s(lines))
        require_same(saved(), lines)
        empty()
        begun = time.perf_counter()
        await converge(doors, whole)
        full["full"].append(time.perf_counter() - begun)
        require_same(saved(), lines)

    ipvs.written = 0
    none: Samples = {"none": [], "save": [], "glance": []}
    looks = FirstLook(ipvs)
    await looks.seen(whole.ipvs)
    for _ in range(NO_TURNS):
        begun = time.perf_counter()
        await converge(doors, whole)
        none["none"].append(time.perf_counter() - begun)
        begun = time.perf_counter()
        saved()
        none["save"].append(time.perf_counter() - begun)
    for _ in range(GLANCES):
        begun = time.perf_counter()
        changes = plan(whole, await look(doors, whole, layer4=looks.seen))
        none["glance"].append(time.perf_counter() - begun)
        if changes:
            raise RuntimeError(f"the loop would change {len(changes)} things")
    return {**full, **none, "written": [float(ipvs.written)], "lines": [float(len(lines))]}
