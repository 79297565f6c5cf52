# SPDX-License-Identifier: Apache-2.0
"""Requests through the real HAProxy with the generated file: who answers, and who does not."""

from __future__ import annotations

import asyncio

import pytest

from services.model import Check, CheckKind, Persistence, ServerState
from services.plan.state import ServerKnobs
from tests.peers.dataplane import (
    CLIENT,
    OTHER_CLIENT,
    VIP6,
    Client,
    Web,
    alone,
    ask,
    data_plane,
    document,
    rip,
    vip,
    webs,
    who,
)
from tests.poll import eventually_async

NO_CHECK = Check(kind=CheckKind.NONE)


@alone
async def test_requests_reach_every_server_and_tell_the_clients_address() -> None:
    async with webs(2) as servers, data_plane(document(vip(rip(1), rip(2)))):
        assert await who() == {"web1", "web2"}
        await ask(source=CLIENT)
        told = {headers["x-forwarded-for"] for web in servers for headers in web.seen}
        assert CLIENT in told


@alone
async def test_ipv4_ipv6_and_every_port_of_a_range_lead_to_the_servers() -> None:
    both = vip(rip(1), addresses=["203.0.113.10", VIP6], ports="80,1000-1002")
    async with webs(1), data_plane(document(both)):
        for port in (80, 1000, 1001, 1002):
            assert (await ask(port=port)).who == "web1"
            assert (await ask(VIP6, port=port)).who == "web1"


@alone
async def test_an_ipv6_server_answers() -> None:
    far = rip(1, address="2001:db8:2::1")
    async with Web("six", "2001:db8:2::1"), data_plane(document(vip(far))):
        assert await who() == {"six"}


@alone
async def test_tcp_mode_carries_bytes() -> None:
    plain = vip(rip(1), mode="tcp", check=Check())
    async with webs(1) as (web,), data_plane(document(plain)):
        assert (await ask()).who == "web1"
        assert "x-forwarded-for" not in web.seen[0]


@alone
async def test_the_fallback_answers_while_all_are_down_and_leaves_when_one_returns() -> None:
    async with webs(2) as servers, data_plane(document(vip(rip(1), rip(2)))) as plane:
        for web in servers:
            web.status = 503
        await plane.up()
        answer = await ask()
        assert answer.who == "fallback"
        assert b"not available" in answer.body
        servers[1].status = 200
        await plane.up(2)
        assert await who() == {"web2"}


@alone
async def test_a_client_that_met_the_fallback_is_not_kept_there() -> None:
    sticky = vip(rip(1), persistence=Persistence.SOURCE_IP)
    async with webs(1) as (web,), data_plane(document(sticky)) as plane:
        await web.close()
        await plane.up()
        assert (await ask(source=CLIENT)).who == "fallback"
        await web.open()
        await plane.up(1)
        assert (await ask(source=CLIENT)).who == "web1"


@alone
async def test_a_service_without_servers_answers_by_the_fallback() -> None:
    async with data_plane(document(vip())):
        assert await who(2) == {"fallback"}


@alone
async def test_a_fallback_server_of_the_administrators_own_answers() -> None:
    own = vip(fallback_address="198.51.100.9", fallback_port=8080)
    async with Web("sorry", "198.51.100.9", 8080), data_plane(document(own)):
        assert await who(2) == {"sorry"}


@alone
async def test_weights_share_the_requests() -> None:
    shared = vip(rip(1, weight=30), rip(2, weight=10), balance="roundrobin")
    async with webs(2), data_plane(document(shared)):
        names = [(await ask()).who for _ in range(40)]
        assert (names.count("web1"), names.count("web2")) == (30, 10)


@alone
async def test_the_limit_of_a_server_is_kept_and_the_rest_waits() -> None:
    limited = vip(rip(1, max_connections=1), check=NO_CHECK)
    async with webs(1) as (web,), data_plane(document(limited)) as plane:
        first, second = await Client.to(), await Client.to()
        await first.send("/long")
        await first.head()
        await second.send("/long")

        async def waiting() -> bool:
            # nobody is bound to this server, so it is the service's queue
            return "\nvs7,BACKEND,1," in await plane.told("show stat")

        await eventually_async(waiting)
        assert web.requests["/long"] == 1
        web.may_end.set()
        await first.read(10000)
        assert (await second.answer()).status == 200


@alone
async def test_a_minimum_without_a_maximum_limits_nothing() -> None:
    loose = vip(rip(1, min_connections=1), check=NO_CHECK)
    async with webs(1) as (web,), data_plane(document(loose)):
        clients = [await Client.to() for _ in range(5)]
        for client in clients:
            await client.send("/long")
        for client in clients:
            await client.head()
        web.may_end.set()


@alone
async def test_a_cookie_keeps_the_client_and_is_not_shown_to_the_server() -> None:
    kept = vip(rip(1), rip(2), persistence=Persistence.HTTP_COOKIE, cookie_name="LB")
    async with webs(2) as servers, data_plane(document(kept)):
        first = await ask()
        assert first.cookie.startswith("LB=s")
        assert "HttpOnly" in first.headers["set-cookie"]
        assert {(await ask(cookie=first.cookie)).who for _ in range(6)} == {first.who}
        assert not any("cookie" in headers for web in servers for headers in web.seen)


@alone
async def test_source_ip_persistence_keeps_each_client_on_its_server() -> None:
    kept = vip(rip(1), rip(2), persistence=Persistence.SOURCE_IP, balance="roundrobin")
    async with webs(2), data_plane(document(kept)):
        one = await who(6, source=CLIENT)
        other = await who(6, source=OTHER_CLIENT)
        assert len(one) == len(other) == 1
        assert one != other


@pytest.mark.parametrize("state", [ServerState.DRAIN, ServerState.HALT])
def test_a_server_taken_offline_in_the_file_gets_no_new_client(state: ServerState) -> None:
    @alone
    async def body() -> None:
        off = vip(rip(1, state=state), rip(2))
        async with webs(2), data_plane(document(off)):
            assert await who() == {"web2"}

    body()


@alone
async def test_drain_lets_a_download_finish_and_keeps_sticky_clients() -> None:
    kept = vip(rip(1), rip(2), persistence=Persistence.HTTP_COOKIE)
    async with webs(2) as servers, data_plane(document(kept)) as plane:
        first = await ask()
        number = int(first.who[-1])
        download = await Client.to()
        await download.send("/long", cookie=first.cookie)
        _, headers = await download.head()
        await plane.driver.set_servers({(7, number): ServerKnobs(0, halted=False)})
        assert first.who not in await who()
        assert (await ask(cookie=first.cookie)).who == first.who
        servers[number - 1].may_end.set()
        assert len(await download.read(int(headers["content-length"]))) == 10000


@alone
async def test_halt_cuts_a_download_and_online_brings_the_server_back() -> None:
    async with webs(2), data_plane(document(vip(rip(1), rip(2, state="drain")))) as plane:
        download = await Client.to()
        await download.send("/long")
        await download.head()
        assert (await plane.driver.seen()).connections[7, 1] == 1
        await plane.driver.set_servers(
            {(7, 1): ServerKnobs(100, halted=True), (7, 2): ServerKnobs(100, halted=False)}
        )
        with pytest.raises(asyncio.IncompleteReadError):
            await download.read(10000)
        assert await who() == {"web2"}
        await plane.driver.set_servers({(7, 1): ServerKnobs(100, halted=False)})
        assert await who() == {"web1", "web2"}
