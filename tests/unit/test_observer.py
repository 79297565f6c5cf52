# SPDX-License-Identifier: Apache-2.0
"""Looking at layer 4 costs a share of the time, however large the kernel's table."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest

from services.agent import observer
from services.agent.appliance import Appliance
from services.agent.health import HealthBook
from services.agent.observer import Observer
from services.agent.review import Running
from services.drivers.ipvs import Statistics
from services.errors import Unable
from services.follow import Drivers
from services.model import Document
from services.plan.ipvs import IpvsSeen, ServiceKey
from services.plan.ipvs_planner import plan_ipvs
from services.render import Place
from services.wanted import wanted
from tests.fakes.haproxy import FakeHaproxy
from tests.fakes.ipvs import FakeIpvs
from tests.fakes.links import FakeLinks
from tests.poll import eventually_async

LOOK_S = 0.05


@dataclass
class Slow(FakeIpvs):
    """Takes its time to count, and counts how often."""

    counts: int = 0

    async def statistics(self) -> Mapping[ServiceKey, Statistics]:
        self.counts += 1
        await asyncio.sleep(LOOK_S)
        return await super().statistics()


def running(*servers: int) -> Running:
    service = {
        "id": 1,
        "label": "shop",
        "addresses": ["192.0.2.10"],
        "servers": [
            {"id": number, "label": f"web{number}", "address": f"192.0.2.{10 + number}"}
            for number in servers
        ],
    }
    document = Document.model_validate({"cluster": {"layer4": [service]}})
    return Running.of(document, wanted(document, Place(run=Path("/run/ballast"))), 1)


@dataclass
class Stage:
    """An observer, the appliance it looks at, and the kernel below."""

    ipvs: Slow
    appliance: SimpleNamespace
    observer: Observer

    async def runs(self, now: Running) -> None:
        seen = await self.ipvs.seen()
        assert await self.ipvs.write(plan_ipvs(now.wanted.ipvs, seen or IpvsSeen())) == ()
        self.appliance.running = now


@pytest.fixture
async def on(monkeypatch: pytest.MonkeyPatch) -> Stage:
    monkeypatch.setattr(observer, "FRESH_S", 0.0)
    ipvs = Slow()
    doors = SimpleNamespace(haproxy=FakeHaproxy(lambda: None), links=FakeLinks(), ipvs=ipvs)
    appliance = SimpleNamespace(running=None, notices={}, confirm_status=lambda: None)
    book = cast("HealthBook", SimpleNamespace(standings={}))
    stage = Stage(
        ipvs,
        appliance,
        Observer(cast("Appliance", appliance), cast("Drivers", doors), book, version="1"),
    )
    await stage.runs(running(1))
    return stage


async def test_a_count_that_took_long_is_shown_again_for_a_while(on: Stage) -> None:
    for _ in range(5):
        report = await on.observer.layer4()
        assert report.services[0].servers[0].there
    assert on.ipvs.counts == 1
    counted_at = time.monotonic()

    async def counts() -> int:
        await on.observer.layer4()
        return on.ipvs.counts

    await eventually_async(counts, lambda found: found == 2)
    assert time.monotonic() - counted_at > LOOK_S / observer.SHARE / 2


async def test_what_is_new_is_counted_at_once(on: Stage) -> None:
    await on.observer.layer4()
    await on.runs(running(1, 2))
    report = await on.observer.layer4()
    assert [server.there for server in report.services[0].servers] == [True, True]
    assert on.ipvs.counts == 2


async def test_where_the_kernel_says_nothing_the_report_does_not_make_it_zero(on: Stage) -> None:
    on.ipvs.loaded = False
    with pytest.raises(Unable, match="no IPVS"):
        await on.observer.layer4()
    status = await on.observer.status()
    assert status.services[0].reason == "the kernel has no IPVS, or does not answer"
