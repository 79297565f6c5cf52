# SPDX-License-Identifier: Apache-2.0
"""The stories of health, told over the real kernel's table."""

from __future__ import annotations

import pytest

from services.drivers.ipvs import KernelIpvs
from services.drivers.nft import KernelNft
from tests.peers.dataplane import alone
from tests.peers.health_stories import STORIES, Story
from tests.peers.looked_after import looked_after


@pytest.mark.parametrize("story", STORIES, ids=lambda story: story.__name__)
def test_in_the_kernel(story: Story) -> None:
    @alone
    async def whole() -> None:
        async with looked_after(KernelIpvs(), KernelNft()) as world:
            await story(world)

    whole()
