# SPDX-License-Identifier: Apache-2.0
"""The network wizard walked by keys alone at 80x24: every step, every refusal, every way back."""

from __future__ import annotations

import asyncio
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from console.wizard import normal
from services.api import AccessRole, AddressProbe, Applied, ApplyRequest
from services.errors import Unable
from services.model import Document
from tests.console.stage import Stage, stage
from tests.console.test_pictures import compare, renew  # noqa: F401 - a fixture
from tests.fakes import scenes
from tests.fakes.appliance import ScriptedAppliance

FREE = "192.168.2.77/24"


def new_unit(**knobs: object) -> ScriptedAppliance:
    """A unit as it comes out of its box, in front of whoever logged in as setup."""
    fake = ScriptedAppliance(role=AccessRole.SETUP, user="setup", links=frozenset({"eth0"}))
    for name, value in ({"factory": ("loadbalancer", "root", "setup")} | knobs).items():
        setattr(fake, name, value)
    return fake


async def fill(on: Stage, text: str) -> None:
    await on.press("ctrl+u")
    await on.type(text)


async def to_address(on: Stage) -> None:
    await on.see("step 1 of 4", "eth0")
    await on.press("enter")
    await on.see("step 2 of 4: eth0", "> Address/mask")


async def to_names(on: Stage, address: str = FREE) -> None:
    await to_address(on)
    await fill(on, address)
    await on.press("f9")
    await on.see("step 3 of 4")


async def to_review(on: Stage, address: str = FREE) -> None:
    await to_names(on, address)
    await on.press("f9")
    await on.see("step 4 of 4", "What applying does")


# ------------------------------------------------------------------------------------ the walk


async def test_the_setup_account_walks_from_its_login_to_a_unit_that_is_reached() -> None:
    fake = new_unit()
    async with stage(fake) as on:
        await to_address(on)
        await fill(on, "10.1.2.3/16")
        await on.press("down")
        await fill(on, "10.1.0.1")
        await on.press("down")
        await fill(on, "1400")
        await on.press("ctrl+s")
        await on.see("step 3 of 4", "> DNS servers")
        await fill(on, "10.1.0.53, 10.1.0.54")
        await on.press("tab")
        await fill(on, "example.com")
        await on.press("enter")
        await fill(on, "lb1")
        await on.press("down", "right", "down", "enter")
        await on.see("step 4 of 4", "192.168.2.21/24", "10.1.2.3/16", "lbmaster", "lb1", "slave")
        assert fake.calls == []
        await on.press("enter")
        await on.see("Keep the new settings?", "60 seconds")
        await on.press("k")
        await on.see(
            *("The network is set up.", "10.1.2.3/16", "mask 255.255.0.0", "10.1.0.1"),
            *("lb1.example.com, slave", "ssh loadbalancer@10.1.2.3", "Next", "F10 logs out"),
        )
        local = fake.running.local
        assert str(local.interfaces[0].addresses[0]) == "10.1.2.3/16"
        assert local.interfaces[0].mtu == 1400
        assert [str(server) for server in local.dns] == ["10.1.0.53", "10.1.0.54"]
        assert (str(local.gateway), local.domain, local.hostname) == (
            "10.1.0.1",
            "example.com",
            "lb1",
        )
        assert local.role.value == "slave"
        assert fake.calls == ["apply", "confirm"]
        newest = (await fake.revisions())[0]
        assert (newest.who, newest.why) == ("setup", "network wizard")
        await on.press("escape")
        await on.see("step 1 of 4", "10.1.2.3/16")


async def test_an_administrator_reaches_it_from_the_menu_and_comes_back_there() -> None:
    fake = scenes.small()
    async with stage(fake) as on:
        await on.press("2", "7")
        await to_review(on)
        await on.press("a")
        await on.see("Keep the new settings?")
        await on.press("k")
        await on.see("The network is set up.")
        await on.press("escape")
        await on.see("Local Configuration", "Network setup")
        assert len(fake.running.cluster.layer7) == 4


async def test_pending_changes_of_services_are_not_swept_along() -> None:
    fake = scenes.small()
    async with stage(fake) as on:
        await on.press("e")
        await on.see("Virtual service web-http")
        await on.type("2")
        await on.press("f9")
        await on.see("among the pending changes")
        await on.press("2", "7")
        await to_review(on)
        await on.press("f9")
        await on.see("Keep the new settings?")
        await on.press("k")
        await on.see("The network is set up.")
        assert fake.running.cluster.layer7[0].label == "web-http"
        assert [edit.key for edit in (await fake.draft()).edits] == [f"layer7/{scenes.WEB}"]
        assert (await fake.draft()).clashes == ()


async def test_it_begins_with_what_is_pending_for_the_card_and_is_done_with_it() -> None:
    fake = scenes.small()
    async with stage(fake) as on:
        await on.press("2", "2", "enter")
        await on.see("Network > eth0")
        await fill(on, "192.168.2.30/24")
        await on.press("f9")
        await on.see("among the pending changes")
        await on.press("2", "7", "enter")
        await on.see("192.168.2.30/24")
        await on.press("f9")
        await on.see("step 3 of 4")
        await on.press("f9")
        await on.see("What applying does")
        await on.press("f9")
        await on.see("Keep the new settings?")
        await on.press("k")
        await on.see("The network is set up.")
        assert (await fake.draft()).edits == ()


async def test_other_addresses_of_the_card_stay_and_are_named() -> None:
    fake = scenes.small()
    tree = fake.running.model_dump(mode="json")
    tree["local"]["interfaces"][0]["addresses"] += ["192.168.2.22/24", "2001:db8::21/64"]
    fake.running = Document.model_validate(tree)
    async with stage(fake) as on:
        await on.press("2", "7")
        await to_address(on)
        await on.see("The card keeps 192.168.2.22/24, 2001:db8::21/64 as well.")
        await fill(on, FREE)
        await on.press("f9", "f9")
        await on.see("What applying does")
        await on.press("f9")
        await on.see("Keep the new settings?")
        await on.press("k")
        await on.see("The network is set up.")
        addresses = [str(own) for own in fake.running.local.interfaces[0].addresses]
        assert addresses == [FREE, "192.168.2.22/24", "2001:db8::21/64"]


async def test_a_card_without_settings_gets_its_first() -> None:
    fake = new_unit(links=frozenset({"eth0", "eth1"}))
    async with stage(fake) as on:
        await on.see("step 1 of 4", "eth1")
        await on.press("down", "enter")
        await on.see("step 2 of 4: eth1")
        await fill(on, "10.9.9.9/24")
        await on.press("f9", "f9")
        await on.see("What applying does")
        await on.press("f9")
        await on.see("Keep the new settings?")
        await on.press("k")
        await on.see("The network is set up.", "eth1")
        cards = {
            card.name: [str(own) for own in card.addresses]
            for card in fake.running.local.interfaces
        }
        assert cards == {"eth0": ["192.168.2.21/24"], "eth1": ["10.9.9.9/24"]}


async def test_nothing_changed_is_nothing_applied_and_still_the_summary() -> None:
    fake = new_unit()
    async with stage(fake) as on:
        await to_address(on)
        await on.press("f9", "f9")
        await on.see("Nothing is changed")
        await on.press("f9")
        await on.see("The network is set up.", "192.168.2.21/24")
        assert fake.calls == []


# ------------------------------------------------------------------------------------ addresses


@pytest.mark.parametrize(
    ("typed", "kept"),
    [
        ("192.168.1.5/24", "192.168.1.5/24"),
        (" 192.168.1.5 / 24 ", "192.168.1.5/24"),
        ("192.168.1.5/255.255.255.0", "192.168.1.5/24"),
        ("192.168.1.5 255.255.255.0", "192.168.1.5/24"),
        ("10.1.2.3/255.255.252.0", "10.1.2.3/22"),
        ("10.1.2.3/255.0.0.0", "10.1.2.3/8"),
        ("10.1.2.3/31", "10.1.2.3/31"),
        ("10.1.2.3/255.255.255.255", "10.1.2.3/32"),
    ],
)
def test_a_mask_is_taken_in_every_way_it_is_written(typed: str, kept: str) -> None:
    assert normal(typed) == kept


WRONG = {
    "": "There is no address.",
    "192.168.1.5": "The mask is missing.",
    "192.168.1.500/24": "`192.168.1.500` is no IPv4 address.",
    "192.168.1/24": "`192.168.1` is no IPv4 address.",
    "192.168.1.5/33": "/33 is no prefix of IPv4.",
    "192.168.1.5/": "`` is no mask.",
    "192.168.1.5/255.0.255.0": "255.0.255.0 is no mask",
    "192.168.1.5/255.255.255.1": "255.255.255.1 is no mask",
    "192.168.1.5/0.0.0.255": "0.0.0.255 is a wildcard. As a mask it is 255.255.255.0.",
    "192.168.1.5/0": "/0 takes a large part of the Internet",
    "192.168.1.5/0.0.0.0": "/0 takes a large part of the Internet",
    "192.168.1.5/24/24": "is more than an address and a mask.",
    "192.168.1.5/24, 192.168.1.6/24": "is more than an address and a mask.",
    "2001:db8::5/64": "2001:db8::5 is an IPv6 address.",
    "dhcp": "`dhcp` is no IPv4 address.",
}


@pytest.mark.parametrize("typed", WRONG)
def test_a_wrong_address_or_mask_is_told_in_a_sentence(typed: str) -> None:
    with pytest.raises(ValueError, match=re.escape(WRONG[typed])):
        normal(typed)


@given(st.text(max_size=60))
def test_whatever_is_typed_is_an_address_or_a_sentence(typed: str) -> None:
    try:
        address, _, prefix = normal(typed).partition("/")
    except ValueError as error:
        told = str(error)
        assert told.endswith(".")
    else:
        assert address.count(".") == 3
        assert 8 <= int(prefix) <= 32


async def test_the_dotted_mask_is_converted_before_ones_eyes() -> None:
    async with stage(new_unit()) as on:
        await to_names(on, "192.168.2.77 255.255.255.0")
        await on.press("f8")
        assert FREE in (await on.see("step 2 of 4"))


# ------------------------------------------------------------------------------------ refusals

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


# ------------------------------------------------------------------------------------ ways back


async def test_back_shows_what_was_typed_on_every_step() -> None:
    fake = new_unit()
    async with stage(fake) as on:
        await to_names(on)
        await fill(on, "192.168.2.53")
        await on.press("f9")
        await on.see("step 4 of 4")
        await on.press("f8")
        await on.see("step 3 of 4", "192.168.2.53")
        await on.press("ctrl+b")
        await on.see("step 2 of 4", FREE)
        await on.press("down", "down", "down", "left", "enter")
        await on.see("step 1 of 4")
        await on.press("enter")
        await on.see("step 2 of 4", FREE)
        await on.press("f9")
        await on.see("step 3 of 4", "192.168.2.53")


async def test_another_card_brings_its_own_address_and_the_names_stay() -> None:
    fake = new_unit(links=frozenset({"eth0", "eth1"}))
    async with stage(fake) as on:
        await to_names(on)
        await fill(on, "192.168.2.53")
        await on.press("f8", "f8")
        await on.see("step 1 of 4")
        await on.press("down", "enter")
        await on.see("step 2 of 4: eth1")
        assert FREE not in on.text()
        await fill(on, "10.9.9.9/24")
        await on.press("f9")
        await on.see("step 3 of 4", "192.168.2.53")


@pytest.mark.parametrize("step", [2, 3, 4])
async def test_escape_half_way_asks_and_changes_nothing(step: int) -> None:
    fake = new_unit()
    async with stage(fake) as on:
        await (to_address, to_names, to_review)[step - 2](on)
        await on.press("escape")
        await on.see("Leave the network setup?")
        await on.press("enter")
        await on.gone("Leave the network setup?")
        assert f"step {step} of 4" in on.text()
        await on.press("escape", "l")
        await on.see("step 1 of 4", "F10 logs out.")
        assert fake.calls == []
        await on.press("enter")
        await on.see("step 2 of 4", "192.168.2.21/24")
        assert FREE not in on.text()


async def test_the_menu_half_way_asks_too() -> None:
    async with stage(scenes.small()) as on:
        await on.press("2", "7")
        await to_names(on)
        await on.press("f2")
        await on.see("Discard what you typed?")
        await on.press("enter")
        await on.see("step 3 of 4")
        await on.press("f2", "d")
        await on.see("Main menu")


async def test_what_nobody_keeps_comes_back_and_what_was_typed_is_still_there() -> None:
    now = 1_772_368_265.0
    fake = new_unit(clock=lambda: now)
    async with stage(fake) as on:
        await to_review(on)
        await on.press("f9")
        await on.see("60 seconds")
        now += 61
        on.app.watching.now()
        await on.see("Nobody kept it in time: the settings before are back.", "step 4 of 4")
        assert str(fake.running.local.interfaces[0].addresses[0]) == "192.168.2.21/24"
        await on.press("f8", "f8")
        await on.see("step 2 of 4", FREE)


async def test_rolling_back_at_once_is_one_key_and_may_be_tried_again() -> None:
    fake = new_unit()
    async with stage(fake) as on:
        await to_review(on)
        await on.press("f9")
        await on.see("Keep the new settings?")
        await on.press("r")
        await on.see("Rolled back: the settings before are back.")
        assert str(fake.running.local.interfaces[0].addresses[0]) == "192.168.2.21/24"
        await on.press("f9")
        await on.see("Keep the new settings?")
        await on.press("k")
        await on.see("The network is set up.")


async def test_looking_around_first_keeps_the_countdown_and_y_keeps_the_change() -> None:
    fake = new_unit()
    async with stage(fake) as on:
        await to_review(on)
        await on.press("f9")
        await on.see("Keep the new settings?")
        await on.press("escape")
        await on.see("It still waits: F9 asks again")
        await on.press("f9")
        await on.see("Keep the new settings?")
        await on.press("escape", "y")
        await on.see("The network is set up.")
        assert fake.calls == ["apply", "confirm"]


async def test_kept_from_elsewhere_the_wizard_is_over() -> None:
    fake = new_unit()
    async with stage(fake) as on:
        await to_review(on)
        await on.press("f9")
        await on.see("Keep the new settings?")
        await on.refreshed()
        await fake.confirm()
        on.app.watching.now()
        await on.see("The network is set up.")


async def test_whoever_connects_anew_may_keep_it_from_the_first_step() -> None:
    fake = new_unit()
    document = fake.running
    wish = ApplyRequest(document=document, why="network wizard", confirm_s=60)
    await fake.apply(wish)
    async with stage(fake) as on:
        await on.see("New settings wait: y keeps them, else they go in 60 s.")
        await on.press("enter")
        await on.see("y keeps them, b rolls back")
        await on.press("y")
        await on.see("Kept: revision 2 runs.")


async def test_a_change_by_somebody_else_is_looked_at_before_it_is_applied_over() -> None:
    fake = scenes.small()
    async with stage(fake) as on:
        await on.press("2", "7")
        await to_review(on)
        other = fake.running.model_dump(mode="json")
        other["local"]["hostname"] = "theirs"
        fake.somebody_applies(Document.model_validate(other))
        await on.press("f9")
        await on.see("Somebody changed the configuration meanwhile: look again.")
        await on.press("f9")
        await on.see("Keep the new settings?")


async def test_a_refusal_of_the_agent_is_said_and_nothing_typed_is_lost() -> None:
    fake = new_unit()
    async with stage(fake) as on:
        await to_review(on)
        fake.refusal = Unable("The disk is full.", do="Delete old logs.")
        await on.press("f9")
        await on.see("The disk is full. Delete old logs.")
        await on.press("f9")
        await on.see("Keep the new settings?")


async def test_a_change_on_its_way_is_not_cut_off_by_logging_out(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    fake = new_unit()
    arrived, answer = asyncio.Event(), asyncio.Event()
    really = fake.apply

    async def slow(request: ApplyRequest) -> Applied:
        arrived.set()
        await answer.wait()
        return await really(request)

    monkeypatch.setattr(fake, "apply", slow)
    async with stage(fake) as on:
        await to_review(on)
        await on.press("f9")
        await arrived.wait()
        await on.press("f9", "f8", "escape")
        await on.see("Still applying the network settings; wait for its end.", "step 4 of 4")
        answer.set()
        await on.see("Keep the new settings?")
        assert fake.calls == ["apply"]


# ------------------------------------------------------------------------------------ accounts


async def test_the_setup_account_finds_nothing_but_the_wizard() -> None:
    fake = new_unit()
    async with stage(fake) as on:
        await on.see("step 1 of 4")
        for key in ("f2", "f7", "1", "3", "4"):
            await on.press(key)
            await on.see("This account sets the network up.", "step 1 of 4")
            on.app.say("")
        await on.press("escape")
        await on.see("F10 logs out.")
        await on.press("f1")
        await on.see("Help: Network setup", "four steps")


async def test_who_may_only_look_is_told_so() -> None:
    fake = scenes.small(role=AccessRole.VIEWER, user="vera")
    async with stage(fake) as on:
        await on.press("2", "7", "enter")
        await on.see("The account vera may look, but not do that.", "step 1 of 4")


async def test_help_explains_every_field_from_the_model() -> None:
    async with stage(new_unit()) as on:
        await to_names(on)
        await on.press("f1")
        await on.see("Name servers, and what this unit is called", "F9 Ctrl+S", "F8 Ctrl+B")
        await on.press("end")
        await on.see("Hostname", "The unit's name.")


# ------------------------------------------------------------------------------------ pictures

PICTURES: dict[str, tuple[str, ...]] = {
    "wizard/1 interface": (),
    "wizard/2 address": ("enter",),
    "wizard/2 refused": ("enter", "ctrl+u", "f9"),
    "wizard/3 names": ("enter", "f9"),
    "wizard/4 review": ("enter", "end", "backspace", "backspace", *"16", "f9", "f9"),
    "wizard/4 keep": ("enter", "end", "backspace", "backspace", *"16", "f9", "f9", "f9"),
    "wizard/5 done": ("enter", "end", "backspace", "backspace", *"16", "f9", "f9", "f9", "k"),
}


@pytest.mark.parametrize("name", PICTURES)
async def test_each_step_looks_as_agreed(name: str, renew: bool) -> None:  # noqa: F811
    async with stage(new_unit()) as on:
        await on.see("step 1 of 4", "eth0")
        for key in PICTURES[name]:
            await on.press(key)
            await on.pilot.pause(0.1)
        compare(name, on.text(), renew=renew)
