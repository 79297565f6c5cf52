# SPDX-License-Identifier: Apache-2.0
"""When each job is looked at, on a clock that a test moves."""

from __future__ import annotations

import asyncio
import itertools
import selectors
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

from services.health.jobs import Job, running_of
from services.health.targets import Kind, Manner, Target
from services.health.verdict import Result
from services.probe.watches import Watches


class _Clock(asyncio.SelectorEventLoop):
    """A loop whose time passes when it has nothing to do."""

    def __init__(self) -> None:
        super().__init__(_Never(self))
        self.now = 0.0

    def time(self) -> float:
        return self.now


class _Never(selectors.SelectSelector):
    """Files are never ready; waiting for them moves the clock."""

    def __init__(self, loop: _Clock) -> None:
        super().__init__()
        self._loop = loop

    def select(self, timeout: float | None = None) -> list[Any]:
        self._loop.now += timeout or 0.0
        return []


def timed(story: Callable[[], Coroutine[Any, Any, None]]) -> None:
    with asyncio.Runner(loop_factory=_Clock) as runner:
        runner.run(story())


def job(number: int, *, interval_s: int = 10, secret: str = "", up: bool | None = None) -> Job:
    manner = Manner(Kind.PING, interval_s, 3, fall=3, rise=2)
    return Job(Target(manner, f"192.0.2.{number}", 0), secret, up)


class Looks:
    """Notes every look and answers as told."""

    def __init__(self, *, takes_s: float = 0.0) -> None:
        self.at: dict[str, list[float]] = {}
        self.bad: set[str] = set()
        self.told: list[str] = []
        self.takes_s = takes_s
        self.secrets: list[str] = []
        self.broken = False
        self.watches = Watches(self.look, self.told.append)

    async def look(self, job: Job) -> Result | None:
        now = asyncio.get_running_loop().time()
        self.at.setdefault(job.target.address, []).append(round(now, 3))
        self.secrets.append(job.secret)
        await asyncio.sleep(self.takes_s)
        if self.broken:
            raise RuntimeError("unforeseen")
        return Result(job.target.address not in self.bad, "", now)


def story(function: Callable[[Looks], Awaitable[None]], *, takes_s: float = 0.0) -> None:
    async def run() -> None:
        looks = Looks(takes_s=takes_s)
        await function(looks)
        await looks.watches.close()

    timed(run)


def test_looks_are_spread_over_the_interval_and_then_keep_their_pace() -> None:
    async def told(looks: Looks) -> None:
        looks.watches.replace([job(n) for n in range(1, 6)])
        await asyncio.sleep(39.9)
        assert {at[0] for at in looks.at.values()} == {0, 2, 4, 6, 8}
        assert all(
            [b - a for a, b in itertools.pairwise(at)] == [10, 10, 10] for at in looks.at.values()
        )

    story(told, takes_s=1)


def test_a_failure_is_looked_at_again_soon_until_it_is_certain() -> None:
    async def told(looks: Looks) -> None:
        looks.watches.replace([job(1)])
        await asyncio.sleep(15)
        looks.bad.add("192.0.2.1")
        await asyncio.sleep(30)
        # every ten seconds; then a second after each failure's end, until three have failed
        assert looks.at["192.0.2.1"] == [0, 10, 20, 22, 24, 34, 44]
        last = looks.watches.last(job(1).name)
        assert last is not None
        assert (last.up, last.since) == (False, 24)

    story(told, takes_s=1)


def test_the_count_goes_on_from_what_the_agent_knows() -> None:
    async def told(looks: Looks) -> None:
        looks.bad.add("192.0.2.1")
        looks.watches.replace([job(1, up=True)])
        await asyncio.sleep(0.5)
        last = looks.watches.last(job(1).name)
        assert last is not None
        assert (last.up, last.against) == (True, 1)

    story(told)


def test_jobs_that_stay_keep_their_pace_and_take_a_new_secret() -> None:
    async def told(looks: Looks) -> None:
        looks.watches.replace([job(1, secret="one"), job(2)])
        await asyncio.sleep(12)
        looks.watches.replace([job(1, secret="two"), job(3)])
        assert looks.watches.running == running_of([job(1, secret="two"), job(3)])
        await asyncio.sleep(10.5)
        assert looks.at["192.0.2.1"] == [0, 10, 20]
        assert looks.at["192.0.2.2"] == [5]
        assert looks.at["192.0.2.3"] == [12, 22]
        assert looks.secrets[-2:].count("two") == 1

    story(told)


def test_what_is_unforeseen_is_no_word_on_the_server_and_is_tried_again() -> None:
    async def told(looks: Looks) -> None:
        looks.broken = True
        looks.watches.replace([job(1)])
        await asyncio.sleep(15)
        assert looks.told == []
        looks.broken = False
        await asyncio.sleep(10)
        assert looks.told == [job(1).name]

    story(told)
