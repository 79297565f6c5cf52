# SPDX-License-Identifier: Apache-2.0
"""Power by keys: what it costs, a reason that must be typed, and who may."""

from __future__ import annotations

import pytest

from services.api import AccessRole, ApplyRequest, PowerAction
from tests.console.stage import stage
from tests.console.test_pictures import compare
from tests.fakes import scenes
from tests.fakes.appliance import ScriptedAppliance


@pytest.mark.parametrize("key", ["f12", "P"])
async def test_it_tells_what_goes_down_and_does_nothing_by_itself(key: str) -> None:
    fake = scenes.small()
    async with stage(fake) as on:
        await on.press(key)
        await on.see("4 VIPs with 1295 connections go down; nobody takes over.")
        await on.press("escape")
        await on.gone("nobody takes over")
        assert fake.powered == []


@pytest.mark.parametrize(
    ("key", "action", "said"),
    [
        ("r", PowerAction.RESTART, "The machine restarts now."),
        ("s", PowerAction.SHUT_DOWN, "The machine shuts down now."),
    ],
)
async def test_a_reason_is_typed_and_stands_in_the_journal(
    key: str, action: PowerAction, said: str
) -> None:
    fake = scenes.small()
    async with stage(fake) as on:
        await on.press("f12", key)
        await on.see("Type the reason")
        await on.type("new kernel")
        await on.press("enter")
        await on.see(said)
        assert [(wish.action, wish.why) for wish in fake.powered] == [(action, "new kernel")]
        assert "the machine: new kernel" in (await fake.journal(1))[0].what


@pytest.mark.parametrize("typed", ["", "   ", "x" * 201])
async def test_without_a_short_reason_nothing_is_done(typed: str) -> None:
    fake = scenes.small()
    async with stage(fake) as on:
        await on.press("f12", "r")
        await on.see("Type the reason")
        await on.type(typed)
        await on.press("enter")
        await on.see("shorten it" if typed.strip() else "There is no reason yet")
        await on.press("escape")
        await on.see("The machine runs on.")
        assert fake.powered == []


@pytest.mark.parametrize("keys", [("c",), ("enter",), ("up", "down", "enter")])
async def test_cancel_is_an_answer_and_under_the_cursor(keys: tuple[str, ...]) -> None:
    fake = scenes.small()
    async with stage(fake) as on:
        await on.press("f12", *keys)
        await on.gone("nobody takes over")
        assert fake.powered == []


@pytest.mark.parametrize("role", [AccessRole.OPERATOR, AccessRole.VIEWER, AccessRole.SETUP])
async def test_only_administrators_may(role: AccessRole) -> None:
    fake = scenes.small(role=role, user="vera")
    async with stage(fake) as on:
        await on.see("vera")
        await on.press("f12")
        await on.see("The account vera may look, but not do that.")


async def test_a_change_that_waits_is_said_to_be_rolled_back() -> None:
    fake = scenes.small()
    await fake.apply(ApplyRequest(document=fake.running, confirm_s=60))
    async with stage(fake) as on:
        await on.press("f12")
        await on.see("The change that waits to be kept is rolled back by it.")


async def test_without_services_nothing_goes_down() -> None:
    async with stage(ScriptedAppliance()) as on:
        await on.press("f12")
        await on.see("No service runs here yet.")


async def test_a_machine_that_is_not_its_own_is_left_alone() -> None:
    fake = scenes.small(power_switch=False)
    async with stage(fake) as on:
        await on.press("f12", "r")
        await on.type("to see")
        await on.press("enter")
        await on.see("This machine is not its own. Switch the machine itself.")


async def test_the_question_why_looks_as_agreed(renew: bool) -> None:
    async with stage(scenes.small()) as on:
        await on.press("f12", "s")
        await on.see("Type the reason")
        compare("status/reason", on.text(), renew=renew)
