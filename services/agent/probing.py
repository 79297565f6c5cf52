# SPDX-License-Identifier: Apache-2.0
"""Keeps `ballast-probe` at work: it runs while there is something to look at, with the right jobs.

It is no part of an apply: a probe that does not start says nothing against a configuration, and
the servers it would look at stay what they were. What is wrong is told as a notice.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from services.drivers.probe_jobs import Probes
from services.health.jobs import Job, Look, fingerprint_of, jobs_of
from services.health.verdict import Verdict
from services.model import Document


class Probing:
    """What the probe has to do for the document that runs."""

    def __init__(self, probes: Probes, secret_of: Callable[[str], str]) -> None:
        self._probes = probes
        self._secret_of = secret_of
        self._document: Document | None = None
        self._jobs: tuple[Job, ...] = ()
        self._secrets: Mapping[str, str] = {}
        self._fingerprint = ""

    async def looks(self, document: Document, known: Mapping[str, Verdict]) -> Sequence[Look]:
        """What it has found since, once it does what `document` asks for.

        `known`: the verdicts so far, from which a probe that was started anew goes on counting.
        Raises `Unable` and its children if it cannot be had.
        """
        if document is not self._document or self._a_secret_changed():
            self._take(document)
            if not self._jobs and await self._probes.seen() is not None:
                await self._probes.stop()
        if not self._jobs:
            return ()
        running = await self._probes.seen()
        if running is None:
            await self._probes.start()
            running = await self._probes.seen()
        if running is None or running.fingerprint != self._fingerprint:
            await self._probes.replace([self._with_verdict(job, known) for job in self._jobs])
        return self._probes.heard()

    def names(self) -> frozenset[str]:
        """The targets that it looks at."""
        return frozenset(job.name for job in self._jobs)

    async def aclose(self) -> None:
        """Hang up; it goes on."""
        await self._probes.aclose()

    def _take(self, document: Document) -> None:
        self._document = document
        self._jobs = jobs_of(document, self._secret_of)
        names = {job.target.manner.password for job in self._jobs} - {""}
        self._secrets = {name: self._secret_of(name) for name in names}
        self._fingerprint = fingerprint_of(self._jobs)

    def _a_secret_changed(self) -> bool:
        return any(self._secret_of(name) != text for name, text in self._secrets.items())

    @staticmethod
    def _with_verdict(job: Job, known: Mapping[str, Verdict]) -> Job:
        verdict = known.get(job.name)
        return job._replace(up=verdict.up if verdict and verdict.results else None)
