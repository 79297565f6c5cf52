# SPDX-License-Identifier: Apache-2.0
"""The loop asks the kernel for everything only where the cheap look does not answer."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from services.agent.first_look import WHOLE_EVERY, FirstLook
from services.plan.ipvs import (
    Dest,
    DestKey,
    Entry,
    Forwarding,
    IpvsSeen,
    IpvsWanted,
    Protocol,
    Service,
    ServiceKey,
    Timeouts,
)
from services.plan.ipvs_changes import DropDest, IpvsChange, PutDest, SetTimeouts
from services.plan.ipvs_planner import plan_ipvs
from tests.fakes.ipvs import FakeIpvs

WEB = ServiceKey(4, Protocol.TCP, "192.0.2.10", 80)
A, B = DestKey("192.0.2.11", 80), DestKey("192.0.2.12", 80)
DR = Dest(Forwarding.DR, 1)
WANTED = IpvsWanted({WEB: Entry(Service("wlc"), {A: DR, B: DR})}, Timeouts(60, 30, 10))


@dataclass
class Counted(FakeIpvs):
    """Counts whole looks."""

    wholes: int = 0

    async def seen(self) -> IpvsSeen | None:
        self.wholes += 1
        return await super().seen()


async def settled() -> tuple[Counted, FirstLook]:
    """A kernel that has what is wanted, and a loop that has looked at it once, whole."""
    ipvs = Counted()
    looks = FirstLook(ipvs)
    await ipvs.write(plan_ipvs(WANTED, IpvsSeen()))
    await due(looks)
    assert ipvs.wholes == 1
    return ipvs, looks


async def due(looks: FirstLook) -> tuple[IpvsChange, ...]:
    """What a pass of the loop would do."""
    seen = await looks.seen(WANTED)
    assert seen is not None
    return plan_ipvs(WANTED, seen)


async def test_while_all_is_as_wanted_one_pass_in_so_many_looks_whole() -> None:
    ipvs, looks = await settled()
    for _ in range(3 * WHOLE_EVERY):
        assert await due(looks) == ()
    assert ipvs.wholes == 1 + 3


@pytest.mark.parametrize(
    "hand",
    [
        DropDest(service=WEB, key=A),
        PutDest(service=WEB, key=A, dest=Dest(Forwarding.DR, 7), exists=True),
        PutDest(service=WEB, key=DestKey("192.0.2.13", 80), dest=DR),
    ],
    ids=["removed", "weighed", "added"],
)
async def test_what_the_file_shows_is_found_by_the_very_next_pass(hand: IpvsChange) -> None:
    ipvs, looks = await settled()
    ipvs.by_hand(hand)
    changes = await due(looks)
    assert len(changes) == 1
    assert ipvs.wholes == 2


@pytest.mark.parametrize(
    "hand",
    [
        PutDest(service=WEB, key=A, dest=Dest(Forwarding.DR, 1, upper=5), exists=True),
        SetTimeouts(timeouts=Timeouts(1, 1, 1)),
    ],
    ids=["threshold", "timeouts"],
)
async def test_what_the_file_does_not_show_is_found_by_the_next_whole_look(
    hand: IpvsChange,
) -> None:
    ipvs, looks = await settled()
    ipvs.by_hand(hand)
    found = [await due(looks) for _ in range(WHOLE_EVERY)]
    assert sum(map(len, found)) == 1


async def test_what_is_wanted_anew_is_compared_anew() -> None:
    _, looks = await settled()
    nothing = await looks.seen(IpvsWanted())
    assert nothing is not None
    assert WEB in nothing.table


async def test_a_kernel_without_ipvs_is_told_as_such() -> None:
    assert await FirstLook(FakeIpvs(loaded=False)).seen(IpvsWanted()) is None


class Forbidden(FakeIpvs):
    """As in a user namespace: the file can be read and is empty, the table cannot."""

    async def seen(self) -> IpvsSeen | None:
        return None


async def test_the_empty_file_of_a_table_that_may_not_be_seen_is_not_believed() -> None:
    looks = FirstLook(Forbidden())
    assert [await looks.seen(IpvsWanted()) for _ in range(3)] == [None, None, None]
