# SPDX-License-Identifier: Apache-2.0
"""Persistence keeps a client, or a network of them, at its server for as long as it was told."""

from __future__ import annotations

import time

import pytest

from services.plan.ipvs import Live, Protocol, Service, Timeouts
from tests.kernel.guest.lan import CLIENTS
from tests.kernel.guest.site import Site, on_site, tune
from tests.kernel.guest.wishes import dest, follow, key, live, service
from tests.poll import eventually_async

KEPT_S = 2
SHORT = Timeouts(tcp_s=900, tcp_fin_s=1, udp_s=1)
"""So that a template outlives its connections: while there are any, it does not count down."""
BETWEEN_CHECKS_S = 1.0


def persistent(granularity: int = 32, seconds: int = 300) -> Service:
    """In turn, but for the clients that are remembered."""
    return Service("rr", persistence_s=seconds, granularity=granularity)


async def asked(site: Site, *clients: int, version: int = 4) -> list[str]:
    """Who answers these clients, one after the other."""
    return [(await site.answer(client, version=version)).server for client in clients]


@on_site()
async def test_a_client_stays_until_it_is_forgotten_and_not_longer(site: Site) -> None:
    udp = (Protocol.UDP,)
    await follow(
        service(dest(1), dest(2), settings=persistent(seconds=KEPT_S), protocols=udp), SHORT
    )
    begun = time.monotonic()
    [first] = {(await site.datagrams().ask()).server for _ in range(6)}
    number, here = int(first.removeprefix("web")), key(protocol=Protocol.UDP)
    assert (await live(number, here)).persistent == 1

    def forgotten(now: Live) -> bool:
        return now.persistent == 0

    await eventually_async(lambda: live(number, here), forgotten)
    assert time.monotonic() - begun > KEPT_S - BETWEEN_CHECKS_S
    assert {(await site.datagrams().ask()).server for _ in range(2)} != {first}


@pytest.mark.parametrize(
    ("granularity", "together"), [(32, False), (28, True)], ids=["by-host", "by-network"]
)
@on_site()
async def test_granularity_tells_who_is_one_client(
    site: Site, granularity: int, together: bool
) -> None:
    settings = persistent(granularity)
    await follow(service(dest(1), dest(2), settings=settings))
    here, neighbour, far = await asked(site, 0, 1, CLIENTS[4].index("203.0.113.17"))
    assert (here == neighbour) is together
    assert (here == far) is not together
    assert await asked(site, 0, 1, 0, 1) == [here, neighbour, here, neighbour]


@on_site()
async def test_granularity_of_ipv6_is_a_prefix_too(site: Site) -> None:
    dests = (dest(1, version=6), dest(2, version=6))
    await follow(service(*dests, settings=persistent(64), version=6))
    here, neighbour, far = await asked(site, 0, 1, 2, version=6)
    assert here == neighbour
    assert here != far
    assert await asked(site, 0, 1, 2, version=6) == [here, neighbour, far]


@pytest.mark.parametrize("leaves", [0, 1], ids=["stays", "leaves"])
@on_site()
async def test_a_remembered_client_leaves_a_drained_server_only_if_told_to(
    site: Site, leaves: int
) -> None:
    tune(expire_quiescent_template=leaves)
    await follow(service(dest(1), dest(2), settings=persistent()))
    [first] = set(await asked(site, 0, 0))
    weights = {1: 1, 2: 1} | {int(first.removeprefix("web")): 0}
    drained = [dest(number, weight) for number, weight in weights.items()]
    await follow(service(*drained, settings=persistent()))
    [then] = set(await asked(site, 0, 0))
    assert (then != first) is bool(leaves)
