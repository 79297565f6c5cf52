# SPDX-License-Identifier: Apache-2.0
"""Forms are the model's fields: its words as help, its limits as errors, beside the field."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from pydantic import Field
from textual.events import Key

from console import fields
from console.widgets.field import EditField
from services.api import Edit
from services.model import VirtualService, field_help
from tests.console.stage import Stage, stage
from tests.fakes import scenes
from tests.fakes.appliance import ScriptedAppliance
from tests.fakes.scenes import RDS, SHOP, WEB


async def replace_field(on: Stage, text: str) -> None:
    await on.press("ctrl+u")
    await on.type(text)


def pending(fake: ScriptedAppliance) -> dict[str, Edit]:
    return fake._edits


async def test_a_service_form_shows_every_field_of_the_model_under_its_title() -> None:
    async with stage(scenes.small()) as on:
        await on.press("e")
        await on.see("Virtual service web-http")
        seen = on.text()
        for spec in fields.specs(VirtualService):
            await on.until(lambda spec=spec: spec.title in seen + on.text())  # type: ignore[misc]
            await on.press("down")


async def test_a_value_longer_than_its_field_shows_its_beginning_and_that_it_goes_on() -> None:
    async with stage(scenes.small()) as on:
        await on.press("e", "down")
        await on.type("".join(f",192.168.1.{number}" for number in range(101, 105)))
        assert "192.168.1.104 " in on.line("IP address")
        await on.press("down")
        assert " 192.168.1.100,192" in on.line("IP address")
        assert ",192.168~ " in on.line("IP address")


def test_a_field_added_to_the_model_appears_by_itself() -> None:
    class Longer(VirtualService):
        surge: int = Field(default=5, ge=1, le=9, title="Surge limit")
        """Connections that may come at once."""

    spec = next(spec for spec in fields.specs(Longer) if spec.name == "surge")
    assert (spec.title, spec.hint, spec.default) == ("Surge limit", "1-9", 5)
    assert spec.help == "Connections that may come at once."


async def test_the_focused_field_is_explained_in_the_models_own_words() -> None:
    async with stage(scenes.small()) as on:
        await on.press("e")
        await on.see(field_help(VirtualService, "label"))
        await on.press("down")
        await on.see(field_help(VirtualService, "addresses")[:70])
        await on.press("up")
        await on.see(field_help(VirtualService, "label"))


async def test_f9_takes_the_form_into_the_pending_changes_and_nothing_runs_yet() -> None:
    fake = scenes.small()
    async with stage(fake) as on:
        await on.press("e")
        await on.see("Virtual service")
        await replace_field(on, "web-shop")
        await on.press("f9")
        await on.see("web-shop is among the pending changes. F7 reviews them.", "1 change pending")
        edit = pending(fake)[f"layer7/{WEB}"]
        assert edit.before is not None
        assert edit.after is not None
        assert (edit.before["label"], edit.after["label"]) == ("web-http", "web-shop")
        assert "servers" not in edit.after
        assert fake.running.cluster.layer7[0].label == "web-http"
        assert on.line("web-http").startswith("~")


async def test_ctrl_s_is_the_twin_of_f9_and_enter_goes_to_the_next_field() -> None:
    fake = scenes.small()
    async with stage(fake) as on:
        await on.press("down", "e")
        await on.see("Real server web-http/web1")
        await on.press("enter", "enter", "enter")
        await replace_field(on, "50")
        await on.press("ctrl+s")
        await on.see("1 change pending")
        after = pending(fake)[f"layer7/{WEB}/1"].after
        assert after is not None
        assert after["weight"] == 50


async def test_every_wrong_field_is_red_with_its_sentence_and_the_first_has_the_cursor() -> None:
    fake = scenes.small()
    async with stage(fake) as on:
        await on.press("e")
        await on.see("Virtual service")
        await replace_field(on, "no blanks here")
        await on.press("down")
        await replace_field(on, "192.168.1.1x0")
        await on.press("down")
        await replace_field(on, "90-80")
        await on.press("f9")
        await on.see(
            "`no blanks here` is no label.",
            "`192.168.1.1x0` is no IP address.",
            "The range 90-80 runs backwards. Write 80-90.",
            "3 fields have to be corrected",
        )
        assert on.app.focused is not None
        assert on.app.focused.name == "label"
        assert fake.calls == []


@pytest.mark.parametrize(
    ("ports", "sentence"),
    [
        ("0", "`0` is outside 1 to 65535."),
        ("65536", "`65536` is outside 1 to 65535."),
        ("80,,90", "The list of ports has an empty place in it."),
        ("", "There is no port."),
    ],
)
async def test_bad_ports_are_refused_with_the_remedy(ports: str, sentence: str) -> None:
    async with stage(scenes.small()) as on:
        await on.press("e", "down", "down")
        await on.see("Virtual service")
        await replace_field(on, ports)
        await on.press("f9")
        await on.see(sentence, "Write ports like 80")
        assert pending(on.fake) == {}


async def test_a_correction_takes_the_red_away() -> None:
    async with stage(scenes.small()) as on:
        await on.press("e", "down", "down")
        await on.see("Virtual service")
        await replace_field(on, "0")
        await on.press("f9")
        await on.see("outside 1 to 65535")
        await replace_field(on, "8080")
        await on.press("f9")
        await on.see("1 change pending")


async def test_rules_between_objects_are_told_beside_the_field_before_anything_is_sent() -> None:
    async with stage(scenes.small()) as on:
        await on.press("e", "down")
        await on.see("Virtual service")
        await replace_field(on, "192.168.2.21")
        await on.press("f9")
        await on.see("eth0's own address")
        await replace_field(on, "192.168.1.101")
        await on.press("down")
        await replace_field(on, "3389")
        await on.press("f9")
        await on.see("both listen on", "192.168.1.101:3389")
        assert pending(on.fake) == {}


async def test_a_server_of_another_ip_version_is_refused_at_its_address() -> None:
    async with stage(scenes.small()) as on:
        await on.press("down", "e", "down")
        await on.see("Real server")
        await replace_field(on, "2001:db8::10")
        await on.press("f9")
        await on.see("web1 has an IPv6 address", "web-http has no", "Give the server an IPv4")
        assert pending(on.fake) == {}


async def test_escape_asks_only_when_something_was_typed() -> None:
    async with stage(scenes.small()) as on:
        await on.press("e")
        await on.see("Virtual service")
        await on.press("escape")
        await on.see("System Overview")
        await on.press("e")
        await on.see("Virtual service")
        await on.type("x")
        await on.press("escape")
        await on.see("Discard what you typed?")
        await on.press("enter")
        await on.gone("Discard what you typed?")
        await on.see("web-httpx")
        await on.press("escape")
        await on.see("Discard what you typed?")
        await on.press("d")
        await on.see("System Overview")
        assert pending(on.fake) == {}


@pytest.mark.parametrize("key", ["f2", "f7", "f10"])
async def test_leaving_a_changed_form_by_any_key_asks_first(key: str) -> None:
    async with stage(scenes.small()) as on:
        await on.press("e")
        await on.see("Virtual service")
        await on.type("x")
        await on.press(key)
        await on.see("Discard what you typed?")
        await on.press("k")
        await on.see("web-httpx")


async def test_help_over_a_changed_form_loses_nothing() -> None:
    async with stage(scenes.small()) as on:
        await on.press("e")
        await on.see("Virtual service")
        await on.type("x")
        await on.press("f1")
        await on.see("Help: Layer 7")
        await on.press("f2")
        await on.see("Discard what you typed?")
        await on.press("k", "escape")
        await on.see("web-httpx")


async def test_choices_and_toggles_turn_with_arrows_and_space() -> None:
    fake = scenes.small()
    async with stage(fake) as on:
        await on.press("e", "down", "down", "down")
        await on.see("(*) HTTP  ( ) TCP")
        await on.press("right")
        await on.see("( ) HTTP  (*) TCP")
        await on.press("down", "space", "down", "left", "left")
        await on.see("Weighted round robin", "(*) Source IP")
        await on.press(*["down"] * 7, "space")
        await on.see("[ ] no")
        await on.press("f9")
        await on.see("1 change pending")
        after = pending(fake)[f"layer7/{WEB}"].after
        assert after is not None
        assert (
            after["mode"],
            after["balance"],
            after["persistence"],
            after["x_forwarded_for"],
        ) == (
            "tcp",
            "roundrobin",
            "source_ip",
            False,
        )


async def test_a_new_service_and_its_servers_stand_on_the_overview_before_they_run() -> None:
    fake = scenes.small()
    async with stage(fake) as on:
        await on.press("n")
        await on.see("Real server (RIP) in web-http", "virtual service (VIP)")
        await on.press("v")
        await on.see("New virtual service")
        await on.type("shop")
        await on.press("down")
        await on.type("192.168.1.150")
        await on.press("down")
        await on.type("80,443")
        await on.press("f9")
        await on.see("NEW shop", "192.168.1.150:80,443", "shop is among the pending changes")
        await on.press("n")
        await on.see("Real server (RIP) in shop")
        await on.press("enter")
        await on.see("New real server in shop")
        await on.type("shop1")
        await on.press("down")
        await on.type("192.168.1.151")
        await on.see("Port                   80")
        await on.press("f9")
        await on.see("`-- shop1", "2 changes pending")
        assert len(fake.running.cluster.layer7) == 4
        await on.press("end", "h")
        await on.see("apply the pending changes first")


async def test_a_pending_server_that_listens_at_its_services_ports_is_shown_without_one() -> None:
    async with stage(scenes.layer4()) as on:
        await on.press("n", "r")
        await on.see("New real server in shop")
        await on.type("shop3")
        await on.press("down")
        await on.type("192.168.1.153")
        await on.press("f9")
        await on.see("`-- shop3")
        assert "192.168.1.153 " in on.line("shop3")


async def test_opening_again_what_is_pending_shows_what_was_typed_and_keeps_its_beginning() -> None:
    fake = scenes.small()
    async with stage(fake) as on:
        await on.press("e")
        await on.see("Virtual service")
        await replace_field(on, "one")
        await on.press("f9")
        await on.see("one is among")
        await on.press("e")
        await on.see("Label                  one")
        await replace_field(on, "two")
        await on.press("f9")
        await on.see("two is among")
        edit = pending(fake)[f"layer7/{WEB}"]
        assert edit.before is not None
        assert edit.after is not None
        assert (edit.before["label"], edit.after["label"]) == ("web-http", "two")


async def test_deleting_asks_and_goes_among_the_pending_changes() -> None:
    fake = scenes.small()
    async with stage(fake) as on:
        await on.press(*["down"] * 4, "x")
        await on.see("Delete rds and its 3 real servers?", "88 connections open there now")
        await on.press("enter")
        await on.gone("Delete rds")
        assert pending(fake) == {}
        await on.press("x")
        await on.see("Yes, delete")
        await on.press("y")
        await on.see("rds will be deleted with the pending changes")
        assert pending(fake)[f"layer7/{RDS}"].after is None
        assert on.line("rds1").startswith("-")
        await on.press("x")
        await on.see("Take that back?")
        await on.press("y")
        await on.see("The change of rds was taken back.")
        assert pending(fake) == {}


async def test_keys_typed_while_a_form_opens_land_in_the_form() -> None:
    fake = scenes.small()
    async with stage(fake) as on:
        await on.pilot.press("e", "ctrl+u", "x", "h", "q", "7", "f9")
        await on.see("xhq7 is among the pending changes")
        assert fake.calls == ["edit"]


async def test_f9_at_the_heels_of_a_letter_does_not_overtake_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    at_once = EditField.on_key

    async def late(field: EditField[Any], event: Key) -> None:
        await asyncio.sleep(0.02)
        at_once(field, event)

    monkeypatch.setattr(EditField, "on_key", late)
    async with stage(scenes.small()) as on:
        await on.press("e")
        await on.see("Virtual service web-http")
        for key in ("ctrl+u", "x", "h", "q", "f9"):
            on.app.post_message(Key(key, key if len(key) == 1 else None))
        await on.see("xhq is among the pending changes")


async def test_nothing_typed_is_lost_when_the_agent_is_silent_at_f9() -> None:
    fake = scenes.small()
    async with stage(fake) as on:
        await on.press("e")
        await on.see("Virtual service")
        await replace_field(on, "web-shop")
        fake.silent = True
        await on.press("f9")
        await on.see("The agent does not answer", "web-shop")
        fake.silent = False
        await on.press("f9")
        await on.see("web-shop is among the pending changes")


async def test_the_units_own_settings_have_forms_and_interfaces_one_each() -> None:
    fake = scenes.small()
    async with stage(fake) as on:
        await on.press("2")
        await on.see("Local Configuration")
        await on.press("1")
        await on.see("Hostname", "IPv6 gateway", "applied with a countdown")
        await replace_field(on, "lb-east")
        await on.press("f9")
        await on.see("this unit is among the pending changes")
        await on.press("2")
        await on.see("eth3", "02:00:00:00:00:01")
        await on.press("down", "e")
        await on.see("Network > eth1", "192.168.1.21/24")
        await replace_field(on, "192.168.1.22/24, 192.168.7.1/24")
        await on.press("f9")
        await on.see("eth1 is among the pending changes", "2 changes pending")
        assert set(pending(fake)) == {"local", "local/eth1"}
        after = pending(fake)["local/eth1"].after
        assert after is not None
        assert after["addresses"] == ["192.168.1.22/24", "192.168.7.1/24"]


async def test_a_card_without_settings_gets_some() -> None:
    fake = scenes.small()
    async with stage(fake) as on:
        await on.press("2", "2")
        await on.see("eth2")
        await on.press("down", "down", "enter")
        await on.see("Network > eth2")
        await on.type("10.9.9.1/24")
        await on.press("f9")
        await on.see("eth2 is among the pending changes")
        assert pending(fake)["local/eth2"].before is None


async def test_a_layer_4_service_gets_servers_without_a_port_while_it_forwards_directly() -> None:
    fake = scenes.small()
    async with stage(fake) as on:
        await on.press("3", "3")
        await on.see("Layer 4 - New virtual service", "needs the VIP on its loopback")
        await on.type("l4")
        await on.press("down")
        await on.type("192.168.2.77")
        await on.press("f9")
        await on.see("l4 is among the pending changes.")
        [key] = [key for key in pending(fake) if key.startswith("layer4/")]
        after = pending(fake)[key].after
        assert after is not None
        assert (after["forwarding"], after["scheduler"], after["persistence_s"]) == (
            "dr",
            "wlc",
            300,
        )
        await on.press("f2", "1")
        await on.see("L4 DR")
        await on.press("n", "r")
        await on.see("Layer 4 - New real server in l4", "IP address")
        assert not on.line("Port ")
        await on.type("r1")
        await on.press("down")
        await on.type("10.99.0.1")
        await on.press("f9")
        await on.see("DR reaches neighbours only")


async def test_a_form_shows_the_fields_that_have_a_use() -> None:
    async with stage(scenes.small()) as on:
        await on.press("3", "3")
        await on.see("Layer 4 - New virtual service")
        assert not on.line("Firewall mark")
        for _ in range(40):
            if on.line("> Check type"):
                break
            await on.press("down")
        assert not on.line("Check protocol")
        await on.press("right")
        await on.see("Check protocol", "Connects between", "Good status", "Virtual host")
        assert not on.line("Login")


async def test_a_layer_4_service_keeps_whom_to_tell_and_says_that_nothing_is_sent_yet() -> None:
    fake = scenes.layer4()
    async with stage(fake) as on:
        await on.press("e")
        await on.see("Virtual service shop")
        while "> E-mail alert to" not in on.text():
            await on.press("down")
        await on.see("Kept for a later version: this one sends nothing.")
        await on.type("operators@example.com, nobody")
        await on.press("down")
        await on.type("lb@example.com")
        await on.press("f9")
        await on.see("`nobody` is no e-mail address. Write it like operators@example.com.")
        await on.press(*["backspace"] * len(", nobody"), "f9")
        await on.see("shop is among the pending changes")
        after = pending(fake)[f"layer4/{SHOP}"].after
        assert after is not None
        assert after["email_to"] == ["operators@example.com"]
        assert after["email_from"] == "lb@example.com"
