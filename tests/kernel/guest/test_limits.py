# SPDX-License-Identifier: Apache-2.0
"""A server takes no more than its limit, and a service without a server falls back."""

from __future__ import annotations

import pytest

from services.plan.ipvs import Dest, DestKey, Forwarding, Service, Timeouts
from tests.kernel.guest.calls import Answer, Call
from tests.kernel.guest.lan import CLIENTS, OWN
from tests.kernel.guest.site import Site, on_site
from tests.kernel.guest.wishes import dest, follow, live, service
from tests.poll import eventually_async

SHORT = Timeouts(tcp_fin_s=1)
PREFER_ONE = Service("fo")
PAGE = 9081
"""Where the appliance's own page answers in the place of servers."""


async def until_it_carries(count: int) -> None:
    """Wait until server 1 has so many connections, those that are ending included."""
    await eventually_async(
        lambda: live(1), lambda now: now.active + now.inactive == count, within_s=10
    )


@on_site()
async def test_a_full_server_takes_some_again_below_its_lower_limit(site: Site) -> None:
    limited = dest(1, 100, upper=3, lower=2)
    await follow(service(limited, settings=PREFER_ONE), SHORT)
    calls: list[Call] = [await site.call() for _ in range(3)]
    with pytest.raises(ConnectionRefusedError):
        await site.call()

    await follow(service(limited, dest(2), settings=PREFER_ONE))
    assert (await site.answer()).server == "web2"
    for left, taken_by in ((2, "web2"), (1, "web1")):
        calls.pop().close()
        await until_it_carries(left)
        assert (await site.answer()).server == taken_by
    await calls.pop().echo()


@pytest.mark.parametrize("version", [4, 6], ids=["IPv4", "IPv6"])
@on_site()
async def test_the_page_answers_when_no_server_does_and_leaves_when_one_is_back(
    site: Site, version: int
) -> None:
    await site.answering(None, "page", [OWN[version]], [PAGE])
    page = (DestKey(OWN[version], PAGE), Dest(Forwarding.NAT, 1))
    down = [dest(number, 0, version=version) for number in (1, 2)]

    await follow(service(version=version))
    with pytest.raises(ConnectionRefusedError):
        await site.call(version=version)
    await follow(service(*down, version=version))
    with pytest.raises(ConnectionRefusedError):
        await site.call(version=version)

    await follow(service(*down, page, version=version))
    falling_back = await site.call(version=version)
    assert falling_back.answer == Answer("page", CLIENTS[version][0], OWN[version], PAGE)
    await falling_back.echo()

    await follow(service(down[0], dest(2, version=version), version=version))
    assert {(await site.answer(version=version)).server for _ in range(3)} == {"web2"}
