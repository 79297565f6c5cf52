# SPDX-License-Identifier: Apache-2.0
"""console.paint.s, console.key.ms, console.rss.mb: the console on 1,000 rows of a real agent.

Painted means that a person can begin: the first service stands on the Overview and no row
of the screen is empty any more. Everything is in the page cache
and compiled, as on an appliance whose console has been open before.
"""

from __future__ import annotations

import os
import re
import statistics
import sys
from collections.abc import Sequence
from pathlib import Path

from tests.bench.fleets import fleet
from tests.bench.haproxy import cpu_s
from tests.bench.origin import Origin
from tests.bench.results import Formula, Result
from tests.bench.terminal import Terminal
from tests.lab import Lab

SERVICES, SERVERS = 100, 9
STARTS = 7
WARM_UP = 1
KEYS = 120
DOWN = b"\x1b[B"
COMMAND = Path(sys.executable).with_name("ballast-console")
PAINT_S = 30
QUIET_S = 0.04
FIRST = "service-1"


def opened(socket: Path) -> Terminal:
    """The console on a terminal, in the environment of a login and no more."""
    keep = ("HOME", "LANG", "LC_ALL", "PATH", "USER")
    env = {name: os.environ[name] for name in keep if name in os.environ}
    return Terminal([str(COMMAND), "--socket", str(socket)], {"LC_ALL": "C.UTF-8", **env})


def overview(lines: Sequence[str]) -> bool:
    """Whether the Overview is complete: no row of the screen is empty."""
    return all(map(str.strip, lines)) and any(re.search(rf"\b{FIRST}\b", line) for line in lines)


def rss_mb(pid: int) -> float:
    """Resident memory in millions of bytes, of the process and of its children."""
    status = Path(f"/proc/{pid}/status").read_text()
    found = re.search(r"^VmRSS:\s+(\d+) kB", status, re.MULTILINE)
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    own = int(found[1]) * 1024 / 1e6 if found else 0.0
    return own + sum(rss_mb(int(child)) for child in children)


def measure() -> Sequence[Result]:
    """Start it several times; press keys in the last one."""
    with Lab(1, spares=0) as lab:
        Origin(lab)
        first = fleet(SERVICES, SERVERS)
        lab.start_agent(first=first)
        paint_s, spent_s, resident = [], [], []
        for _ in range(WARM_UP + STARTS):
            with opened(lab.socket) as terminal:
                paint_s.append(terminal.until(overview, timeout_s=PAINT_S))
                spent_s.append(cpu_s(terminal.pid))
                resident.append(rss_mb(terminal.pid))
        with opened(lab.socket) as terminal:
            terminal.until(overview, timeout_s=PAINT_S)
            keys_ms = []
            for _ in range(KEYS):
                terminal.settle(QUIET_S)
                keys_ms.append(terminal.key_s(DOWN) * 1e3)
            terminal.settle(QUIET_S)
            resident.append(rss_mb(terminal.pid))
    rows = SERVICES * (1 + SERVERS)
    return [
        Result(
            "console.paint.s",
            Formula.MEDIAN,
            paint_s[WARM_UP:],
            beside={"cpu_s": spent_s[WARM_UP:]},
            note=f"{rows} rows; CPU time {statistics.median(spent_s[WARM_UP:]):.2f} s",
        ),
        Result(
            "console.key.ms",
            Formula.P95,
            keys_ms,
            note=f"Down, {rows} rows; median {statistics.median(keys_ms):.0f} ms",
        ),
        Result(
            "console.rss.mb",
            Formula.WORST,
            resident[WARM_UP:],
            note=f"{rows} rows; the last sample is after {KEYS} keys",
        ),
    ]
