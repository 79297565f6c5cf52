# SPDX-License-Identifier: Apache-2.0
"""A probe in memory: it runs or not, has its jobs, and finds what a test says."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

from services.errors import Unable, Unreachable
from services.health.jobs import Job, Look, Running, running_of
from services.health.verdict import KEPT, UNKNOWN, Result, Verdict, judged

UNREACHABLE = "ballast-probe does not answer."


@dataclass
class ProbeProcess:
    """The process, which outlives whoever talks to it."""

    runs: bool = False
    broken: str = ""
    """Why it does not start."""
    refused: frozenset[tuple[str, int]] = frozenset()
    """Where nobody listens; everybody else is well."""
    jobs: dict[str, Job] = field(default_factory=dict)
    verdicts: dict[str, Verdict] = field(default_factory=dict)
    looks: dict[str, Look] = field(default_factory=dict)
    readers: list[FakeProbes] = field(default_factory=list)

    def die(self) -> None:
        """What the kernel does to it when memory is short."""
        self.runs = False
        self.jobs, self.verdicts, self.looks = {}, {}, {}

    def look(self) -> None:
        """Look at everything once."""
        for name, job in self.jobs.items():
            gone = (job.target.address, job.target.port) in self.refused
            self.find(name, Result(not gone, "connection refused" if gone else "", 1.0, 1))

    def find(self, name: str, result: Result) -> None:
        """One look at that job has this result."""
        manner = self.jobs[name].target.manner
        before = self.verdicts.get(name, UNKNOWN)
        verdict = judged(before, result, fall=manner.fall, rise=manner.rise)
        self.verdicts[name] = verdict
        self.looks[name] = Look(name, result, verdict.up, verdict.against, verdict.since)
        for reader in self.readers:
            reader.hear(self.looks[name])


class FakeProbes:
    """A `Probes` that talks to it."""

    def __init__(self, process: ProbeProcess | None = None) -> None:
        self.process = process or ProbeProcess()
        self._heard: dict[str, list[Look]] = {}
        self._woken = asyncio.Event()

    def hear(self, look: Look) -> None:
        self._heard[look.name] = [*self._heard.get(look.name, []), look][-KEPT:]
        self._woken.set()

    async def seen(self) -> Running | None:
        if not self.process.runs:
            self._hang_up()
            return None
        self._connect()
        return running_of(list(self.process.jobs.values()))

    async def replace(self, jobs: Collection[Job]) -> None:
        if not self.process.runs:
            raise Unreachable(UNREACHABLE, do="Start it.")
        self._connect()
        self.process.jobs = {job.name: job for job in jobs}
        for known in (self.process.verdicts, self.process.looks):
            for name in set(known) - set(self.process.jobs):
                known.pop(name)
        self.process.look()

    def heard(self) -> Sequence[Look]:
        heard, self._heard = self._heard, {}
        return [look for looks in heard.values() for look in looks]

    async def news(self) -> Sequence[Look]:
        while not self._heard:
            self._woken.clear()
            if self.process.runs:
                self._connect()
            if not self._heard:
                await self._woken.wait()
        return self.heard()

    async def start(self) -> None:
        if self.process.broken:
            raise Unable(f"probe ended at once: {self.process.broken}", do="Mend that.")
        self.process.runs = True
        self._connect()

    async def stop(self) -> None:
        self._hang_up()
        self.process.die()

    async def aclose(self) -> None:
        self._hang_up()

    def _connect(self) -> None:
        if self not in self.process.readers:
            self.process.readers.append(self)
            for look in self.process.looks.values():
                self.hear(look)

    def _hang_up(self) -> None:
        if self in self.process.readers:
            self.process.readers.remove(self)
