# SPDX-License-Identifier: Apache-2.0
"""The stories of health, told with real checks over a table in memory."""

from __future__ import annotations

import pytest

from services.drivers.nft import KernelNft
from services.errors import Refused
from tests.cases import Case
from tests.fakes.ipvs import FakeIpvs
from tests.peers.dataplane import alone
from tests.peers.health_stories import WEB, story
from tests.peers.looked_after import World, looked_after

pytestmark = [pytest.mark.peers, pytest.mark.needs("root", "netns", "haproxy")]


@story.each
def test_in_memory(case: Case[World]) -> None:
    @alone
    async def whole() -> None:
        async with looked_after(FakeIpvs(), KernelNft()) as world:
            await case(world)

    whole()


def test_a_kernel_without_ipvs_is_told_before_anybody_wants_it_and_refuses() -> None:
    @alone
    async def whole() -> None:
        kernel = FakeIpvs(loaded=False)
        async with looked_after(kernel, KernelNft()) as world:
            await world.appliance.reconcile()
            told = world.appliance.notices["layer4"]
            assert "no IPVS" in told
            assert "`make vm`" in told
            with pytest.raises(Refused) as refused:
                await world.apply(WEB)
            assert str(refused.value) == told
            kernel.loaded = True
            await world.appliance.reconcile()
            assert "layer4" not in world.appliance.notices

    whole()
