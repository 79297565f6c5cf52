# SPDX-License-Identifier: Apache-2.0
"""What health leaves of the weights reaches the table service by service, until it is whole."""

from __future__ import annotations

from collections.abc import Sequence

from services.health.shares import GONE, Shares
from services.render.ipvs import ipvs_wanted
from tests.fakes.ipvs import FakeIpvs
from tests.layer4 import document, rip, vip
from tests.peers.looked_after import looked_after

NEVER = {"kind": "always_on"}
TWO = document(
    vip(rip(1), rip(2), check=NEVER),
    vip(rip(1), rip(3), check=NEVER, id=8, label="two", addresses=["203.0.113.11", "2001:db8::1"]),
)
TURNS: Sequence[Shares] = (
    {(7, 1): 0},
    {(7, 1): 0, (8, 3): 50},
    {(7, 1): 0, (7, 2): 0, (8, 3): 50},
    {(8, 1): GONE},
    {(8, 1): GONE, (9, 9): 0},
    {},
)


class NoRules:
    """A firewall that nobody wants anything of."""

    async def seen(self) -> str:
        return ""

    async def replace(self, rules: str) -> None:
        raise AssertionError(f"nobody wants rules: {rules}")


async def test_shares_one_after_the_other_come_to_the_table_that_the_last_asks_for() -> None:
    kernel = FakeIpvs()
    async with looked_after(kernel, NoRules()) as world:
        await world.apply(TWO)
        for shares in TURNS:
            running = world.appliance.running.document
            await world.appliance.share(running, shares)
            wanted = ipvs_wanted(running, shares)
            seen = await kernel.seen()
            assert seen is not None
            assert seen.table == wanted.table
            assert world.appliance.running.wanted.ipvs == wanted
