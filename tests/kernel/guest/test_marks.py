# SPDX-License-Identifier: Apache-2.0
"""Services by the firewall's mark: lists and ranges of ports, protocols together."""

from __future__ import annotations

from itertools import pairwise

import pytest

from services.plan.ipvs import Entry, Protocol, Service, ServiceKey, Table
from tests.kernel.guest.hands import nft
from tests.kernel.guest.lan import VIP
from tests.kernel.guest.site import Site, on_site
from tests.kernel.guest.wishes import RR, dest, follow

MARK = 0x2A
SINGLE, FIRST, LAST, BEYOND = 80, 8000, 8002, 8003
MARKED = (SINGLE, FIRST, LAST)

versions = pytest.mark.parametrize("version", [4, 6], ids=["IPv4", "IPv6"])
with_ports = on_site(ports=[*MARKED, BEYOND])


def mark(version: int) -> None:
    """Mark what comes for the ports at the VIP, as the product's rules do."""
    family = {4: "ip", 6: "ip6"}[version]
    ports = f"{{ {SINGLE}, {FIRST}-{LAST} }}"
    nft(
        f"""table {family} ballast {{
            chain marks {{
                type filter hook prerouting priority mangle
                {family} daddr {VIP[version]} tcp dport {ports} meta mark set {MARK}
                {family} daddr {VIP[version]} udp dport {ports} meta mark set {MARK}
            }}
        }}"""
    )


def marked(version: int, settings: Service = RR) -> Table:
    """Servers 1 and 2 for what is marked; a server's port is then the client's."""
    dests = dict(dest(number, version=version, port=0) for number in (1, 2))
    return {ServiceKey(version, Protocol.MARK, mark=MARK): Entry(settings, dests)}


@versions
@with_ports
async def test_all_marked_ports_of_both_protocols_take_turns_as_one_service(
    site: Site, version: int
) -> None:
    mark(version)
    await follow(marked(version))
    answers = [await site.answer(version=version, port=port) for port in MARKED]
    answers += [await site.datagrams(version=version, port=port).ask() for port in MARKED]
    assert [each.port for each in answers] == [*MARKED, *MARKED]
    servers = [each.server for each in answers]
    assert set(servers) == {"web1", "web2"}
    assert all(one != next_one for one, next_one in pairwise(servers))


@versions
@with_ports
async def test_a_port_beyond_the_range_is_not_served(site: Site, version: int) -> None:
    mark(version)
    await follow(marked(version))
    with pytest.raises(ConnectionRefusedError):
        await site.call(version=version, port=BEYOND)


@versions
@with_ports
async def test_a_client_keeps_its_server_on_every_marked_port(site: Site, version: int) -> None:
    mark(version)
    whole = {4: 32, 6: 128}[version]
    await follow(marked(version, Service("rr", persistence_s=60, granularity=whole)))
    of_client = [
        {(await site.answer(client, version=version, port=port)).server for port in MARKED}
        for client in (0, 1)
    ]
    assert [len(servers) for servers in of_client] == [1, 1]
    assert of_client[0] != of_client[1]
