# SPDX-License-Identifier: Apache-2.0
"""The main menu: eight items as in the guide, every one of them answers."""

from __future__ import annotations

import pytest

from console.screens.menu import LATER, main_menu
from tests.console.stage import Stage, stage
from tests.fakes import scenes

GUIDE = (
    "System Overview",
    "Local Configuration",
    "Cluster Configuration",
    "Maintenance",
    "View Configuration",
    "Reports",
    "Logs",
    "Support",
)


def test_the_menu_has_the_guides_eight_items_in_its_order() -> None:
    assert tuple(item.label for item in main_menu().items) == GUIDE


@pytest.mark.parametrize("key", ["f2", "m"])
async def test_the_menu_opens_with_either_key_and_escape_goes_back(key: str) -> None:
    async with stage(scenes.small()) as on:
        await on.press(key)
        await on.see("Main menu", *GUIDE)
        await on.press("escape")
        await on.see("web-http")


async def opened(on: Stage, title: str) -> None:
    await on.until(lambda: f"  {title}  " in on.text().splitlines()[0], on.text)


async def answered(on: Stage, before: str) -> None:
    await on.until(lambda: on.text() != before, lambda: f"a dead key\n{before}")


@pytest.mark.parametrize("number", range(2, 9))
async def test_a_digit_anywhere_opens_that_item_and_each_line_of_it_answers(number: int) -> None:
    async with stage(scenes.small()) as on:
        await on.press(str(number))
        await opened(on, GUIDE[number - 1])
        menu = on.text()
        lines = sum(1 for line in menu.splitlines() if line[:2] == "  " and line[2:3].isdigit())
        assert lines >= 2
        for line in range(1, lines + 1):
            await on.press(str(line))
            await answered(on, menu)
            await on.press("f2", str(number))
            await opened(on, GUIDE[number - 1])
            menu = on.text()


async def test_what_is_missing_is_shown_with_a_sentence() -> None:
    async with stage(scenes.small()) as on:
        await on.press("3")
        await on.see("SSL termination", f"- {LATER}")
        await on.press("4")
        await on.see(f"SSL termination: {LATER} Certificates")


async def test_the_first_item_goes_home_from_anywhere() -> None:
    async with stage(scenes.small()) as on:
        await on.press("4", "2")
        await on.see("Revisions")
        await on.press("1")
        await on.see("web-http", "System Overview")


async def test_revisions_are_listed_looked_at_and_gone_back_to() -> None:
    fake = scenes.small()
    async with stage(fake) as on:
        await on.press("down", "h", "y")
        await on.see("halted")
        await on.press("4", "2")
        await on.see("halt web-http/web1", "2* ")
        await on.press("down", "enter")
        await on.see("Revisions > 1", '"schema_version": 1')
        await on.press("escape")
        await on.see("Why")
        await on.press("b")
        await on.see("Go back to revision 1", "set web-http/web1 to weight 100")
        await on.press("enter")
        await on.gone("Go back to")
        await on.press("b", "y")
        await on.see("Revision 3 runs: the same as 1.")
        assert fake.running.cluster.layer7[0].servers[0].state == "online"


async def test_going_back_to_what_runs_is_not_done() -> None:
    async with stage(scenes.small()) as on:
        await on.press("4", "2")
        await on.see("first start")
        await on.press("b")
        await on.see("Revision 1 is what runs already.")


async def test_the_running_configuration_can_be_read_and_filtered() -> None:
    async with stage(scenes.small()) as on:
        await on.press("5", "1")
        await on.see("Revision 1 by agent", '"schema_version": 1')
        await on.press("slash")
        await on.type("hostname")
        await on.see('"hostname": "lbmaster"')
        await on.gone("schema_version")
        await on.press("enter", "escape", "home")
        await on.see("schema_version")
        await on.press("escape")
        await on.see("Generated files")


async def test_about_tells_version_licence_and_daemons() -> None:
    async with stage(scenes.small(notices=("Revision 9 is broken, 8 was loaded.",))) as on:
        await on.press("8", "1")
        await on.see("Version 0.1.0", "Apache License", "haproxy", "Revision 9 is broken")
