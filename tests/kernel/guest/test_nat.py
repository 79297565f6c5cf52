# SPDX-License-Identifier: Apache-2.0
"""Addresses changed on the way: auto-NAT, 1:1 NAT, one-arm NAT; who is seen at the far end.

The servers' gateway is the appliance, whose only card leads to them and, by the router, to the
clients; so what is said of an external interface is said of that one.
"""

from __future__ import annotations

import select
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from ipaddress import ip_address, ip_interface
from typing import Any

import pytest

from services.model import (
    Cluster,
    Document,
    Forwarding,
    Interface,
    Layer4Advanced,
    Layer4Server,
    Layer4Service,
    Local,
    NatEntry,
    NatProtocol,
)
from services.model.layer4 import OWN_MARKS, Protocol
from tests.kernel.guest.calls import WITHIN_S, Answer, Datagrams, called
from tests.kernel.guest.hands import nft
from tests.kernel.guest.lan import CLIENTS, OWN, VIP, rip
from tests.kernel.guest.site import PORT, Site, on_site
from tests.kernel.guest.whole import applied, drivers
from tests.netns import Namespace, ip

OUTSIDE = {4: "192.0.2.50", 6: "2001:db8:2::50"}
OTHER = 8080
BULK = 100_000
REDIRECT = 137
"""ICMPv6: a router says that there is a shorter way."""

versions = pytest.mark.parametrize("version", [4, 6], ids=["IPv4", "IPv6"])
behind = on_site(through=True, ports=[PORT, OTHER])


def document(
    version: int = 4,
    *,
    entry: dict[str, Any] | None = None,
    services: tuple[Layer4Service, ...] = (),
    **advanced: Any,
) -> Document:
    """The appliance of the LAN, with these settings."""
    own = (ip_interface(f"{OWN[4]}/24"), ip_interface(f"{OWN[6]}/64"))
    fields = {"id": 90, "label": "mail", "address": OUTSIDE[version], "server": rip(1, version)}
    nat = () if entry is None else (NatEntry.model_validate(fields | entry),)
    return Document(
        cluster=Cluster(layer4=services, nat=nat, layer4_advanced=Layer4Advanced(**advanced)),
        local=Local(interfaces=(Interface(name="eth0", addresses=own),)),
    )


def service(version: int, forwarding: Forwarding = Forwarding.NAT, **fields: Any) -> Layer4Service:
    """A service at the VIP with web1 behind it."""
    server = Layer4Server(id=2, label="web1", address=ip_address(rip(1, version)))
    return Layer4Service.model_validate(
        {
            "id": 1,
            "label": "web",
            "addresses": [VIP[version]],
            "ports": str(PORT),
            "forwarding": forwarding,
            "servers": [server],
            "fallback_address": None,
        }
        | fields
    )


def carry_outside() -> None:
    """Give the appliance the outside addresses, as it holds floating ones."""
    ip(
        f"addr add {OUTSIDE[4]}/32 dev eth0",
        f"addr add {OUTSIDE[6]}/128 dev eth0 nodad preferred_lft 0",
    )


async def seen_by(
    machine: Namespace,
    source: str,
    to: tuple[str, int],
    *,
    udp: bool = False,
    within_s: float = WITHIN_S,
) -> Answer:
    """Carry bytes there and back by TCP, and by UDP, too; who answers, and whom they see."""
    call = await called(machine, source, to, within_s=within_s)
    await call.echo(BULK)
    call.close()
    if udp:
        talk = Datagrams(machine, source, to)
        assert await talk.ask() == call.answer
        talk.close()
    return call.answer


async def out(site: Site, number: int, version: int) -> str:
    """The address from which a client sees what a server sends of itself."""
    client = (CLIENTS[version][0], PORT)
    server = site.lan.servers[number - 1]
    return (await seen_by(server, rip(number, version), client, udp=True)).source


@versions
@behind
async def test_auto_nat_lends_servers_the_appliances_address(site: Site, version: int) -> None:
    await site.answering(site.lan.clients, "client", [CLIENTS[version][0]])
    doors = drivers()
    await applied(document(), doors)
    assert await out(site, 1, version) == rip(1, version), "without it, as it is"
    await applied(document(auto_nat="eth0"), doors)
    assert await out(site, 1, version) == OWN[version]
    await applied(document(), doors)
    assert await out(site, 1, version) == rip(1, version)


@versions
@behind
async def test_auto_nat_leaves_what_services_carry_as_it_is(site: Site, version: int) -> None:
    # SNAT elsewhere makes conntrack see what NAT carries, too
    other = service(version, Forwarding.SNAT, id=5, label="other", ports=str(OTHER))
    both = (service(version), other)
    await applied(document(services=both, auto_nat="eth0"), drivers())
    balanced, masqueraded = (
        await site.call(version=version),
        await site.call(version=version, port=OTHER),
    )
    await balanced.echo(BULK)
    await masqueraded.echo(BULK)
    assert balanced.answer == Answer("web1", CLIENTS[version][0], rip(1, version), PORT)
    assert masqueraded.answer == Answer("web1", OWN[version], rip(1, version), OTHER)


@versions
@on_site(ports=[PORT, OTHER])
async def test_snat_shows_the_appliance_by_tcp_and_by_udp(site: Site, version: int) -> None:
    ports = f"{PORT},{OTHER - 1}-{OTHER + 1}"
    several = {"protocol": Protocol.TCP_UDP, "ports": ports, "mark": OWN_MARKS}
    both = service(version, Forwarding.SNAT, **several)
    await applied(document(services=(both,)), drivers())
    for port in (PORT, OTHER):
        to = (VIP[version], port)
        answer = await seen_by(site.lan.clients, CLIENTS[version][0], to, udp=True)
        assert answer == Answer("web1", OWN[version], rip(1, version), port)

    elsewhere = Layer4Server(id=2, label="web1", address=ip_address(rip(1, version)), port=OTHER)
    udp = {"protocol": Protocol.UDP, "servers": [elsewhere]}
    await applied(document(services=(service(version, Forwarding.SNAT, **udp),)), drivers())
    answer = await site.datagrams(version=version).ask()
    assert answer == Answer("web1", OWN[version], rip(1, version), OTHER)


@versions
@behind
async def test_1_to_1_nat_leads_in_and_out_by_the_outside_address(site: Site, version: int) -> None:
    carry_outside()
    await site.answering(site.lan.clients, "client", [CLIENTS[version][0]])
    nat = document(version, entry={}, services=(service(version),), auto_nat="eth0")
    await applied(nat, drivers())
    client = CLIENTS[version][0]
    inside = await seen_by(site.lan.clients, client, (OUTSIDE[version], OTHER), udp=True)
    assert inside == Answer("web1", client, rip(1, version), OTHER)
    assert await out(site, 1, version) == OUTSIDE[version]
    assert await out(site, 2, version) == OWN[version], "by auto-NAT, having none of its own"
    # and it still answers for its service, under the VIP
    assert (await site.answer(version=version)).source == client


@versions
@behind
async def test_1_to_1_nat_of_one_port_lets_no_other_in(site: Site, version: int) -> None:
    carry_outside()
    only = {"protocol": NatProtocol.TCP, "ports": str(OTHER)}
    await applied(document(version, entry=only), drivers())
    client = CLIENTS[version][0]
    inside = await seen_by(site.lan.clients, client, (OUTSIDE[version], OTHER))
    assert inside.server == "web1"
    with pytest.raises(ConnectionRefusedError):
        await called(site.lan.clients, client, (OUTSIDE[version], PORT))


@versions
@behind
async def test_one_arm_nat_answers_clients_in_the_servers_network(site: Site, version: int) -> None:
    doors, neighbour = drivers(), site.lan.servers[2]
    await applied(document(services=(service(version),)), doors)
    with pytest.raises(TimeoutError):  # the server answers past the appliance
        await called(neighbour, rip(3, version), (VIP[version], PORT), within_s=1.5)
    await applied(document(services=(service(version),), one_arm_nat=True), doors)
    near = await seen_by(neighbour, rip(3, version), (VIP[version], PORT))
    assert near == Answer("web1", OWN[version], rip(1, version), PORT)
    far = await site.answer(version=version)
    assert far.source == CLIENTS[version][0], "those from elsewhere are shown as they are"


@versions
@behind
async def test_one_arm_nat_of_several_ports(site: Site, version: int) -> None:
    several = service(version, ports=f"{PORT},{OTHER}", protocol=Protocol.TCP_UDP, mark=OWN_MARKS)
    await applied(document(services=(several,), one_arm_nat=True), drivers())
    for port in (PORT, OTHER):
        near = await seen_by(site.lan.servers[2], rip(3, version), (VIP[version], port), udp=True)
        assert near == Answer("web1", OWN[version], rip(1, version), port)


@contextmanager
def answering_by_the_appliance(machine: Namespace, client: str, version: int) -> Iterator[None]:
    """The guide's way: a route of the server's that is more precise than its network's."""
    with machine.entered():
        ip(f"route add {client} via {OWN[version]}")
    try:
        yield
    finally:
        with machine.entered():
            ip(f"route del {client}")


@versions
@behind
async def test_one_arm_nat_by_a_route_shows_the_client_and_no_redirect_undoes_it(
    site: Site, version: int
) -> None:
    await applied(document(services=(service(version),)), drivers())
    server, client = site.lan.servers[0], rip(3, version)
    with answering_by_the_appliance(server, client, version), redirects(server) as heard:
        for _ in range(3):
            near = await seen_by(site.lan.servers[2], client, (VIP[version], PORT))
            assert near == Answer("web1", client, rip(1, version), PORT)
        assert not heard()


@behind
async def test_without_our_rule_a_redirect_would_be_sent(site: Site) -> None:
    await applied(document(6, services=(service(6),)), drivers())
    nft("delete table inet ballast")
    server, client = site.lan.servers[0], rip(3, 6)
    with answering_by_the_appliance(server, client, 6), redirects(server) as heard:
        await called(site.lan.servers[2], client, (VIP[6], PORT))
        assert heard()


@contextmanager
def redirects(machine: Namespace) -> Iterator[Any]:
    """Listen to redirects, of IPv6, at a machine; yields whether one was heard so far."""
    with machine.entered():
        listening = socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_ICMPV6)
    with listening:

        def heard() -> bool:
            while select.select([listening], [], [], 0.3)[0]:
                if listening.recv(1 << 12)[0] == REDIRECT:
                    return True
            return False

        yield heard
