# SPDX-License-Identifier: Apache-2.0
"""The last results of a server's checks, from its row on the Overview."""

from __future__ import annotations

from services.api_reports import CheckResult
from tests.console.stage import stage
from tests.fakes import scenes

HOSTILE = "answer [red]503[/red]\x1b[31m"


async def test_the_last_results_are_shown_newest_first() -> None:
    fake = scenes.layer4()
    fake.checked[scenes.SHOP, 1] = (
        CheckResult(at=1_700_000_060, check="http 80", ok=False, words=HOSTILE, ms=4),
        CheckResult(at=1_700_000_000, check="http 80", ok=True, words="", ms=2),
    )
    async with stage(fake) as on:
        await on.press("1")
        await on.see("shop1")
        await on.press("down", "enter")
        await on.see("Last results of its checks")
        await on.press("c")
        await on.see("Checks > shop/shop1")
        text = await on.see("failed", "4 ms", "answer [red]503[/red]")
        assert text.index("failed") < text.index(" ok ")
        await on.press("escape")
        await on.see("System Overview")


async def test_a_service_has_none_of_its_own() -> None:
    async with stage(scenes.layer4()) as on:
        await on.press("1")
        await on.see("shop1")
        await on.press("enter")
        await on.see("Last results of its checks")
        await on.press("c")
        await on.see("Choose one of its real servers.")
