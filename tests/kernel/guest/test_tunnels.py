# SPDX-License-Identifier: Apache-2.0
"""Every tunnel carries TCP and UDP of both IP versions, in packets of both.

The kernel of the appliance refuses none of the pairs: services of one version reach servers of
the other by tunnel, which is what tunnels are for when a data centre changes its addresses.
"""

from __future__ import annotations

import socket

import pytest

from services.plan.ipvs import Checksum, Encapsulation, Forwarding, Tunnel
from tests.kernel.guest.calls import Answer
from tests.kernel.guest.lan import CLIENTS, VIP, lan
from tests.kernel.guest.site import PORT, Site, on_site
from tests.kernel.guest.test_forwarding import BOTH, carries
from tests.kernel.guest.tunnels import GUE_PORT, Tap, Wrapped, unwrap
from tests.kernel.guest.wishes import dest, follow, service

BARE = {4: socket.IPPROTO_IPIP, 6: socket.IPPROTO_IPV6}
IPIP = Encapsulation()
GUE = Encapsulation(Tunnel.GUE, GUE_PORT)
GRE = Encapsulation(Tunnel.GRE)
SERVER = {False: 2, True: 3}
"""Who takes tunnels without checksums, and who those with."""


@pytest.fixture(scope="module", autouse=True)
def far_ends() -> None:
    """For all of these tests: the LAN's machines stay."""
    for summed, number in SERVER.items():
        unwrap(lan(through=False).servers[number - 1], number, summed=summed)


def wrapping(way: Encapsulation, inner: int, outer: int) -> Wrapped:
    """What the wire is to show."""
    summed = way.checksum is not Checksum.NONE
    match way.tunnel:
        case Tunnel.IPIP:
            return Wrapped(outer, BARE[inner])
        case Tunnel.GUE:
            return Wrapped(outer, socket.IPPROTO_UDP, GUE_PORT, summed)
        case Tunnel.GRE:
            return Wrapped(outer, socket.IPPROTO_GRE, summed=summed)


@pytest.mark.parametrize("outer", [4, 6], ids=["in-IPv4", "in-IPv6"])
@pytest.mark.parametrize("inner", [4, 6], ids=["IPv4", "IPv6"])
@pytest.mark.parametrize(
    "way",
    [
        pytest.param(IPIP, id="IPIP"),
        pytest.param(GUE, id="GUE"),
        pytest.param(GUE._replace(checksum=Checksum.FULL), id="GUE-summed"),
        pytest.param(GRE, id="GRE"),
        pytest.param(GRE._replace(checksum=Checksum.FULL), id="GRE-summed"),
    ],
)
@on_site()
async def test_a_tunnel_keeps_the_client_and_the_vip(
    site: Site, way: Encapsulation, inner: int, outer: int
) -> None:
    number = SERVER[way.checksum is not Checksum.NONE]
    tap = Tap(site.lan.servers[number - 1])
    through = dest(number, forwarding=Forwarding.TUN, version=outer, encapsulation=way)
    await follow(service(through, version=inner, protocols=BOTH))
    assert await carries(site, inner) == {
        Answer(f"web{number}", CLIENTS[inner][0], VIP[inner], PORT)
    }
    assert tap.heard() == {wrapping(way, inner, outer)}
