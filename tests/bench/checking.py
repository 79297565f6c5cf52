# SPDX-License-Identifier: Apache-2.0
"""health.cpu.pct and health.shared: what looking costs the appliance, and the servers.

Who looks is everything that runs on the appliance: the agent, the HAProxy of the checks, and
whatever these start. What is looked at is counted on the wire before the servers.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

from tests.bench.farm import Arrival, Farm, Shape, now
from tests.bench.results import Formula, Result
from tests.lab import Lab

MANY = Shape(services=10, servers=100, interval_s=1)
PER_S = len(MANY.everybody) / MANY.interval_s
WINDOWS = 6
WINDOW_S = 5
SETTLE_S = 5
START_S = 30

SHARED = Shape(services=4, servers=50, shared=True, interval_s=2)
INTERVALS = 12

ENOUGH = 0.9
"""Of the checks that should be: with fewer of them a figure says something else. A machine that
others load makes each check a little late, and so there are never quite as many."""


@dataclass(frozen=True)
class Window:
    """A stretch of time: CPU seconds by program, and the checks that reached a server."""

    seconds: float
    cpu_s: Mapping[str, float]
    checks: int

    @property
    def pct(self) -> float:
        """Of one core, all programs together, brought to `PER_S` checks a second."""
        return sum(self.cpu_s.values()) / self.checks * PER_S * 100


def used_s(pid: int) -> dict[str, float]:
    """CPU seconds so far, by program, of all processes in the network of process `pid`."""
    network = Path(f"/proc/{pid}/ns/net").readlink()
    found: dict[str, float] = defaultdict(float)
    for process in psutil.process_iter():
        try:
            if Path(f"/proc/{process.pid}/ns/net").readlink() == network:
                # children too that have ended meanwhile
                found[process.name()] += sum(process.cpu_times()[:4])
        except (OSError, psutil.Error):
            continue
    return found


def windows(farm: Farm, count: int, length_s: float) -> list[Window]:
    """Let the appliance do its work and look at its CPU time now and then."""
    pid = farm.agent_pid
    taken = []
    for _ in range(count):
        begun, before = now(), used_s(pid)
        time.sleep(length_s)
        ended, after = now(), used_s(pid)
        checks = sum(one.at < ended for one in farm.arrivals(since=begun))
        spent = {name: after[name] - before.get(name, 0.0) for name in after}
        taken.append(Window(ended - begun, spent, checks))
    return taken


def measure() -> Sequence[Result]:
    """Many servers, then fewer that several services share."""
    with Lab(1, spares=0) as lab:
        farm = Farm(lab)
        begun = farm.start_agent(MANY)
        farm.await_looks(MANY, since=begun, looks=2, within_s=START_S)
        time.sleep(SETTLE_S)
        many = windows(farm, WINDOWS, WINDOW_S)
        begun = farm.apply(SHARED)
        farm.await_looks(SHARED, since=begun, looks=2, within_s=START_S)
        begun = now()
        time.sleep((INTERVALS + 1) * SHARED.interval_s)
        arrivals = farm.arrivals(since=begun)
    return [cost(many), sharing(arrivals)]


def cost(taken: Sequence[Window]) -> Result:
    """Per cent of a core; void if there were far fewer checks than there should be."""
    checks = sum(window.checks for window in taken)
    rate = checks / sum(window.seconds for window in taken)
    each = {
        name: sum(window.cpu_s.get(name, 0.0) for window in taken) / checks * PER_S * 100
        for name in taken[0].cpu_s
    }
    parts = ", ".join(f"{name} {pct:.1f}" for name, pct in sorted(each.items()))
    return Result(
        "health.cpu.pct",
        Formula.MEAN,
        [window.pct for window in taken],
        beside={"checks_per_s": rate, "by_program": each, "window_s": WINDOW_S},
        void="" if rate > ENOUGH * PER_S else f"{rate:.0f} checks/s instead of {PER_S:.0f}",
        note=f"{rate:.0f} checks/s; {parts}",
    )


def looks_per_interval(arrivals: Iterable[Arrival], interval_s: float) -> dict[str, float]:
    """How many checks reach each target in an interval, of those that were reached twice."""
    times: dict[str, list[float]] = defaultdict(list)
    for one in arrivals:
        times[one.address].append(one.at)
    return {
        address: (len(found) - 1) * interval_s / (max(found) - min(found))
        for address, found in times.items()
        if len(found) > 1
    }


def sharing(arrivals: Sequence[Arrival]) -> Result:
    """The target that is asked most often; void if one is asked less than it should be."""
    found = looks_per_interval(arrivals, SHARED.interval_s)
    missing = len(SHARED.everybody - found.keys())
    void = f"{missing} servers were not looked at" if missing else ""
    if not void and min(found.values()) < ENOUGH:
        void = f"a server was looked at {min(found.values()):.2f} times in an interval"
    return Result(
        "health.shared",
        Formula.WORST,
        list(found.values()),
        void=void,
        note=f"{len(found)} targets, each of {SHARED.services} services, "
        f"{len(arrivals)} checks on the wire",
    )
