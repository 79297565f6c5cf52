# SPDX-License-Identifier: Apache-2.0
"""The status screen's welcome: how to log in, for as long as it is true; what is wrong on top."""

from __future__ import annotations

import pytest

from tests.console.stage import stage
from tests.console.test_pictures import compare
from tests.fakes import scenes
from tests.fakes.appliance import ScriptedAppliance

ALL = ("loadbalancer", "root", "setup")
BROKEN = (
    "The data partition is broken and was left as it is for rescue; the unit runs with its "
    "factory defaults, and nothing that is changed now outlives a restart."
)


def new_unit(**knobs: object) -> ScriptedAppliance:
    fake = ScriptedAppliance(factory=ALL, links=frozenset({"eth0"}))
    for name, value in knobs.items():
        setattr(fake, name, value)
    return fake


async def test_a_new_unit_tells_the_guides_accounts_and_the_first_step() -> None:
    async with stage(new_unit(), status_first=True) as on:
        await on.see(
            *("setup / setup", "loadbalancer / loadbalancer", "root / loadbalancer"),
            *("Good on this screen only", "Log in as setup", "192.168.2.21/24", "F2 or Enter"),
        )


@pytest.mark.parametrize(
    ("factory", "gone", "step"),
    [
        (("loadbalancer", "root"), ("setup / setup",), "Log in as loadbalancer, here"),
        (("root",), ("setup / setup", "loadbalancer / loadbalancer"), "makes a virtual service"),
        ((), ("setup / setup", "root / loadbalancer", "Good on this"), "makes a virtual service"),
    ],
)
async def test_a_password_that_was_changed_is_told_no_longer(
    factory: tuple[str, ...], gone: tuple[str, ...], step: str
) -> None:
    async with stage(new_unit(factory=factory), status_first=True) as on:
        text = await on.see(step)
        assert not any(words in text for words in gone)


async def test_a_unit_at_work_tells_only_how_to_reach_it() -> None:
    async with stage(scenes.small(), status_first=True) as on:
        text = await on.see("ssh 192.168.2.21", "ssh 192.168.1.21")
        assert "Next" not in text


async def test_without_a_network_it_says_so() -> None:
    async with stage(new_unit(factory=(), links=frozenset()), status_first=True) as on:
        await on.see("no network yet")


async def test_what_is_wrong_stands_on_top_whole_and_nothing_falls_off_the_screen() -> None:
    async with stage(new_unit(notices=(BROKEN,)), status_first=True) as on:
        text = await on.see(BROKEN, "Log in as setup")
        assert text.index("data partition") < text.index("Host name")
    crowded = scenes.small(notices=(BROKEN, BROKEN, BROKEN), factory=ALL)
    async with stage(crowded, status_first=True) as on:
        await on.see("F2 or Enter", "setup / setup", "8 real servers", "eth3")


@pytest.mark.parametrize("key", ["enter", "f2", "m"])
async def test_enter_logs_in_like_f2(key: str) -> None:
    async with stage(scenes.small(), status_first=True) as on:
        await on.press(key)
        await on.see("System Overview", "web-http")


@pytest.mark.parametrize(
    ("name", "fake"),
    [
        ("status/new unit", new_unit()),
        ("status/broken data", new_unit(factory=(), notices=(BROKEN,))),
        ("status/crowded", scenes.small(notices=(BROKEN,), factory=ALL)),
    ],
)
async def test_it_looks_as_agreed(name: str, fake: ScriptedAppliance, renew: bool) -> None:
    async with stage(fake, status_first=True) as on:
        compare(name, on.text(), renew=renew)
