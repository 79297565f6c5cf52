# SPDX-License-Identifier: Apache-2.0
"""console.idle.pct: what an Overview costs that nobody touches, with 20 rows of live figures.

Clients send requests through every service meanwhile, so that each refresh has something
new to paint.
"""

from __future__ import annotations

import time
from collections.abc import Sequence

from tests.bench.console import PAINT_S, opened, overview
from tests.bench.fleets import at, fleet
from tests.bench.haproxy import cpu_s
from tests.bench.origin import Origin
from tests.bench.results import Formula, Result
from tests.lab import Lab

SERVICES, SERVERS = 4, 4
VIPS = [f"192.168.2.{60 + number}" for number in range(SERVICES)]
WINDOWS = 6
WINDOW_S = 6
SETTLE_S = 4


def measure() -> Sequence[Result]:
    """Let it stand there, and look at its CPU time now and then."""
    with Lab(1, spares=0) as lab:
        Origin(lab)
        lab.start_agent(first=at(fleet(SERVICES, SERVERS), *VIPS))
        lab.start_traffic()
        used_pct, painted = [], 0
        with opened(lab.socket) as terminal:
            terminal.until(overview, timeout_s=PAINT_S)
            terminal.pass_time(SETTLE_S)
            for _ in range(WINDOWS):
                before, begun = cpu_s(terminal.pid), time.monotonic()
                painted += terminal.pass_time(WINDOW_S)
                spent = time.monotonic() - begun
                used_pct.append((cpu_s(terminal.pid) - before) / spent * 100)
        requests = lab.traffic.get("requests", 0)
    return [
        Result(
            "console.idle.pct",
            Formula.MEAN,
            used_pct,
            beside={"window_s": WINDOW_S, "writes": painted, "requests": requests},
            void="" if painted >= WINDOWS else "the figures on the screen did not change",
            note=f"{SERVICES * (1 + SERVERS)} rows over {WINDOWS * WINDOW_S} s",
        )
    ]
