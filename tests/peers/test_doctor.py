# SPDX-License-Identifier: Apache-2.0
"""The doctor on a wire with real machines: what it asks leaves no trace, and it names the guilty.

None of this needs IPVS: a knock goes round it. The same with IPVS at work is in `tests/kernel`.
"""

from __future__ import annotations

import asyncio
import socket
from pathlib import Path

from services.api import FindingView, Verdict
from tests.cases import Case, Cases
from tests.netns import inside, ip
from tests.peers.lan import OWN, ROUTER, VIP, VIP6, Lan, mac, rip, set_switches
from tests.poll import eventually

case: Cases[Lan] = Cases()


@case.each
def test_on_a_lan(case: Case[Lan]) -> None:
    async def whole() -> None:
        lan = Lan()
        with lan.left:
            await case(lan)

    inside(whole)


def told(findings: tuple[FindingView, ...], server: str) -> FindingView:
    """The one finding about a server."""
    [found] = [each for each in findings if each.server == server]
    return found


@case
async def a_server_without_the_vip_is_named_and_the_other_is_not(lan: Lan) -> None:
    lan.set_up(1)
    for number in (1, 2):
        lan.listens(number, "0.0.0.0")
    found = await lan.examine()
    assert [(each.server, each.verdict) for each in found] == [
        ("web2", Verdict.FAULT),
        ("", Verdict.GOOD),
        ("web1", Verdict.GOOD),
    ]
    assert found[0].what == (
        "web2 (192.0.2.12) answers at its own address, but does not take packets for "
        "192.0.2.10: it does not have the VIP."
    )
    assert found[0].setup == "web"
    assert found[0].key == (7, 2)


@case
async def the_same_in_ipv6(lan: Lan) -> None:
    lan.set_up(1)
    for number in (1, 2):
        lan.listens(number, "::")
    servers = [{"id": n, "label": f"web{n}", "address": rip(n, 6)} for n in (1, 2)]
    found = await lan.examine(addresses=[VIP6], servers=servers)
    assert [(each.server, each.verdict) for each in found] == [
        ("web2", Verdict.FAULT),
        ("", Verdict.GOOD),
        ("web1", Verdict.GOOD),
    ]


@case
async def who_answers_arp_for_the_vip_is_named_by_its_card(lan: Lan) -> None:
    for number in (1, 2):
        lan.listens(number, "0.0.0.0")
    lan.set_up(1)
    with lan.on(2):
        ip(f"addr add {VIP}/32 dev lo")  # and nothing told it to keep silent
    taken, *rest = await lan.examine()
    assert taken.what == (
        f"web2 ({mac(2)}) says in ARP that 192.0.2.10 is its own: clients may be sent to it past "
        "the load balancer."
    )
    assert taken.setup == "web"
    assert taken.key == (7, 2)
    assert {each.verdict for each in rest} == {Verdict.GOOD}


@case
async def who_asks_in_the_name_of_the_vip_is_found_too(lan: Lan) -> None:
    lan.listens(2, "0.0.0.0")
    lan.set_up(2)
    with lan.on(2):
        set_switches({"ipv4/conf/all/arp_announce": 0})
        ip("neigh flush dev eth0")
    taken, *_ = await lan.examine(servers=[{"id": 2, "label": "web2", "address": rip(2)}])
    assert taken.verdict is Verdict.FAULT
    assert f"web2 ({mac(2)}) says in ARP that 192.0.2.10 is its own" in taken.what


@case
async def in_ipv6_a_vip_on_the_card_itself_is_found(lan: Lan) -> None:
    lan.listens(2, "::")
    with lan.on(2):
        ip(f"addr add {VIP6}/128 dev eth0 nodad")
    servers = [{"id": 2, "label": "web2", "address": rip(2, 6)}]
    taken, _ = await lan.examine(addresses=[VIP6], servers=servers)
    assert taken.server == "web2"
    assert f"says to its neighbours that {VIP6} is its own" in taken.what


@case
async def a_stranger_with_the_vip_is_told_by_its_hardware_address(lan: Lan) -> None:
    with lan.switch.entered():
        ip(f"addr add {VIP}/32 dev lan")
        link = ip("-o link show dev lan")
    hardware = link.split("link/ether ")[1].split()[0]
    found = await lan.examine(servers=[])
    assert [each.verdict for each in found] == [Verdict.FAULT]
    assert f"A machine that is no real server, {hardware} on eth0, says in ARP" in found[0].what


@case
async def a_service_that_listens_at_its_own_address_only_is_told(lan: Lan) -> None:
    lan.set_up(1)
    lan.set_up(2)
    lan.listens(1, rip(1))
    found = await lan.examine()
    assert "its service listens at its own address only" in told(found, "web1").what
    assert "nothing listens at port 80" in told(found, "web2").what


@case
async def a_server_that_is_off_proves_nothing(lan: Lan) -> None:
    with lan.on(2):
        ip("link set eth0 down")
    found = told(await lan.examine(), "web2")
    assert found.verdict is Verdict.UNPROVEN
    assert found.what == "web2 (192.0.2.12) is not there: nobody on eth0 has its address."


@case
async def udp_is_proven_without_an_answer_of_the_service(lan: Lan) -> None:
    lan.set_up(1)
    for number in (1, 2):
        lan.listens(number, "0.0.0.0", kind=socket.SOCK_DGRAM)
    found = await lan.examine(protocol="udp")
    assert told(found, "web1").verdict is Verdict.GOOD
    assert told(found, "web2").verdict is Verdict.FAULT


@case
async def nat_answers_that_go_to_another_router_are_seen(lan: Lan) -> None:
    for number in (1, 2):
        lan.listens(number, "0.0.0.0")
    with lan.on(1):
        ip(f"route replace default via {OWN}")
    with lan.on(2):
        ip("route del default")  # nobody at all
    found = await lan.examine(forwarding="nat")
    assert told(found, "web1").what == (
        "web1 (192.0.2.11) answers clients elsewhere through this unit."
    )
    assert told(found, "web2").what == (
        "web2 (192.0.2.12) sends its answers to clients elsewhere past this unit, so they are "
        "lost: its default gateway is not 192.0.2.10."
    )
    with lan.on(2):
        ip(f"route add default via {ROUTER}")  # a router that knows the way to our other card
    found = await lan.examine(forwarding="nat")
    assert "by way of" in told(found, "web2").what
    assert "on eth1: its default gateway is not 192.0.2.10." in told(found, "web2").what
    assert told(found, "web2").setup == "web"


@case
async def what_was_opened_is_ended(lan: Lan) -> None:
    lan.set_up(1)
    lan.listens(1, "0.0.0.0")
    assert told(await lan.examine(), "web1").verdict is Verdict.GOOD

    def half_open() -> str:
        with lan.on(1):
            table = Path("/proc/thread-self/net/tcp").read_text()
        return "".join(line for line in table.splitlines() if " 03 " in line)

    eventually(lambda: half_open() == "")


@case
async def many_servers_are_asked_in_seconds(lan: Lan) -> None:
    many = [
        {"id": n, "label": f"s{n}", "address": f"192.0.2.{20 + n % 200}", "port": 1000 + n}
        for n in range(1, 600)
    ]
    async with asyncio.timeout(10):
        found = await lan.examine(forwarding="nat", servers=many)
    assert len(found) == 600
