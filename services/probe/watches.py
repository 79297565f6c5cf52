# SPDX-License-Identifier: Apache-2.0
"""Every job's clock and its count: when it is looked at next, and what the looks amount to.

At the beginning the looks are spread over their interval, so that a thousand servers are not
asked in one instant and then left alone. While results speak against the verdict the next look
comes soon, which is how HAProxy does it with `fastinter`: a failure is known for certain after
`fall` looks, not after `fall` intervals.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Iterator
from dataclasses import dataclass, field

from services.health.jobs import Job, Look, Running, running_of
from services.health.verdict import UNKNOWN, Result, Verdict, judged

log = logging.getLogger(__name__)

Looking = Callable[[Job], Awaitable[Result | None]]


@dataclass
class _Watch:
    """One job under way."""

    job: Job
    verdict: Verdict = UNKNOWN
    last: Look | None = None
    timer: asyncio.TimerHandle | None = None
    task: asyncio.Task[None] | None = None

    def cancel(self) -> None:
        for each in (self.timer, self.task):
            if each is not None:
                each.cancel()


@dataclass
class Watches:
    """All jobs."""

    look: Looking
    tell: Callable[[str], None]
    """Called with a job's name whenever there is news of it."""
    _watches: dict[str, _Watch] = field(default_factory=dict)

    @property
    def running(self) -> Running:
        """What there is to do."""
        return running_of([watch.job for watch in self._watches.values()])

    @property
    def names(self) -> Iterator[str]:
        """Of every job that has been looked at."""
        return (name for name, watch in self._watches.items() if watch.last)

    def last(self, name: str) -> Look | None:
        """The last look, if there was one and the job is there still."""
        watch = self._watches.get(name)
        return watch.last if watch else None

    def replace(self, jobs: Iterable[Job]) -> None:
        """Do these and no others; what goes on goes on at its own pace."""
        wanted = {job.name: job for job in jobs}
        for name in self._watches.keys() - wanted.keys():
            self._watches.pop(name).cancel()
        fresh = [job for name, job in wanted.items() if name not in self._watches]
        among = Counter(job.target.manner.interval_s for job in fresh)
        before: Counter[int] = Counter()
        for job in fresh:
            interval_s = job.target.manner.interval_s
            watch = self._watches[job.name] = _Watch(job, _seed(job))
            self._wait(watch, interval_s * before[interval_s] / among[interval_s])
            before[interval_s] += 1
        for name in wanted.keys() & self._watches.keys():
            # the target is the name, so only the secret's text can have changed
            self._watches[name].job = wanted[name]

    async def close(self) -> None:
        """End it all, scripts included."""
        tasks = [watch.task for watch in self._watches.values() if watch.task]
        self.replace(())
        await asyncio.gather(*tasks, return_exceptions=True)

    def _wait(self, watch: _Watch, pause_s: float) -> None:
        loop = asyncio.get_running_loop()
        watch.timer = loop.call_later(max(0.0, pause_s), self._begin, watch)

    def _begin(self, watch: _Watch) -> None:
        watch.timer = None
        watch.task = asyncio.get_running_loop().create_task(self._once(watch))

    async def _once(self, watch: _Watch) -> None:
        loop = asyncio.get_running_loop()
        begun = loop.time()
        result = None
        try:
            result = await self.look(watch.job)
        except Exception:
            # what a stranger has sent must not end the looking, and is no word on the server
            log.exception("a look at %s failed unexpectedly", watch.job.name)
        manner = watch.job.target.manner
        if result is not None:
            self._judge(watch, result)
        if watch.verdict.settled:
            pause_s = begun + manner.interval_s - loop.time()
        else:
            pause_s = manner.fast_s
        self._wait(watch, pause_s)

    def _judge(self, watch: _Watch, result: Result) -> None:
        manner = watch.job.target.manner
        verdict = judged(watch.verdict, result, fall=manner.fall, rise=manner.rise)
        watch.verdict = verdict
        name = watch.job.name
        watch.last = Look(name, result, verdict.up, verdict.against, verdict.since)
        self.tell(name)


def _seed(job: Job) -> Verdict:
    """The verdict to go on from: with a result in it, so that the next is not the first."""
    if job.up is None:
        return UNKNOWN
    return Verdict(up=job.up, results=(Result(job.up, "", 0.0),))
