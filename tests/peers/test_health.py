# SPDX-License-Identifier: Apache-2.0
"""The stories of health, told with real checks over a table in memory."""

from __future__ import annotations

import pytest

from services.drivers.nft import KernelNft
from tests.fakes.ipvs import FakeIpvs
from tests.peers.dataplane import alone
from tests.peers.health_stories import STORIES, Story
from tests.peers.looked_after import looked_after

pytestmark = [pytest.mark.peers, pytest.mark.needs("root", "netns", "haproxy")]


@pytest.mark.parametrize("story", STORIES, ids=lambda story: story.__name__)
def test_in_memory(story: Story) -> None:
    @alone
    async def whole() -> None:
        async with looked_after(FakeIpvs(), KernelNft()) as world:
            await story(world)

    whole()
