# SPDX-License-Identifier: Apache-2.0
"""UDP: a client's port is a connection, unless every packet is to be scheduled by itself."""

from __future__ import annotations

from collections import Counter

import pytest

from services.plan.ipvs import Flags, Protocol, Service
from tests.kernel.guest.site import Site, on_site
from tests.kernel.guest.wishes import dest, follow, service


@pytest.mark.parametrize("version", [4, 6], ids=["IPv4", "IPv6"])
@on_site()
async def test_one_port_spreads_over_servers_only_packet_by_packet(
    site: Site, version: int
) -> None:
    dests = [dest(number, version=version) for number in (1, 2, 3)]
    udp = (Protocol.UDP,)
    talk = site.datagrams(version=version)
    single = Service("rr", Flags.ONE_PACKET)
    await follow(service(*dests, settings=single, version=version, protocols=udp))
    found = Counter([(await talk.ask()).server for _ in range(9)])
    assert found == {"web1": 3, "web2": 3, "web3": 3}
    await follow(service(*dests, version=version, protocols=udp))
    assert len({(await talk.ask()).server for _ in range(5)}) == 1
