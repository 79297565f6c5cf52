# SPDX-License-Identifier: Apache-2.0
"""Nobody is left: the page answers, or the fallback server, by every method; and it ends again.

Through documents, because which way leads to the fallback server is the renderer's to say.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from ipaddress import ip_address

import pytest

from services.health.shares import Shares
from services.model import Document, Forwarding
from services.render.ipvs import ipvs_wanted
from tests.kernel.guest.calls import Answer
from tests.kernel.guest.lan import CLIENTS, OWN, VIP, rip
from tests.kernel.guest.site import PORT, Site, on_site
from tests.kernel.guest.test_nat import OTHER, document, service
from tests.kernel.guest.whole import applied, drivers
from tests.kernel.guest.wishes import follow
from tests.netns import Namespace, ip

PAGE_ADDRESS, PAGE = ip_address("127.0.0.1"), 9081
"""Where the appliance's own page answers in the place of servers."""
DOWN: Shares = {(1, 2): 0}
"""What is left of the only server."""

versions = pytest.mark.parametrize("version", [4, 6], ids=["IPv4", "IPv6"])


def with_page(method: Forwarding, version: int) -> Document:
    """web1 at the VIP, and the built-in page behind it."""
    return document(services=(service(version, method, fallback_address=PAGE_ADDRESS),))


def with_server(method: Forwarding, version: int, port: int) -> Document:
    """web1 at the VIP, and web3 as its fallback server."""
    fallback = {"fallback_address": rip(3, version), "fallback_port": port}
    return document(services=(service(version, method, **fallback),))


async def becomes(site: Site, version: int, whole: Document, shares: Shares) -> Answer:
    """Health turns; who answers then."""
    await follow(ipvs_wanted(whole, shares).table)
    call = await site.call(version=version)
    await call.echo()
    return call.answer


async def goes_and_comes_back(site: Site, version: int, method: Forwarding) -> None:
    await site.answering(None, "page", [OWN[version]], [PAGE])
    doors, page = drivers(), with_page(method, version)
    await applied(page, doors)
    running = await site.call(version=version)
    assert running.server == "web1"

    answer = await becomes(site, version, page, DOWN)
    assert answer == Answer("page", CLIENTS[version][0], OWN[version], PAGE)
    await running.echo()
    assert (await becomes(site, version, page, {})).server == "web1"

    translated = method in {Forwarding.NAT, Forwarding.SNAT}
    port = OTHER if translated else PORT
    elsewhere = with_server(method, version, port)
    await applied(elsewhere, doors)
    seen_as = OWN[version] if method is Forwarding.SNAT else CLIENTS[version][0]
    called_at = rip(3, version) if translated else VIP[version]
    answer = await becomes(site, version, elsewhere, DOWN)
    assert answer == Answer("web3", seen_as, called_at, port)
    await running.echo()
    assert (await becomes(site, version, elsewhere, {})).server == "web1"


@versions
@pytest.mark.parametrize("method", [Forwarding.DR, Forwarding.SNAT])
@on_site(ports=[PORT, OTHER])
async def test_where_servers_are_neighbours(site: Site, version: int, method: Forwarding) -> None:
    await goes_and_comes_back(site, version, method)


@versions
@on_site(through=True, ports=[PORT, OTHER])
async def test_where_servers_answer_through_the_appliance(site: Site, version: int) -> None:
    await goes_and_comes_back(site, version, Forwarding.NAT)


@contextmanager
def unwrapping(machine: Namespace, number: int) -> Iterator[None]:
    """Let server `number` take bare tunnels of its own IP version."""
    with machine.entered():
        ip(f"link add fall4 type ipip local {rip(number)}", "link set fall4 up")
        ip(f"link add fall6 type ip6tnl mode ip6ip6 local {rip(number, 6)}", "link set fall6 up")
    try:
        yield
    finally:
        with machine.entered():
            ip("link del fall4", "link del fall6")


@versions
@on_site(ports=[PORT, OTHER])
async def test_where_servers_are_reached_by_tunnel(site: Site, version: int) -> None:
    with ExitStack() as left:
        for number in (1, 3):
            left.enter_context(unwrapping(site.lan.servers[number - 1], number))
        await goes_and_comes_back(site, version, Forwarding.TUN)
