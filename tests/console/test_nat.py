# SPDX-License-Identifier: Apache-2.0
"""1:1 NAT and the layer 4 advanced settings, by keys from the menu the guide names."""

from __future__ import annotations

from services.model import NatEntry
from tests.console.stage import Stage, stage
from tests.fakes import scenes
from tests.fakes.appliance import ScriptedAppliance


async def test_an_entry_is_made_changed_and_deleted_and_each_step_is_pending_first() -> None:
    fake = scenes.small()
    async with stage(fake) as on:
        await on.press("3", "8")
        await on.see("No server has an outside address of its own")
        await on.press("n")
        await on.see("New entry", "default gateway must be this appliance")
        for text in ("mail1", "192.168.2.150", "10.0.0.5"):
            await on.type(text)
            await on.press("down")
        await on.press("right", "down")
        await on.type("25,3389")
        await on.press("f9")
        await on.see("+ mail1", "192.168.2.150", "10.0.0.5", "TCP 25,3389")
        assert entries(fake) == ()
        await applied(on)
        [entry] = entries(fake)
        assert (entry.label, str(entry.server), entry.ports) == ("mail1", "10.0.0.5", "25,3389")

        await on.press("3", "8", "e")
        await on.see("1:1 NAT > mail1")
        await on.press("down", "down", "ctrl+u")
        await on.type("10.0.0.6")
        await on.press("f9")
        await on.see("~ mail1", "10.0.0.6")
        await on.press("x")
        await on.see("was taken back", "10.0.0.5")

        await on.press("x")
        await on.see("so that 192.168.2.150 no longer leads to")
        await on.press("y")
        await on.see("- mail1")
        await on.press("e")
        await on.see("x takes that back")
        await applied(on)
        assert entries(fake) == ()
        await on.press("3", "8")
        await on.see("No server has an outside address of its own")


def entries(fake: ScriptedAppliance) -> tuple[NatEntry, ...]:
    return fake.running.cluster.nat


async def applied(on: Stage) -> None:
    await on.press("f7", "f9")
    await on.see("Reason")
    await on.press("enter", "enter", "enter")
    await on.see("Applied: revision")


async def test_a_wrong_entry_is_told_beside_its_fields() -> None:
    async with stage(scenes.small()) as on:
        await on.press("3", "8", "n")
        for text in ("mail1", "192.168.2.21", "2001:db8::5"):
            await on.type(text)
            await on.press("down")
        await on.press("f9")
        await on.see("which is eth0's own", "leads from an IPv4 address to an IPv6 one")


async def test_the_advanced_settings_are_those_of_every_service() -> None:
    fake = scenes.small()
    async with stage(fake) as on:
        await on.press("3", "7")
        await on.see("Layer 4 - advanced", "TCP timeout", "900", "(*) None", "One-arm NAT")
        await on.press("ctrl+u")
        await on.type("3600")
        await on.press("f9")
        await on.see("Layer 4 - advanced is among the pending changes")
        await applied(on)
        assert fake.running.cluster.layer4_advanced.tcp_timeout_s == 3600


async def test_auto_nat_by_a_card_without_an_address_is_refused() -> None:
    async with stage(scenes.small()) as on:
        await on.press("3", "7", *["down"] * 5, "left")
        await on.see("whose gateway is this appliance get out by eth3")
        await on.press("f9")
        await on.see("Auto-NAT lends real servers the address of eth3, which has none.")
