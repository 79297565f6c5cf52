# SPDX-License-Identifier: Apache-2.0
"""What health leaves of the weights reaches the table service by service, until it is whole.

A weight that the kernel refuses is told and tried again, as soon as the loop can.
"""

from __future__ import annotations

import errno
from collections.abc import Sequence

import pytest

from services.errors import Unable
from services.health.shares import GONE, Shares
from services.render.ipvs import ipvs_wanted
from tests.fakes.ipvs import FakeIpvs
from tests.layer4 import document, rip, vip
from tests.peers.looked_after import NoRules, World, looked_after

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


async def test_shares_one_after_the_other_come_to_the_table_that_the_last_asks_for() -> None:
    kernel = FakeIpvs()
    async with looked_after(kernel, NoRules()) as world:
        await world.apply(TWO)
        for shares in TURNS:
            running = world.appliance.running.document
            await world.keeping.share(running, shares)
            wanted = ipvs_wanted(running, shares)
            seen = await kernel.seen()
            assert seen is not None
            assert seen.table == wanted.table
            assert world.appliance.running.wanted.ipvs == wanted


REFUSED = "could not put right: 198.51.100.1:80 of tcp 203.0.113.10:80 cannot be changed: "


def told(world: World) -> list[str]:
    return [entry.what for entry in world.journal.newest(10) if "put right" in entry.what]


async def test_a_refused_weight_is_told_once_and_the_loop_tries_it_until_it_is_taken() -> None:
    kernel = FakeIpvs()
    async with looked_after(kernel, NoRules()) as world:
        await world.apply(TWO)
        appliance, keeping, [shop, *_] = world.appliance, world.keeping, kernel.services
        assert await keeping.reconcile() == ()
        kernel.refusing[shop] = errno.ENOMEM
        await keeping.share(appliance.running.document, {(7, 1): 0, (8, 3): 50})
        [line] = told(world)
        assert line.startswith(REFUSED)
        assert REFUSED.partition(": ")[2] in appliance.notices["reconcile"]
        hurries = keeping.due
        assert hurries
        # what is not refused has been done
        after = ipvs_wanted(appliance.running.document, {(8, 3): 50}).table
        assert {key: entry.dests for key, entry in after.items()} == kernel.dests

        with pytest.raises(Unable):
            await keeping.reconcile()
        assert not keeping.due
        assert len(told(world)) == 1

        kernel.refusing.clear()
        assert len(await keeping.reconcile()) == 1
        drained = "put right: drain 198.51.100.1:80 of tcp 203.0.113.10:80 (weight 0)"
        assert told(world)[0] == drained
        assert "reconcile" not in appliance.notices
