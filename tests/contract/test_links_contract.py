# SPDX-License-Identifier: Apache-2.0
"""What every `Links` does, in memory and in the kernel.

Each case is a coroutine that gets a world: eth0 and eth1, plugged in and switched off. The
kernel's world is a network namespace of the case's own. What only a kernel can show, e.g.
what is heard at the far end of the cable, stands in `tests/peers/test_links.py`.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass

import pytest

from services.drivers.ethtool import CardFacts
from services.drivers.links import KernelLinks, Links
from services.drivers.probe import Probed
from services.errors import Unable
from services.plan.state import AddressKey
from tests.cases import Case, Cases
from tests.fakes.links import FakeLinks, card
from tests.netns import Namespace, cable, inside, ip

OWN = AddressKey("eth0", "192.0.2.1/24")
SECOND = AddressKey("eth0", "192.0.2.2/24")
VIP = AddressKey("eth0", "192.0.2.100/32")
OWN6 = AddressKey("eth0", "2001:db8::1/64")
VIP6 = AddressKey("eth0", "2001:db8::100/128")
ELSEWHERE = AddressKey("eth1", "198.51.100.1/24")


@dataclass
class World:
    """Links, and the hands of a person at the same machine."""

    links: Links
    add_by_hand: Callable[[AddressKey], object]
    switch_off: Callable[[str], object]
    give_neighbour: Callable[[str], str]
    """Gives the machine at the other end of eth0 an address; returns its hardware address."""


def in_memory() -> World:
    fake = FakeLinks({name: card(name) for name in ("eth0", "eth1")})

    def give_neighbour(address: str) -> str:
        fake.neighbours["eth0", address] = "02:00:00:00:00:99"
        return "02:00:00:00:00:99"

    return World(fake, fake.add_by_hand, fake.switch_off, give_neighbour)


def in_the_kernel() -> World:
    far = Namespace()
    cable("eth0", "far0", far)
    cable("eth1", "far1", far)

    def give_neighbour(address: str) -> str:
        with far.entered():
            ip(f"addr add {address} dev far0 nodad")
            mac: str = json.loads(ip("-j link show far0"))[0]["address"]
            return mac

    return World(
        KernelLinks(),
        lambda key: ip(f"addr add {key.address} dev {key.device}"),
        lambda device: ip(f"link set {device} down"),
        give_neighbour,
    )


case: Cases[World] = Cases()


@case.each
async def test_in_memory(case: Case[World]) -> None:
    await case(in_memory())


@pytest.mark.peers
@case.each
def test_in_the_kernel(case: Case[World]) -> None:
    async def whole() -> None:
        world = in_the_kernel()
        await case(world)
        await world.links.aclose()

    inside(whole)


@case
async def cards_are_seen_without_the_loopback(world: World) -> None:
    seen = await world.links.seen()
    assert set(seen.devices) == {"eth0", "eth1"}
    assert {(device.up, device.carrier) for device in seen.devices.values()} == {(False, False)}
    assert seen.devices["eth0"].mtu == 1500
    assert len(seen.devices["eth0"].mac) == 17
    assert (seen.ours, seen.foreign, seen.gateways) == ({}, frozenset(), {})


@case
async def what_is_added_is_ours_with_its_kind_and_its_card_is_up(world: World) -> None:
    wanted = {OWN: False, SECOND: False, VIP: True, OWN6: False, VIP6: True, ELSEWHERE: False}
    await world.links.add_addresses(wanted)
    seen = await world.links.seen()
    assert seen.ours == wanted
    assert seen.foreign == frozenset()
    assert seen.devices["eth0"].up
    assert seen.devices["eth0"].carrier


@case
async def adding_what_is_there_is_success(world: World) -> None:
    wanted = {OWN: False, VIP: True, OWN6: False, VIP6: True}
    await world.links.add_addresses(wanted)
    await world.links.add_addresses(wanted)
    await world.links.add_addresses({})
    assert (await world.links.seen()).ours == wanted


@case
async def an_address_may_become_floating_and_back(world: World) -> None:
    for floating in (False, True, False):
        await world.links.add_addresses({VIP: floating, VIP6: floating})
        assert (await world.links.seen()).ours == {VIP: floating, VIP6: floating}


@case
async def many_addresses_come_and_go_in_one_batch(world: World) -> None:
    many = {AddressKey("eth0", f"203.0.113.{number}/32"): True for number in range(1, 255)}
    many |= {AddressKey("eth1", f"2001:db8:1::{number:x}/128"): True for number in range(1, 255)}
    await world.links.add_addresses(many)
    assert (await world.links.seen()).ours == many
    await world.links.drop_addresses(many)
    assert (await world.links.seen()).ours == {}


@case
async def an_address_added_by_hand_is_foreign_and_never_dropped(world: World) -> None:
    world.add_by_hand(OWN)
    world.add_by_hand(ELSEWHERE)
    await world.links.add_addresses({VIP: True})
    await world.links.drop_addresses([OWN, ELSEWHERE, VIP])
    seen = await world.links.seen()
    assert seen.foreign == {OWN, ELSEWHERE}
    assert seen.ours == {}


@case
async def an_address_added_by_hand_and_then_wanted_is_adopted(world: World) -> None:
    world.add_by_hand(OWN)
    await world.links.add_addresses({OWN: False, VIP6: True})
    seen = await world.links.seen()
    assert seen.ours == {OWN: False, VIP6: True}
    assert seen.foreign == frozenset()


@case
async def an_ipv6_address_with_another_prefix_gives_way(world: World) -> None:
    await world.links.add_addresses({OWN6: False})
    world.add_by_hand(AddressKey("eth0", "2001:db8::100/64"))
    await world.links.add_addresses({VIP6: True})
    seen = await world.links.seen()
    assert seen.ours == {OWN6: False, VIP6: True}
    assert seen.foreign == frozenset()


@case
async def an_ipv4_address_with_another_prefix_stays(world: World) -> None:
    by_hand = AddressKey("eth0", "192.0.2.100/24")
    world.add_by_hand(by_hand)
    await world.links.add_addresses({VIP: True})
    await world.links.drop_addresses([VIP])
    seen = await world.links.seen()
    assert seen.ours == {}
    assert seen.foreign == {by_hand}


@case
async def dropping_what_is_not_there_is_success(world: World) -> None:
    await world.links.drop_addresses([VIP, AddressKey("eth9", "192.0.2.9/32")])
    await world.links.drop_addresses([])
    await world.links.add_addresses({VIP: True})
    await world.links.drop_addresses([VIP])
    await world.links.drop_addresses([VIP])
    assert (await world.links.seen()).ours == {}


@case
async def a_card_that_does_not_exist_is_named_and_nothing_changed(world: World) -> None:
    with pytest.raises(Unable, match="eth9 does not exist; this unit has eth0, eth1"):
        await world.links.add_addresses({VIP: True, AddressKey("eth9", "192.0.2.9/32"): True})
    with pytest.raises(Unable, match="eth9 does not exist"):
        await world.links.set_mtu("eth9", 1400)
    seen = await world.links.seen()
    assert seen.ours == {}
    assert not seen.devices["eth0"].up


@case
async def the_primary_goes_and_its_secondaries_and_floating_ones_stay(world: World) -> None:
    await world.links.add_addresses({OWN: False, SECOND: False, VIP: True, OWN6: False, VIP6: True})
    await world.links.drop_addresses([OWN, OWN6])
    assert (await world.links.seen()).ours == {SECOND: False, VIP: True, VIP6: True}


@case
async def an_address_on_a_card_switched_off_is_not_seen_until_added_again(world: World) -> None:
    wanted = {OWN: False, VIP: True, OWN6: False, VIP6: True}
    await world.links.add_addresses(wanted)
    world.switch_off("eth0")
    assert (await world.links.seen()).ours == {}
    await world.links.add_addresses(wanted)
    assert (await world.links.seen()).ours == wanted


@case
async def a_gateway_is_set_replaced_and_dropped(world: World) -> None:
    await world.links.add_addresses({OWN: False, OWN6: False})
    await world.links.set_gateway(4, "192.0.2.254")
    await world.links.set_gateway(6, "2001:db8::fe")
    await world.links.set_gateway(6, "2001:db8::fe")
    await world.links.set_gateway(4, "192.0.2.253")
    await world.links.set_gateway(4, "192.0.2.253")
    assert (await world.links.seen()).gateways == {4: "192.0.2.253", 6: "2001:db8::fe"}
    await world.links.drop_gateway(4)
    await world.links.drop_gateway(4)
    assert (await world.links.seen()).gateways == {6: "2001:db8::fe"}


@case
async def a_gateway_out_of_reach_is_refused_with_its_remedy(world: World) -> None:
    await world.links.add_addresses({OWN: False, OWN6: False})
    for version, address in ((4, "198.51.100.254"), (6, "2001:db8:9::1")):
        with pytest.raises(Unable, match=f"{address} cannot be the default gateway: ") as caught:
            await world.links.set_gateway(version, address)
        assert caught.value.do == "Give an interface an address in the gateway's network first."


@case
async def a_gateway_goes_with_the_last_address_of_its_card(world: World) -> None:
    await world.links.add_addresses({OWN: False, ELSEWHERE: False})
    await world.links.set_gateway(4, "192.0.2.254")
    await world.links.drop_addresses([OWN])
    assert (await world.links.seen()).gateways == {}


@case
async def the_largest_packet_is_set_or_refused(world: World) -> None:
    await world.links.set_mtu("eth0", 1400)
    assert (await world.links.seen()).devices["eth0"].mtu == 1400
    with pytest.raises(Unable, match="The MTU of eth0 cannot be 10: "):
        await world.links.set_mtu("eth0", 10)


@case
async def announcing_returns_soon_whatever_the_cards_do(world: World) -> None:
    await world.links.add_addresses({VIP: True})
    await world.links.announce([VIP, AddressKey("eth1", "198.51.100.9/32"), VIP6])
    await world.links.announce([])


@case
async def an_address_is_in_use_when_a_neighbour_has_it(world: World) -> None:
    await world.links.add_addresses({OWN: False, OWN6: False})
    for address in ("192.0.2.77", "2001:db8::77"):
        assert await world.links.probe("eth0", address) == Probed(carrier=True)
        owner = world.give_neighbour(address)
        assert await world.links.probe("eth0", address) == Probed(carrier=True, owner=owner)


@case
async def our_own_address_is_not_somebody_elses(world: World) -> None:
    await world.links.add_addresses({OWN: False, VIP: True, OWN6: False})
    for address in ("192.0.2.1", "192.0.2.100", "2001:db8::1"):
        assert await world.links.probe("eth0", address) == Probed(carrier=True)


@case
async def on_a_card_without_a_link_nobody_can_be_asked(world: World) -> None:
    assert await world.links.probe("eth1", "198.51.100.9") == Probed(carrier=False)
    with pytest.raises(Unable, match="eth9 does not exist"):
        await world.links.probe("eth9", "192.0.2.9")


@case
async def a_card_tells_its_driver_and_with_a_link_its_speed(world: World) -> None:
    assert await world.links.describe(["eth9"]) == {"eth9": CardFacts()}
    await world.links.add_addresses({OWN: False})
    facts = await world.links.describe(["eth0", "eth1"])
    assert facts["eth0"] == CardFacts("veth", 10_000)
    assert facts["eth1"].driver == "veth"
