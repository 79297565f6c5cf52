# SPDX-License-Identifier: Apache-2.0
"""Daemons in memory."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import count

from services.drivers.units import UnitSeen
from services.errors import Unable


@dataclass
class FakeUnits:
    """Keeps which masters of each unit are running."""

    names: Iterable[str] = ("haproxy",)
    broken: dict[str, str] = field(default_factory=dict)
    """Units that end at once when started, with their last words."""
    pids: dict[str, list[int]] = field(default_factory=dict)
    started: list[str] = field(default_factory=list)
    """Units in the order in which they were really started."""

    def __post_init__(self) -> None:
        self.pids = {name: list(self.pids.get(name, ())) for name in self.names}
        self._next = count(1000)
        self._ended: dict[str, str] = {}

    def die(self, unit: str) -> None:
        """What the kernel does to it when memory is short."""
        self.pids[unit] = []
        self._ended[unit] = "was ended by signal 9 (Killed)"

    def stray(self, unit: str) -> int:
        """Somebody starts another one by hand; its process id."""
        self.pids[unit].append(next(self._next))
        return self.pids[unit][-1]

    async def start(self, unit: str) -> None:
        if self.pids[unit]:
            return
        if words := self.broken.get(unit):
            self._ended[unit] = "ended with status 1"
            raise Unable(
                f"{unit} ended with status 1 at once: {words}",
                do="Look into its log, and whether the package is installed.",
            )
        self._ended.pop(unit, None)
        self.pids[unit] = [next(self._next)]
        self.started.append(unit)

    async def stop(self, unit: str) -> None:
        self.pids[unit] = []
        self._ended.pop(unit, None)

    async def seen(self, unit: str) -> UnitSeen:
        pids = tuple(self.pids[unit])
        if not pids:
            return UnitSeen(running=False, detail=self._ended.get(unit, ""))
        return UnitSeen(running=True, pid=pids[0], since_s=0, pids=pids)
