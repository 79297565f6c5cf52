# SPDX-License-Identifier: Apache-2.0
"""What the kernel and the far end of the cable make of our addresses and announcements."""

from __future__ import annotations

import asyncio
import errno
import os
import re
import socket
import struct
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from services.drivers import announce, iproute, rtnetlink
from services.drivers.links import KernelLinks
from services.drivers.netlink import RTM_NEWADDR, Refusal, Request, attribute, send
from services.errors import Unable
from services.plan.state import AddressKey
from tests.cases import Case, Cases
from tests.netns import Namespace, cable, inside, ip

OWN = AddressKey("eth0", "192.0.2.1/24")
SECOND = AddressKey("eth0", "192.0.2.2/24")
VIP = AddressKey("eth0", "192.0.2.100/32")
OWN6 = AddressKey("eth0", "2001:db8::1/64")
VIP6 = AddressKey("eth0", "2001:db8::100/128")
ALL = {OWN: False, SECOND: False, VIP: True, OWN6: False, VIP6: True}

ETH_ALL, ETH_ARP, ETH_IPV6 = 0x0003, 0x0806, 0x86DD


@dataclass
class Heard:
    """A frame at the far end."""

    at: float
    data: bytes

    @property
    def kind(self) -> int:
        return int.from_bytes(self.data[12:14], "big")

    @property
    def tells_of_vip(self) -> bool:
        return self.kind == ETH_ARP and self.data[28:32] == socket.inet_aton("192.0.2.100")

    @property
    def tells_of_vip6(self) -> bool:
        wanted = socket.inet_pton(socket.AF_INET6, "2001:db8::100")
        return self.kind == ETH_IPV6 and self.data[54] == 136 and self.data[62:78] == wanted


@dataclass
class Wire:
    """The appliance's eth0, its neighbour at the other end, and an ear beside the neighbour."""

    links: KernelLinks = field(default_factory=KernelLinks)
    far: Namespace = field(default_factory=Namespace)
    heard: list[Heard] = field(default_factory=list)

    def __post_init__(self) -> None:
        cable("eth0", "far0", self.far)
        with self.far.entered():
            ip("addr add 192.0.2.9/24 dev far0", "addr add 2001:db8::9/64 dev far0 nodad")
            self._ear = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_ALL))
        self._ear.bind(("far0", ETH_ALL))
        self._ear.setblocking(False)
        asyncio.get_running_loop().add_reader(self._ear.fileno(), self._hear)

    def _hear(self) -> None:
        self.heard.append(Heard(time.monotonic(), self._ear.recv(2000)))

    async def until(self, state: Callable[[], bool], within_s: float = 5) -> None:
        async with asyncio.timeout(within_s):
            while not state():
                await asyncio.sleep(0.01)

    def neighbour(self, address: str) -> str:
        """The card the neighbour believes an address to be at."""
        with self.far.entered():
            found = re.search(r"lladdr (\S+)", ip(f"neigh show {address} dev far0"))
        return found[1] if found else ""

    def believe(self, address: str, mac: str) -> None:
        with self.far.entered():
            ip(f"neigh replace {address} lladdr {mac} nud stale dev far0")


case: Cases[Wire] = Cases()


@case.each
def test_on_a_wire(case: Case[Wire]) -> None:
    async def whole() -> None:
        wire = Wire()
        await case(wire)
        await wire.links.aclose()

    inside(whole)


@case
async def the_neighbours_move_a_floating_address_to_our_card(wire: Wire) -> None:
    stranger = "02:00:00:00:00:99"
    await wire.links.add_addresses(ALL)
    links = (await wire.links.seen()).devices
    wire.believe("192.0.2.100", stranger)
    wire.believe("2001:db8::100", stranger)
    await wire.links.announce([VIP, VIP6])
    await wire.until(lambda: wire.neighbour("192.0.2.100") == links["eth0"].mac)
    await wire.until(lambda: wire.neighbour("2001:db8::100") == links["eth0"].mac)


@case
async def five_gratuitous_arp_are_heard_200_ms_apart_as_request_and_reply(wire: Wire) -> None:
    await wire.links.add_addresses(ALL)
    await wire.links.announce([VIP])
    await wire.until(lambda: sum(frame.tells_of_vip for frame in wire.heard) >= 1)
    await wire.until(lambda: sum(frame.tells_of_vip for frame in wire.heard) == 10)
    await asyncio.sleep(3 * announce.INTERVAL_S)
    arps = [frame for frame in wire.heard if frame.tells_of_vip]
    assert len(arps) == 10
    assert [int.from_bytes(frame.data[20:22], "big") for frame in arps] == [1, 2] * 5
    assert 0.75 <= arps[-1].at - arps[0].at <= 2
    for frame in arps:
        mac = (await wire.links.seen()).devices["eth0"].mac
        assert frame.data[0:6] == b"\xff" * 6
        assert frame.data[6:12].hex(":") == frame.data[22:28].hex(":") == mac
        assert frame.data[28:32] == frame.data[38:42]  # sender and target are the same
    assert not any(frame.tells_of_vip6 for frame in wire.heard)


@case
async def five_neighbour_advertisements_are_heard_from_the_address_itself(wire: Wire) -> None:
    await wire.links.add_addresses(ALL)
    await wire.links.announce([VIP6])
    await wire.until(lambda: sum(frame.tells_of_vip6 for frame in wire.heard) == 5)
    for frame in wire.heard:
        if frame.tells_of_vip6:
            assert frame.data[0:6].hex() == "333300000001"
            assert frame.data[21] == 255  # hop limit: receivers drop anything less
            assert frame.data[22:38] == socket.inet_pton(socket.AF_INET6, "2001:db8::100")
            assert frame.data[38:54] == socket.inet_pton(socket.AF_INET6, "ff02::1")
            assert frame.data[58] >> 4 == 0b0010  # override; neither router nor solicited


@case
async def a_unit_that_forwards_says_that_it_is_a_router(wire: Wire) -> None:
    await wire.links.add_addresses(ALL)
    Path("/proc/sys/net/ipv6/conf/eth0/forwarding").write_text("1")
    await wire.links.announce([VIP6])
    await wire.until(lambda: any(frame.tells_of_vip6 for frame in wire.heard))
    told = next(frame for frame in wire.heard if frame.tells_of_vip6)
    assert told.data[58] >> 4 == 0b1010


@case
async def the_caller_is_not_kept_for_all_rounds(wire: Wire) -> None:
    await wire.links.add_addresses(ALL)
    began = time.monotonic()
    await wire.links.announce([VIP, VIP6])
    assert time.monotonic() - began < announce.INTERVAL_S
    await wire.until(lambda: any(frame.tells_of_vip for frame in wire.heard))


@case
async def an_address_dropped_is_not_announced_any_more(wire: Wire) -> None:
    await wire.links.add_addresses(ALL)
    await wire.links.announce([VIP, VIP6])
    await wire.links.drop_addresses([VIP])
    dropped = time.monotonic()
    await wire.until(lambda: sum(frame.tells_of_vip6 for frame in wire.heard) == 5)
    late = [frame for frame in wire.heard if frame.tells_of_vip and frame.at > dropped + 0.05]
    assert late == []


@case
async def a_card_that_gets_its_carrier_late_is_told_then(wire: Wire) -> None:
    with wire.far.entered():
        ip("link set far0 down")
    await wire.links.add_addresses(ALL)
    assert not (await wire.links.seen()).devices["eth0"].carrier
    await wire.links.announce([VIP])
    with wire.far.entered():
        ip("link set far0 up")
    await wire.until(lambda: sum(frame.tells_of_vip for frame in wire.heard) == 10)


@case
async def nobody_is_told_of_the_loopback_and_the_waiting_ends(wire: Wire) -> None:
    announce.CARRIER_WAIT_S = 0.3
    await wire.links.announce([AddressKey("lo", "192.0.2.100/32")])
    background = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
    await asyncio.wait_for(asyncio.gather(*background), timeout=5)
    assert not any(frame.tells_of_vip for frame in wire.heard)


@case
async def closing_ends_the_announcements(wire: Wire) -> None:
    await wire.links.add_addresses(ALL)
    await wire.links.announce([VIP])
    await wire.links.aclose()
    assert asyncio.all_tasks() == {asyncio.current_task()}


@case
async def the_kernel_shows_our_marks_flags_and_lifetimes(wire: Wire) -> None:
    await wire.links.add_addresses(ALL)
    shown = {line.split()[2]: line for line in _oneline(ip("-o addr show dev eth0"))}
    assert "deprecated" in shown["2001:db8::100/128"]
    assert "preferred_lft 0sec" in shown["2001:db8::100/128"]
    assert "noprefixroute" in shown["2001:db8::100/128"]
    assert "deprecated" not in shown["2001:db8::1/64"]
    assert "brd 192.0.2.255" in shown["192.0.2.1/24"]
    assert "secondary" in shown["192.0.2.2/24"]
    assert "secondary" not in shown["192.0.2.100/32"]
    assert not any("tentative" in line for text, line in shown.items() if "db8" in text)
    protocols = {row.text: row.protocol for row in rtnetlink.read_addresses()}
    assert protocols["192.0.2.1/24"] == protocols["2001:db8::1/64"] == 0xBA
    assert protocols["192.0.2.100/32"] == protocols["2001:db8::100/128"] == 0xBB


@case
async def a_floating_ipv6_address_is_bound_at_once_and_never_chosen_as_source(wire: Wire) -> None:
    await wire.links.add_addresses({VIP6: True})
    with socket.create_server(("2001:db8::100", 8080), family=socket.AF_INET6):
        pass
    await wire.links.add_addresses({OWN6: False})
    with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as asking:
        asking.connect(("2001:db8::9", 9))
        assert asking.getsockname()[0] == "2001:db8::1"


@case
async def the_primary_removed_leaves_marks_and_service_of_the_others(wire: Wire) -> None:
    await wire.links.add_addresses(ALL)
    with socket.create_server(("192.0.2.100", 8080)) as listening:
        with wire.far.entered():
            calling = socket.create_connection(("192.0.2.100", 8080), timeout=5)
        accepted, _ = listening.accept()
        await wire.links.drop_addresses([OWN])
        calling.sendall(b"still here")
        assert accepted.recv(100) == b"still here"
    shown = {line.split()[2]: line for line in _oneline(ip("-o -4 addr show dev eth0"))}
    assert set(shown) == {"192.0.2.2/24", "192.0.2.100/32"}
    assert "secondary" not in shown["192.0.2.2/24"]


@case
async def a_default_route_of_another_metric_stays_and_one_in_our_place_gives_way(
    wire: Wire,
) -> None:
    await wire.links.add_addresses({OWN: False})
    ip("route add default via 192.0.2.8", "route add default via 192.0.2.7 metric 50")
    assert (await wire.links.seen()).gateways == {}
    await wire.links.set_gateway(4, "192.0.2.254")
    assert _oneline(ip("route show default")) == [
        "default via 192.0.2.254 dev eth0 proto 176 ",
        "default via 192.0.2.7 dev eth0 metric 50 ",
    ]
    await wire.links.drop_gateway(4)
    assert _oneline(ip("route show default")) == ["default via 192.0.2.7 dev eth0 metric 50 "]


@case
async def our_ipv6_gateway_comes_before_one_learnt_from_a_router(wire: Wire) -> None:
    await wire.links.add_addresses({OWN6: False})
    ip("-6 route add default via 2001:db8::7 proto ra metric 1024")
    await wire.links.set_gateway(6, "2001:db8::254")
    assert "via 2001:db8::254" in ip("-6 route get 2001:db8:5::1")
    await wire.links.drop_gateway(6)
    assert "via 2001:db8::7" in ip("-6 route get 2001:db8:5::1")


@case
async def a_tunnel_and_a_card_with_an_odd_name_are_seen_too(wire: Wire) -> None:
    ip("tuntap add name tun0 mode tun")
    _add_bridge(b"br\xff")
    devices = (await wire.links.seen()).devices
    assert set(devices) == {"eth0", "tun0", "br\ufffd"}
    assert devices["tun0"].mac == ""
    assert len(devices["br\ufffd"].mac) == 17


@case
async def a_kernel_that_does_not_keep_our_mark_is_told_apart(wire: Wire) -> None:
    newer = rtnetlink.add_address

    def older(index: int, key: AddressKey, *, floating: bool) -> Request:
        request = newer(index, key, floating=floating)
        mark = attribute(11, bytes([rtnetlink.FLOATING_ADDRESS]))
        return replace(request, body=request.body.replace(mark, b""))

    rtnetlink.add_address = older
    with pytest.raises(Unable, match=r"does not keep our mark .* Run Linux 5\.18 or newer"):
        await wire.links.add_addresses({VIP: True})


@case
async def ipv6_switched_off_is_refused_with_its_remedy(wire: Wire) -> None:
    Path("/proc/sys/net/ipv6/conf/eth0/disable_ipv6").write_text("1")
    with pytest.raises(Unable, match=r"2001:db8::100/128 cannot be added to eth0: .*disable_ipv6"):
        await wire.links.add_addresses({VIP6: True, VIP: True})
    assert (await wire.links.seen()).ours == {VIP: True}  # the others are up


@case
async def without_rights_it_says_so(wire: Wire) -> None:
    await wire.links.add_addresses({OWN: False})
    os.setresuid(65534, 65534, 65534)
    assert (await wire.links.seen()).ours == {OWN: False}
    for refused in (
        wire.links.add_addresses({VIP: True}),
        wire.links.drop_addresses([OWN]),
        wire.links.set_gateway(4, "192.0.2.254"),
        wire.links.announce([VIP]),
    ):
        with pytest.raises(Unable, match="as root"):
            await refused


def test_a_refusal_in_a_batch_stops_none_of_the_others() -> None:
    def batch() -> list[Refusal | None]:
        cable("eth0", "far0", Namespace())
        index = iproute.read_cards()["eth0"].index
        good = [
            rtnetlink.add_address(
                index, AddressKey("eth0", f"10.0.{n // 250}.{n % 250 + 1}/32"), floating=True
            )
            for n in range(500)
        ]
        bad = Request(RTM_NEWADDR, struct.pack("=BBBBI", 2, 32, 0, 0, 9999))
        answers = send([*good[:250], bad, *good[250:]])
        assert len(rtnetlink.read_addresses()) >= 500
        return answers

    answers = inside(batch)
    assert [position for position, refusal in enumerate(answers) if refusal] == [250]
    assert answers[250].number in {errno.EINVAL, errno.ENODEV}


def _oneline(text: str) -> list[str]:
    return [line.partition(": ")[2] if line[:1].isdigit() else line for line in text.splitlines()]


def _add_bridge(name: bytes) -> None:
    subprocess.run([b"ip", b"link", b"add", name, b"type", b"bridge"], check=True)
