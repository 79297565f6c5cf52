# SPDX-License-Identifier: Apache-2.0
"""Every way of forwarding but the tunnels carries TCP and UDP, and servers see the right client."""

from __future__ import annotations

import pytest

from services.plan.ipvs import Forwarding, Protocol
from tests.kernel.guest.calls import Answer
from tests.kernel.guest.hands import nft
from tests.kernel.guest.lan import CLIENTS, OWN, VIP, rip
from tests.kernel.guest.site import PORT, Site, on_site, tune
from tests.kernel.guest.wishes import dest, follow, service

BULK = 100_000
BOTH = (Protocol.TCP, Protocol.UDP)

versions = pytest.mark.parametrize("version", [4, 6], ids=["IPv4", "IPv6"])


async def carries(site: Site, version: int) -> set[Answer]:
    """A hundred kilobytes by TCP and a kilobyte by UDP go there and back; who answered."""
    call = await site.call(version=version)
    await call.echo(BULK)
    assert await call.end() == b""
    return {call.answer, await site.datagrams(version=version).ask()}


@versions
@on_site()
async def test_direct_routing_keeps_the_client_and_the_vip(site: Site, version: int) -> None:
    await follow(service(dest(2, version=version), version=version, protocols=BOTH))
    assert await carries(site, version) == {Answer("web2", CLIENTS[version][0], VIP[version], PORT)}


@versions
@on_site(through=True, ports=[PORT, 8080])
async def test_nat_keeps_the_client_and_changes_address_and_port(site: Site, version: int) -> None:
    nat = dest(2, forwarding=Forwarding.NAT, version=version, port=8080)
    await follow(service(nat, version=version, protocols=BOTH))
    assert await carries(site, version) == {
        Answer("web2", CLIENTS[version][0], rip(2, version), 8080)
    }


@versions
@on_site()
async def test_nat_with_masquerading_needs_no_gateway_and_shows_the_appliance(
    site: Site, version: int
) -> None:
    family = {4: "ip", 6: "ip6"}[version]
    nft(
        f"""table {family} ballast {{
            chain back {{
                type nat hook postrouting priority srcnat
                {family} daddr {rip(2, version)} masquerade
            }}
        }}"""
    )
    tune(conntrack=1)
    nat = dest(2, forwarding=Forwarding.NAT, version=version)
    await follow(service(nat, version=version, protocols=BOTH))
    assert await carries(site, version) == {Answer("web2", OWN[version], rip(2, version), PORT)}


@on_site()
async def test_nat_to_a_server_that_answers_past_the_appliance_carries_nothing(
    site: Site,
) -> None:
    await follow(service(dest(2, forwarding=Forwarding.NAT)))
    with pytest.raises(TimeoutError):
        await site.call(within_s=1.5)
