# SPDX-License-Identifier: Apache-2.0
"""What the loop's look at a large table sees; what it costs is no test's to say."""

from __future__ import annotations

from services.agent.first_look import WHOLE_EVERY, FirstLook
from services.drivers.ipvs import KernelIpvs
from services.plan.ipvs import (
    Dest,
    DestKey,
    Entry,
    Forwarding,
    IpvsWanted,
    Protocol,
    Service,
    ServiceKey,
)
from services.plan.ipvs_changes import PutDest
from services.plan.ipvs_planner import plan_ipvs
from tests.kernel.guest.hands import by_hand
from tests.netns import inside

SERVICES, SERVERS = 1000, 10
DR = Dest(Forwarding.DR, 1)
WANTED = IpvsWanted(
    {
        ServiceKey(4, Protocol.TCP, f"198.18.{at // 250}.{at % 250 + 1}", 80): Entry(
            Service("wlc"),
            {DestKey(f"198.19.{at // 250}.{number + 1}", 80): DR for number in range(SERVERS)},
        )
        for at in range(SERVICES)
    }
)


async def in_turn() -> None:
    ipvs = KernelIpvs()
    seen = await ipvs.seen()
    assert seen is not None
    assert await ipvs.write(plan_ipvs(WANTED, seen)) == ()
    looks = FirstLook(ipvs)
    assert (await looks.seen(WANTED)) == await ipvs.seen(), "the first one is whole"
    for _ in range(WHOLE_EVERY):
        settled = await looks.seen(WANTED)
        assert settled is not None
        assert plan_ipvs(WANTED, settled) == ()

    key, entry = next(iter(WANTED.table.items()))
    moved = PutDest(service=key, key=next(iter(entry.dests)), dest=DR._replace(weight=7))
    by_hand(PutDest(service=moved.service, key=moved.key, dest=moved.dest, exists=True))
    found = await looks.seen(WANTED)
    assert found is not None
    assert len(plan_ipvs(WANTED, found)) == 1, "one weight among 10,000"


def test_the_loops_look_sees_one_weight_among_ten_thousand() -> None:
    inside(in_turn)
