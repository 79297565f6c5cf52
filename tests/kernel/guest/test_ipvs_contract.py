# SPDX-License-Identifier: Apache-2.0
"""The kernel keeps the contract that the fake keeps, and ipvsadm reads what we write."""

from __future__ import annotations

from pathlib import Path

import pytest

from services.drivers.ipvs import KernelIpvs
from services.plan.ipvs import IpvsSeen, IpvsWanted
from services.plan.ipvs_planner import plan_ipvs
from tests.cases import Case
from tests.contract.test_ipvs_contract import EVERYTHING, World, case
from tests.kernel.guest.hands import argv, by_hand, ipvsadm
from tests.netns import inside
from tests.poll import eventually

MODULES = Path("/proc/modules")
GONE_S = 60
"""A connection whose other side is silent keeps its network for so long after its last process."""


def services_anywhere() -> int:
    """How many services the kernel has in all namespaces: each holds its scheduler's module."""
    modules = (line.split() for line in MODULES.read_text(encoding="ascii").splitlines())
    return sum(int(used) for name, _, used, *_ in modules if name.startswith("ip_vs_"))


@pytest.fixture(autouse=True)
def _only_ours() -> None:
    """Wait until earlier tests' namespaces are gone, which comes after their last process.

    /proc/net/ip_vs hides their services, but walks them (`services.drivers.ipvs_proc`).
    """
    eventually(services_anywhere, lambda count: count == 0, within_s=GONE_S)


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
