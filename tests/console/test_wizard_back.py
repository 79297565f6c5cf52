# SPDX-License-Identifier: Apache-2.0
"""Every way back out of the network wizard: Esc, the countdown, another console, a refusal."""

from __future__ import annotations

import asyncio

import pytest

from services.api import Applied, ApplyRequest
from services.errors import Unable
from services.model import Document
from tests.console.stage import stage
from tests.console.wizard_steps import FREE, fill, new_unit, to_address, to_names, to_review
from tests.fakes import scenes


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
