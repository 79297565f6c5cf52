# SPDX-License-Identifier: Apache-2.0
"""`ballast-probe` kept at what the running document asks of it, and its results taken.

It is started with the first job and ended with the last one. What it has to do is asked of it
each time, so one that was killed, or that an earlier agent left behind, is given its jobs as soon
as it is seen; the verdicts known so far go along, and no server turns because its probe began
anew.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping, MutableMapping, Sequence
from contextlib import suppress
from dataclasses import replace

from services.drivers.probe_jobs import Probes
from services.errors import ApplianceError
from services.health.jobs import Job, Look, fingerprint_of, jobs_of, probed, secrets_of
from services.health.targets import Target
from services.health.verdict import UNKNOWN, Verdict, remembered
from services.model import Document

REFRESH_S = 5.0
"""A secret's text that was replaced reaches the probe within this time."""

START_AGAIN_S = 60.0


class Probing:
    """Follows one appliance's document; `secret_of` reads a stored secret."""

    def __init__(
        self,
        probes: Probes,
        secret_of: Callable[[str], str],
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._probes = probes
        self._secret_of = secret_of
        self._clock = clock
        self._document: Document | None = None
        self._targets: tuple[Target, ...] = ()
        self._asked: tuple[Target, ...] = ()
        self._secrets: Mapping[str, str] = {}
        self._jobs: tuple[Job, ...] = ()
        self._fingerprint = ""
        self._due = 0.0
        self._starting: asyncio.Task[None] | None = None
        self._start_due = 0.0

    def ask(self, targets: tuple[Target, ...]) -> None:
        """Look at these, too, as long as they are not replaced by others: the document does not
        ask for them, and nobody waits for what they find.
        """
        if targets != self._asked:
            self._asked = targets
            self._document = None  # the jobs are worked out anew

    async def follow(
        self, document: Document, verdicts: MutableMapping[str, Verdict], *, start: bool = True
    ) -> None:
        """Let the probe do what `document` asks; raises `ApplianceError` if it cannot.

        Without `start` one that does not run is left so.
        """
        anew = self._read(document)
        if not self._jobs:
            if anew and await self._probes.seen() is not None:
                await self._probes.stop()
            return
        seen = await self._probes.seen()
        if seen is None:
            if not start:
                return
            if not self._targets:
                self._start_aside()
                return
            await self._probes.start()
            seen = await self._probes.seen()
        if seen is None or seen.fingerprint != self._fingerprint:
            await self._probes.replace([_seeded(job, verdicts) for job in self._jobs])

    def take(self, verdicts: MutableMapping[str, Verdict]) -> Sequence[Look]:
        """Put what it has found since into `verdicts`; returns the looks of feedback, and those
        that it was only asked for.
        """
        names = {job.name for job in self._jobs}
        looks = [look for look in self._probes.heard() if look.name in names]
        for look in looks:
            before = verdicts.get(look.name, UNKNOWN)
            verdicts[look.name] = replace(
                before,
                up=look.up,
                against=look.against,
                since=look.since or before.since,
                results=remembered(before.results, look.result),
            )
        asked = {target.name for target in self._asked}
        return [look for look in looks if look.result.percent is not None or look.name in asked]

    async def aclose(self) -> None:
        """Hang up; the probe goes on."""
        if self._starting is not None:
            self._starting.cancel()
        await self._probes.aclose()

    def _start_aside(self) -> None:
        """Start it while the looking goes on; one that does not start is tried again later."""
        if self._clock() < self._start_due:
            return
        self._start_due = self._clock() + START_AGAIN_S

        async def start() -> None:
            with suppress(ApplianceError):
                await self._probes.start()

        self._starting = asyncio.create_task(start())

    def _read(self, document: Document) -> bool:
        """Work out the jobs, if it is time to; whether it was."""
        now, same = self._clock(), document is self._document
        if same and now < self._due:
            return False
        self._due = now + REFRESH_S
        if not same:
            self._document, self._targets = document, probed(document)
        secrets = secrets_of(self._targets, self._secret_of)
        if not same or secrets != self._secrets:
            self._secrets, self._jobs = secrets, jobs_of((*self._targets, *self._asked), secrets)
            self._fingerprint = fingerprint_of(self._jobs)
        return True


def _seeded(job: Job, verdicts: MutableMapping[str, Verdict]) -> Job:
    known = verdicts.get(job.name)
    return job._replace(up=known.up) if known and known.results else job
