# SPDX-License-Identifier: Apache-2.0
"""What the last look found helps whoever acts next, and nobody after."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest

from services.model import ServerState
from tests.fakes.ipvs import FakeIpvs
from tests.layer4 import document, rip, vip
from tests.peers.looked_after import NoRules, World, looked_after

TWO = document(vip(rip(1), rip(2), check={"kind": "always_on"}))


async def a_server_fails(world: World) -> None:
    await world.keeping.share(world.appliance.running.document, {(7, 1): 0})


async def the_same_is_applied(world: World) -> None:
    await world.apply(world.appliance.running.document)


async def a_server_is_told_again_what_it_does(world: World) -> None:
    await world.changing.set_servers(
        [(7, 1)], state=ServerState.ONLINE, weight=None, who="anna", why=""
    )


@pytest.mark.parametrize(
    "act", [a_server_fails, the_same_is_applied, a_server_is_told_again_what_it_does]
)
async def test_what_a_look_found_is_thrown_away_as_soon_as_anybody_acts(
    act: Callable[[World], Awaitable[None]],
) -> None:
    async with looked_after(FakeIpvs(), NoRules()) as world:
        await world.apply(TWO)
        await act(world)
        assert world.appliance.about_to_act() is None


async def test_what_a_look_found_is_handed_over_once() -> None:
    async with looked_after(FakeIpvs(), NoRules()) as world:
        await world.apply(TWO)
        world.appliance.about_to_act()
        assert await world.keeping.reconcile() == ()
        found = world.appliance.about_to_act()
        assert found is not None
        assert found.wanted is world.appliance.running.wanted
        assert world.appliance.about_to_act() is None
