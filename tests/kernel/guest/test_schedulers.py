# SPDX-License-Identifier: Apache-2.0
"""Every scheduler of the appliance's kernel gives connections to the servers as it says."""

from __future__ import annotations

from collections import Counter

import pytest

from services.plan.ipvs import Flags, Service, Table
from tests.kernel.guest.lan import CLIENTS
from tests.kernel.guest.site import Site, on_site
from tests.kernel.guest.wishes import dest, follow, service

EVENLY = {"web1": 4, "web2": 4, "web3": 4}
BY_WEIGHT = {"web1": 6, "web2": 4, "web3": 2}
HASHING = pytest.mark.parametrize("name", ["sh", "mh"])


def weighted(name: str, flags: Flags = Flags.NONE, weights: tuple[int, ...] = (3, 2, 1)) -> Table:
    """The three servers, with their weights."""
    dests = (dest(number, weight) for number, weight in enumerate(weights, start=1))
    return service(*dests, settings=Service(name, flags))


async def closed_at_once(site: Site, count: int) -> Counter[str]:
    """Who answers connections of one client's that follow each other."""
    return Counter([(await site.answer()).server for _ in range(count)])


async def kept(site: Site, count: int) -> Counter[str]:
    """Who answers connections of one client's that all stay."""
    return Counter([(await site.call()).server for _ in range(count)])


async def of_all_clients(site: Site) -> list[str]:
    """Who answers each of the clients."""
    return [(await site.answer(client)).server for client in range(len(CLIENTS[4]))]


@pytest.mark.parametrize(("name", "expected"), [("rr", EVENLY), ("wrr", BY_WEIGHT)])
@on_site()
async def test_in_turn(site: Site, name: str, expected: dict[str, int]) -> None:
    await follow(weighted(name))
    assert await closed_at_once(site, 12) == expected


@pytest.mark.parametrize(
    ("name", "expected"),
    [("lc", EVENLY), ("wlc", BY_WEIGHT), ("sed", BY_WEIGHT), ("nq", BY_WEIGHT)],
)
@on_site()
async def test_by_what_they_carry(site: Site, name: str, expected: dict[str, int]) -> None:
    await follow(weighted(name))
    found = await kept(site, 12)
    assert all(abs(found[server] - expected[server]) <= 1 for server in expected), found


@on_site()
async def test_two_at_random_leave_none_out_and_prefer_who_carries_less(site: Site) -> None:
    await follow(weighted("twos", weights=(1, 1, 1)))
    found = await kept(site, 24)
    assert min(found[f"web{number}"] for number in (1, 2, 3)) >= 4, found


@on_site()
async def test_failover_takes_the_heaviest_that_takes_anything(site: Site) -> None:
    await follow(weighted("fo"))
    assert await closed_at_once(site, 4) == {"web1": 4}
    await follow(weighted("fo", weights=(0, 2, 1)))
    assert await closed_at_once(site, 4) == {"web2": 4}


@on_site()
async def test_overflow_fills_the_heaviest_before_the_next(site: Site) -> None:
    await follow(weighted("ovf"))
    # the kernel's limit is one more than the weight
    assert await kept(site, 4) == {"web1": 4}
    assert await kept(site, 3) == {"web2": 3}
    assert await kept(site, 2) == {"web3": 2}


@HASHING
@on_site()
async def test_a_hash_of_the_client_stays_and_spreads_clients(site: Site, name: str) -> None:
    await follow(weighted(name))
    once, again = await of_all_clients(site), await of_all_clients(site)
    assert once == again
    found = Counter(once)
    assert set(found) == {"web1", "web2", "web3"}
    assert found["web1"] > found["web3"], found


@HASHING
@on_site()
async def test_a_hash_of_the_port_too_spreads_one_client(site: Site, name: str) -> None:
    await follow(weighted(name))
    assert len(await closed_at_once(site, 8)) == 1
    await follow(weighted(name, Flags.PORT))
    assert len(await closed_at_once(site, 24)) > 1


@HASHING
@on_site()
async def test_a_hash_falls_back_from_who_takes_nothing(site: Site, name: str) -> None:
    await follow(weighted(name, Flags.FALLBACK, (1, 1, 1)))
    before = await of_all_clients(site)
    await follow(weighted(name, Flags.FALLBACK, (1, 0, 1)))
    after = await of_all_clients(site)
    assert set(after) == {"web1", "web3"}
    moved = [old for old, new in zip(before, after, strict=True) if old != new]
    assert set(moved) == {"web2"}


@pytest.mark.parametrize("name", ["dh", "lblc", "lblcr"])
@on_site()
async def test_by_the_address_called_all_go_to_one(site: Site, name: str) -> None:
    await follow(weighted(name))
    assert len(set(await of_all_clients(site))) == 1
