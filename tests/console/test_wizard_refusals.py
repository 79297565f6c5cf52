# SPDX-License-Identifier: Apache-2.0
"""What the network wizard refuses, and what it only says: beside the field, nothing lost."""

from __future__ import annotations

import asyncio

import pytest

from services.api import AddressProbe
from services.errors import Unable
from tests.console.stage import stage
from tests.console.wizard_steps import FREE, fill, new_unit, to_address, to_names
from tests.fakes import scenes

ADDRESS_REFUSED = {
    "192.168.2.77/255.0.255.0": ("255.0.255.0 is no mask",),
    "192.168.2.0/24": ("network's own address",),
    "192.168.2.255/24": ("is the broadcast address",),
    "127.0.0.1/8": ("cannot be reached by clients",),
    "224.0.0.5/24": ("is not the address of one host",),
    "192.168.2.1/24": ("this unit's own address", "Write the address of the router"),
    "10.0.0.5/24": ("The gateway 192.168.2.1 lies in no network of an interface",),
    "192.168.1.21/24": ("has 192.168.1.21, which",),
    "192.168.1.77/24": ("both in 192.168.1.0/24",),
    "192.168.1.100/24": ("192.168.1.100 is the VIP of web-http", "no service has"),
}


@pytest.mark.parametrize("typed", ADDRESS_REFUSED)
async def test_an_address_that_cannot_be_is_refused_beside_its_field(typed: str) -> None:
    fake = scenes.small()
    async with stage(fake) as on:
        await on.press("2", "7")
        await to_address(on)
        await fill(on, typed)
        await on.press("f9")
        await on.see("See the red lines.", *ADDRESS_REFUSED[typed])
        assert "step 2 of 4" in on.text()
        assert fake.calls == []


@pytest.mark.parametrize(
    ("gateway", "said"),
    [
        ("10.9.9.1", "The gateway 10.9.9.1 lies in no network of an interface"),
        ("192.168.2.21", "The gateway 192.168.2.21 is this unit's own address."),
        ("192.168.2.255", "is a network's own or broadcast address"),
        ("192.168.2", "is no IP address"),
        ("2001:db8::1", "is an IPv6 address; gateway is for IPv4"),
    ],
)
async def test_a_gateway_that_cannot_be_is_refused_beside_its_field(
    gateway: str, said: str
) -> None:
    async with stage(new_unit()) as on:
        await to_address(on)
        await on.press("down")
        await fill(on, gateway)
        await on.press("f9")
        await on.see("! Gateway", said)
        assert "step 2 of 4" in on.text()


async def test_a_gateway_that_is_a_vip_is_refused_beside_its_field() -> None:
    async with stage(scenes.small()) as on:
        await on.press("2", "7", "down")
        await on.press("enter")
        await on.see("step 2 of 4: eth1")
        await on.press("down")
        await fill(on, "192.168.1.101")
        await on.press("f9")
        await on.see("! Gateway", "192.168.1.101 is the VIP of rds")


@pytest.mark.parametrize("mtu", ["575", "9217", "x", ""])
async def test_an_mtu_out_of_range_is_refused_beside_its_field(mtu: str) -> None:
    async with stage(new_unit()) as on:
        await to_address(on)
        await on.press("down", "down")
        await fill(on, mtu)
        await on.press("f9")
        await on.see("! MTU", "See the red lines.")


@pytest.mark.parametrize(
    ("downs", "typed", "field"),
    [
        (0, "192.168.2.53, x", "DNS servers"),
        (0, "10.0.0.1,10.0.0.2,10.0.0.3,10.0.0.4", "DNS servers"),
        (1, "-example", "Search domain"),
        (2, "", "Hostname"),
        (2, "a b", "Hostname"),
    ],
)
async def test_a_name_that_cannot_be_is_refused_beside_its_field(
    downs: int, typed: str, field: str
) -> None:
    async with stage(new_unit()) as on:
        await to_names(on)
        await on.press(*["down"] * downs)
        await fill(on, typed)
        await on.press("f9")
        await on.see(f"! {field}", "See the red lines.")
        assert "step 3 of 4" in on.text()


async def test_an_address_in_use_on_the_wire_is_refused_with_who_has_it() -> None:
    fake = new_unit(neighbours={"192.168.2.77": "52:54:00:12:34:56"})
    async with stage(fake) as on:
        await to_address(on)
        await fill(on, FREE)
        await on.press("f9")
        await on.see("192.168.2.77 is in use: 52:54:00:12:34:56 answers for it on eth0.")
        assert "step 2 of 4" in on.text()
        await fill(on, "192.168.2.78/24")
        await on.press("f9")
        await on.see("step 3 of 4")


async def test_its_own_address_is_not_asked_for_on_the_wire() -> None:
    fake = new_unit(neighbours={"192.168.2.21": "02:00:00:00:00:00"})
    async with stage(fake) as on:
        await to_names(on, "192.168.2.21/25")


async def test_a_wire_that_cannot_be_asked_is_said_and_the_person_decides(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    fake = new_unit()

    async def fails(_card: str, _address: str) -> AddressProbe:
        raise Unable("eth0 does not send.", do="Look at its cable.")

    monkeypatch.setattr(fake, "probe_address", fails)
    async with stage(fake) as on:
        await to_address(on)
        await fill(on, FREE)
        await on.press("f9")
        await on.see("Not asked", "eth0 does not send.", "Stay here")
        await on.press("enter")
        await on.see("step 2 of 4")
        await on.press("f9")
        await on.see("Not asked")
        await on.press("g")
        await on.see("step 3 of 4")


async def test_a_slow_wire_blocks_nothing_and_f9_twice_is_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    fake = new_unit()
    answer = asyncio.Event()
    asked = 0

    async def slow(card: str, address: str) -> AddressProbe:
        nonlocal asked
        asked += 1
        await answer.wait()
        return AddressProbe(interface=card, address=address)

    monkeypatch.setattr(fake, "probe_address", slow)
    async with stage(fake) as on:
        await to_address(on)
        await fill(on, FREE)
        await on.press("f9")
        await on.see("Asking on eth0 whether 192.168.2.77 is free")
        await on.press("f9", "down", "f9")
        await on.see("> Gateway")
        answer.set()
        await on.see("step 3 of 4")
        assert asked == 1


async def test_an_answer_about_another_address_leads_nowhere(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    fake = new_unit()
    answer = asyncio.Event()

    async def slow(card: str, address: str) -> AddressProbe:
        await answer.wait()
        return AddressProbe(interface=card, address=address)

    monkeypatch.setattr(fake, "probe_address", slow)
    async with stage(fake) as on:
        await to_address(on)
        await fill(on, FREE)
        await on.press("f9")
        await on.see("Asking on eth0")
        await fill(on, "192.168.2.78/24")
        answer.set()
        await on.gone("Asking on eth0")
        assert "step 2 of 4" in on.text()


async def test_a_card_without_a_link_is_said_and_the_person_decides() -> None:
    async with stage(new_unit()) as on:
        await on.see("eth1", "no link")
        await on.press("down", "enter")
        await on.see("step 2 of 4: eth1", "no link: is its cable in?")
        await fill(on, "10.9.9.9/24")
        await on.press("f9")
        await on.see("eth1 has no link", "Stay here")
        await on.press("escape")
        await on.gone("Stay here")
        assert "step 2 of 4" in on.text()
        await on.press("f9")
        await on.see("eth1 has no link")
        await on.press("g")
        await on.see("step 3 of 4")


async def test_vips_left_without_a_network_are_named_in_the_review() -> None:
    async with stage(scenes.small()) as on:
        await on.press("2", "7", "down", "enter")
        await on.see("step 2 of 4: eth1")
        await fill(on, "10.0.0.5/24")
        await on.press("f9", "f9")
        await on.see("! The VIP 192.168.1.100 of web-http lies in none of this unit's networks")
