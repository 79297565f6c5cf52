# SPDX-License-Identifier: Apache-2.0
"""Current connections, out of the kernel: whose they are, and the guide's cause where they hang."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import pytest

from services.agent.reports import current_connections
from services.api_reports import ConnectionQuery, Connections, Layer4Report
from services.drivers.ipvs import KernelIpvs
from services.drivers.ipvs_conn import KernelConnections
from services.drivers.nft import KernelNft
from services.model import Document
from services.render.ipvs import ipvs_wanted
from services.render.nft import nft_wanted
from services.reports.flows import layer4_report
from tests.kernel.guest.lan import CLIENTS, VIP, rip
from tests.kernel.guest.site import PORT, Site, on_site, tune
from tests.kernel.guest.wishes import follow
from tests.netns import ip
from tests.poll import eventually_async

PORTS = (PORT, 8000)
versions = pytest.mark.parametrize("version", [4, 6], ids=["IPv4", "IPv6"])


def document(version: int = 4, **fields: object) -> Document:
    """A service `shop` of two servers in turn; `fields` are the service's."""
    servers = [
        {"id": number, "label": f"web{number}", "address": rip(number, version)}
        for number in (1, 2)
    ]
    service = {
        "id": 1,
        "label": "shop",
        "addresses": [VIP[version]],
        "scheduler": "rr",
        "persistence_s": 0,
        "servers": servers,
        **fields,
    }
    return Document.model_validate({"cluster": {"layer4": [service]}})


async def carry(whole: Document) -> None:
    """Have the kernel carry what the document says of layer 4."""
    await KernelNft().replace(nft_wanted(whole))
    await follow(ipvs_wanted(whole).table)


async def listed(whole: Document, **query: object) -> Connections:
    asked = ConnectionQuery.model_validate(query)
    return await current_connections(whole, asked, KernelConnections())


@contextmanager
def without_vip(site: Site, number: int) -> Iterator[None]:
    """While it lasts, a server lacks the VIPs on its loopback: the ARP problem's other half."""
    machine = site.lan.servers[number - 1]
    with machine.entered():
        ip(
            *(
                f"addr del {VIP[version]}/{'32' if version == 4 else '128'} dev lo"
                for version in VIP
            )
        )
    try:
        yield
    finally:
        with machine.entered():
            ip(f"addr add {VIP[4]}/32 dev lo", f"addr add {VIP[6]}/128 dev lo nodad")


async def call_in_turn(site: Site, version: int, number: int) -> None:
    """Open connections one after the other; some of them never answer."""
    for client in range(number):
        with suppress(TimeoutError):
            await site.call(client % len(CLIENTS[version]), version=version, within_s=1)


@versions
@on_site()
async def test_a_server_without_the_vip_is_named_and_the_one_beside_it_is_not(
    site: Site, version: int
) -> None:
    whole = document(version)
    await carry(whole)
    with without_vip(site, 1):
        await call_in_turn(site, version, 6)
        found = await eventually_async(
            lambda: listed(whole), lambda found: [each.waiting for each in found.servers] == [3, 0]
        )
        waiting = found.rows[0].client.rpartition(":")[0].strip("[]")
        only = await listed(whole, state="syn_recv", client=waiting)
    broken, well = found.servers
    assert (broken.server, broken.waiting, well.server, well.waiting) == ("web1", 3, "web2", 0)
    assert "ARP problem" in broken.trouble
    assert VIP[version] in broken.trouble
    assert well.trouble == ""
    assert {state.state: state.connections for state in found.states} == {
        "SYN_RECV": 3,
        "ESTABLISHED": 3,
    }
    assert [(row.state, row.server, row.suspect) for row in found.rows] == [
        *[("SYN_RECV", "web1", True)] * 3,
        *[("ESTABLISHED", "web2", False)] * 3,
    ]
    assert found.whole
    assert all(row.service == "shop" and 0 < row.expires_s <= 900 for row in found.rows)
    assert 1 <= only.matching <= 3
    assert only.servers[0].trouble == broken.trouble


@on_site()
async def test_with_the_vip_everywhere_nobody_is_suspected(site: Site) -> None:
    whole = document()
    await carry(whole)
    await call_in_turn(site, 4, 4)
    await asyncio.sleep(3.5)  # the time in which a handshake would have become a waiting one
    found = await listed(whole)
    assert [server.connections for server in found.servers] == [2, 2]
    assert not any(server.trouble for server in found.servers)


@on_site()
async def test_nat_to_a_server_that_answers_past_the_appliance_blames_its_gateway(
    site: Site,
) -> None:
    whole = document(forwarding="nat")
    await carry(whole)
    await call_in_turn(site, 4, 2)
    found = await eventually_async(
        lambda: listed(whole),
        lambda found: len(found.servers) == 2 and all(each.trouble for each in found.servers),
    )
    assert all("default gateway" in server.trouble for server in found.servers)


@on_site()
async def test_connections_of_snat_are_listed_like_all_others(site: Site) -> None:
    whole = document(forwarding="snat")
    tune(conntrack=1)
    await carry(whole)
    await call_in_turn(site, 4, 2)
    found = await listed(whole, order="client")
    assert [(row.client.partition(":")[0], row.state) for row in found.rows] == [
        (CLIENTS[4][client], "ESTABLISHED") for client in (0, 1)
    ]
    assert {row.server for row in found.rows} == {"web1", "web2"}


@versions
@on_site(ports=PORTS)
async def test_of_a_service_by_a_mark_both_ports_and_the_remembered_client_have_its_label(
    site: Site, version: int
) -> None:
    whole = document(version, ports="80,8000", persistence_s=60, mark=0x4C420001)
    await carry(whole)
    for port in PORTS:
        await site.call(version=version, port=port)
    found = await listed(whole)
    called = {row.vip: row for row in found.rows if row.state == "ESTABLISHED"}
    wanted = {f"[{VIP[6]}]:{port}" if version == 6 else f"{VIP[4]}:{port}" for port in PORTS}
    assert set(called) == wanted
    assert {row.service for row in found.rows} == {"shop"}
    [remembered] = [row for row in found.rows if row.protocol == "mark"]
    assert remembered.vip == f"mark {0x4C420001}"
    assert remembered.client == CLIENTS[version][0]
    assert remembered.server == called[min(called)].server
    assert sum(server.connections for server in found.servers) == 2, "it is no connection"


@on_site()
async def test_the_layer_4_report_counts_what_was_carried(site: Site) -> None:
    whole = document()
    await carry(whole)
    for _ in range(2):
        await (await site.call()).echo(10_000)

    async def report() -> Layer4Report:
        counted = await KernelIpvs().statistics()
        return layer4_report(whole, ipvs_wanted(whole).table, counted, at=0)

    # the kernel adds up every two seconds
    [service] = (
        await eventually_async(report, lambda found: found.services[0].flow.connections == 2)
    ).services
    assert service.flow.active == 2
    assert [server.flow.connections for server in service.servers] == [1, 1]
    assert service.flow.bytes_in > 20_000
    assert service.flow.bytes_in == sum(server.flow.bytes_in for server in service.servers)
    assert service.flow.packets_out == 0, "direct routing: answers do not pass here"
