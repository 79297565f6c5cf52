# SPDX-License-Identifier: Apache-2.0
"""Drain lets what runs come to its end; halt ends it, at once where the switch is on."""

from __future__ import annotations

import pytest

from services.plan.ipvs import Forwarding, Protocol
from services.plan.ipvs_changes import DropDest, PutDest
from tests.kernel.guest.site import Site, on_site, tune
from tests.kernel.guest.wishes import Wished, dest, follow, key, live, service
from tests.poll import eventually_async

PIECE = 50_000


@on_site()
async def test_a_drained_server_finishes_what_runs_and_gets_nothing_new(site: Site) -> None:
    await follow(service(dest(1)))
    download = await site.call()
    await download.echo(PIECE)

    changes = await follow(service(dest(1, 0), dest(2)))
    assert [type(each) for each in changes] == [PutDest, PutDest]
    for _ in range(3):
        assert (await site.answer()).server == "web2"
        await download.echo(PIECE)
    assert (await live(1)).active == 1
    assert await download.end() == b""
    await eventually_async(lambda: live(1), lambda now: now.active == 0)


@on_site()
async def test_a_halted_server_loses_its_clients_at_once(site: Site) -> None:
    tune(expire_nodest_conn=1)
    await follow(service(dest(1)))
    download = await site.call()
    await download.echo(PIECE)

    changes = await follow(service(dest(2)))
    assert changes[-1] == DropDest(service=key(), key=dest(1)[0], drops=1)
    with pytest.raises(ConnectionError):
        await download.echo(PIECE)
    assert (await site.answer()).server == "web2"


@pytest.mark.parametrize("version", [4, 6], ids=["IPv4", "IPv6"])
@on_site(through=True)
async def test_by_nat_it_is_the_same(site: Site, version: int) -> None:
    def nat(number: int, weight: int = 1) -> Wished:
        return dest(number, weight, Forwarding.NAT, version=version)

    tune(expire_nodest_conn=1)
    await follow(service(nat(1), version=version))
    download = await site.call(version=version)
    await follow(service(nat(1, 0), nat(2), version=version))
    assert (await site.answer(version=version)).server == "web2"
    await download.echo(PIECE)

    await follow(service(nat(2), version=version))
    with pytest.raises(ConnectionError):
        await download.echo(PIECE)


@on_site()
async def test_without_the_switch_a_removed_server_can_come_back_to_its_clients(
    site: Site,
) -> None:
    tune(expire_nodest_conn=0)
    await follow(service(dest(1)))
    download = await site.call()
    await download.echo()
    await follow(service(dest(2)))
    with pytest.raises(TimeoutError):
        await download.echo(PIECE, within_s=0.7)
    await follow(service(dest(1), dest(2)))
    await download.outstanding(PIECE)


@on_site()
async def test_udp_clients_of_a_halted_server_go_to_the_next(site: Site) -> None:
    tune(expire_nodest_conn=1)
    udp = (Protocol.UDP,)
    await follow(service(dest(1), protocols=udp))
    talk = site.datagrams()
    assert (await talk.ask()).server == "web1"
    changes = await follow(service(dest(2), protocols=udp))
    assert changes[-1].drops == 1
    assert (await talk.ask()).server == "web2"
