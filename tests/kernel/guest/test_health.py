# SPDX-License-Identifier: Apache-2.0
"""The stories of health, told over the real kernel's table."""

from __future__ import annotations

from services.drivers.ipvs import KernelIpvs
from services.drivers.nft import KernelNft
from tests.cases import Case
from tests.kernel.guest.hands import ipvsadm
from tests.peers.dataplane import alone
from tests.peers.health_stories import story
from tests.peers.looked_after import World, looked_after


@story.each
def test_in_the_kernel(case: Case[World]) -> None:
    @alone
    async def whole() -> None:
        async with looked_after(KernelIpvs(), KernelNft()) as world:
            try:
                await case(world)
            finally:
                # a check's connection that nobody answers any more keeps its network for a minute,
                # and the table in it, which other networks' readers stumble over
                ipvsadm("-C")

    whole()
