# SPDX-License-Identifier: Apache-2.0
"""The network wizard walked by keys alone at 80x24: every step, every account, every picture."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from console.wizard import normal
from services.api import AccessRole
from services.model import Document
from tests.console.stage import stage
from tests.console.test_pictures import compare
from tests.console.wizard_steps import FREE, fill, new_unit, to_address, to_names, to_review
from tests.fakes import scenes

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
async def test_each_step_looks_as_agreed(name: str, renew: bool) -> None:
    async with stage(new_unit()) as on:
        await on.see("step 1 of 4", "eth0")
        for key in PICTURES[name]:
            await on.press(key)
            await on.pilot.pause(0.1)
        compare(name, on.text(), renew=renew)
