# SPDX-License-Identifier: Apache-2.0
"""The machine's own figures, as the kernel counts them in /proc.

Read here and not by psutil, which takes the agent 0.07 s to import and a second of every boot on
a slow machine.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

PROC = Path("/proc")

_COUNTED = 8
"""user to steal of /proc/stat (proc_stat(5)); what follows is contained in user and nice."""
_IDLE, _IOWAIT = 3, 4
_RECEIVED, _SENT = 0, 8
"""Columns of /proc/net/dev."""


@dataclass(frozen=True)
class Machine:
    """The figures of one moment; counts are since the machine's start."""

    at: float
    """By the monotonic clock."""
    busy: int
    """Ticks of all processors together."""
    ticks: int
    memory_pct: float
    """What programs could not have without swapping."""
    bytes_in: int
    bytes_out: int

    def cpu_pct(self, before: Machine) -> float:
        """How busy the processors were since `before`, 0 to 100."""
        ticks = self.ticks - before.ticks
        return min(100.0, 100 * max(0, self.busy - before.busy) / ticks) if ticks > 0 else 0.0


def machine(proc: Path = PROC) -> Machine:
    """Look; lo counts for nothing."""
    processors = (proc / "stat").read_text().partition("\n")[0].split()
    ticks = [int(word) for word in processors[1 : 1 + _COUNTED]]
    memory = {
        name: int(rest.split()[0])
        for name, _, rest in (
            line.partition(":") for line in (proc / "meminfo").read_text().splitlines()
        )
    }
    wires = [
        [int(word) for word in counts.split()]
        for name, colon, counts in (
            line.partition(":") for line in (proc / "net" / "dev").read_text().splitlines()
        )
        if colon and name.strip() != "lo"
    ]
    return Machine(
        at=time.monotonic(),
        busy=sum(ticks) - ticks[_IDLE] - ticks[_IOWAIT],
        ticks=sum(ticks),
        memory_pct=100 * (1 - memory["MemAvailable"] / memory["MemTotal"]),
        bytes_in=sum(wire[_RECEIVED] for wire in wires),
        bytes_out=sum(wire[_SENT] for wire in wires),
    )


def uptime_s() -> int:
    """Seconds since the machine was switched on."""
    return int(time.clock_gettime(time.CLOCK_BOOTTIME))
