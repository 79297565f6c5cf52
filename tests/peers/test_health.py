# SPDX-License-Identifier: Apache-2.0
"""The stories of health, told with real checks over a table in memory."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress

import pytest

from services.agent.health import HealthBook
from services.agent.probing import Probing
from services.drivers.checks import HaproxyChecks
from services.drivers.nft import KernelNft
from services.errors import Refused, Unable
from services.health.verdict import Result
from tests.cases import Case
from tests.fakes.ipvs import FakeIpvs
from tests.fakes.probes import FakeProbes
from tests.peers.dataplane import alone
from tests.peers.health_stories import FIRST, SECOND, WEB, servers, story
from tests.peers.looked_after import World, looked_after
from tests.poll import eventually_async

pytestmark = [pytest.mark.peers, pytest.mark.needs("root", "netns", "haproxy")]


@story.each
def test_in_memory(case: Case[World]) -> None:
    @alone
    async def whole() -> None:
        async with looked_after(FakeIpvs(), KernelNft()) as world:
            await case(world)

    whole()


class Wordless(HaproxyChecks):
    """Knows who is up, and takes too long to say why."""

    async def results(self, expected: Mapping[str, str]) -> Mapping[str, Result]:
        raise Unable("HAProxy did not answer in time.", do="Wait.")


def test_weights_do_not_wait_for_the_words() -> None:
    @alone
    async def whole() -> None:
        async with servers(1), looked_after(FakeIpvs(), KernelNft()) as world:
            wordless = Wordless(world.place, world.units)
            probing = Probing(FakeProbes(world.probe), str)
            book = HealthBook(world.appliance, world.keeping, wordless, probing, world.journal)

            async def weights() -> dict[str, int]:
                with suppress(Unable):
                    await book.look()
                return await world.table()

            await world.apply(WEB)
            await eventually_async(weights, lambda found: found == {FIRST: 100, SECOND: 0})
            assert not any("web2" in entry.what for entry in world.journal.newest(20))

    whole()


def test_a_kernel_without_ipvs_is_told_before_anybody_wants_it_and_refuses() -> None:
    @alone
    async def whole() -> None:
        kernel = FakeIpvs(loaded=False)
        async with looked_after(kernel, KernelNft()) as world:
            await world.keeping.reconcile()
            told = world.appliance.notices["layer4"]
            assert "no IPVS" in told
            assert "`make vm`" in told
            with pytest.raises(Refused) as refused:
                await world.apply(WEB)
            assert str(refused.value) == told
            kernel.loaded = True
            await world.keeping.reconcile()
            assert "layer4" not in world.appliance.notices

    whole()
