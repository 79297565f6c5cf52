# SPDX-License-Identifier: Apache-2.0
"""The kernel keeps the contract that the fake keeps, and ipvsadm reads what we write."""

from __future__ import annotations

from services.drivers.ipvs import KernelIpvs
from services.plan.ipvs import IpvsSeen, IpvsWanted
from services.plan.ipvs_planner import plan_ipvs
from tests.cases import Case
from tests.contract.test_ipvs_contract import EVERYTHING, World, case
from tests.kernel.guest.hands import argv, by_hand, ipvsadm
from tests.netns import inside


@case.each
def test_in_the_kernel(case: Case[World]) -> None:
    async def whole() -> None:
        await case(World(KernelIpvs(), by_hand))

    inside(whole)


def test_ipvsadm_reads_the_same_whoever_wrote_it() -> None:
    changes = plan_ipvs(IpvsWanted(EVERYTHING), IpvsSeen())

    async def ours() -> str:
        assert await KernelIpvs().write(changes) == ()
        return ipvsadm("-Sn")

    def theirs() -> str:
        for change in changes:
            ipvsadm(*argv(change))
        return ipvsadm("-Sn")

    written = inside(ours)
    assert written == inside(theirs)
    assert len(written.splitlines()) == len(changes)
