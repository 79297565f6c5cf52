# SPDX-License-Identifier: Apache-2.0
"""The agreed look: every screen at 80x24 as text, compared line by line.

    pytest tests/console/test_pictures.py --renew-pictures

writes them anew; the difference is then reviewed like any other change.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.console.stage import stage
from tests.console.test_frame import SCREENS, go
from tests.fakes import scenes
from tests.fakes.appliance import ScriptedAppliance

PICTURES = Path(__file__).parent / "pictures"

MORE: dict[str, tuple[str, ...]] = {
    "help": ("f1",),
    "menu help": ("f2", "f1"),
    "second confirmation": (*["down"] * 5, "h", "y"),
    "red fields": ("e", "x", "exclamation_mark", "down", "ctrl+u", "down", "ctrl+u", "0", "f9"),
    "review": ("e", "x", "f9", "f7"),
    "apply": ("e", "x", "f9", "f7", "f9"),
    "folded and sorted": ("left", "s", "s"),
}


def compare(name: str, seen: str, *, renew: bool) -> None:
    path = PICTURES / f"{name.replace(' ', '-')}.txt"
    if renew:
        path.write_text(seen + "\n", encoding="utf-8")
    assert path.exists(), f"there is no picture of {name} yet: run with --renew-pictures"
    assert seen + "\n" == path.read_text(encoding="utf-8")


@pytest.mark.parametrize("name", [*SCREENS, *MORE])
async def test_a_screen_looks_as_agreed(name: str, renew: bool) -> None:
    async with stage(scenes.small()) as on:
        await go(on, (SCREENS | MORE)[name])
        await on.pilot.pause(0.1)
        compare(name, on.text(), renew=renew)


async def test_the_status_screen_looks_as_agreed(renew: bool) -> None:
    async with stage(scenes.small(), status_first=True) as on:
        compare("status screen", on.text(), renew=renew)


async def test_the_calm_screen_looks_as_agreed(renew: bool) -> None:
    async with stage(scenes.small(silent=True)) as on:
        compare("no agent", await on.see("goes on by itself"), renew=renew)


async def test_the_wide_overview_looks_as_agreed(renew: bool) -> None:
    async with stage(scenes.small(), size=(132, 43)) as on:
        compare("overview wide", on.text(), renew=renew)


async def test_an_empty_appliance_looks_as_agreed(renew: bool) -> None:
    async with stage(ScriptedAppliance()) as on:
        compare("empty", on.text(), renew=renew)


LAYER4: dict[str, tuple[str, ...]] = {
    "layer 4 counted": ("6", "2"),
    "layer 4 rates": ("6", "2", "t"),
    "connections": ("6", "3"),
    "connections by server": ("6", "3", "t"),
    "a suspect": ("6", "3", "enter"),
}


@pytest.mark.parametrize("name", LAYER4)
async def test_a_report_of_layer_4_looks_as_agreed(name: str, renew: bool) -> None:
    async with stage(scenes.layer4()) as on:
        await go(on, LAYER4[name][:2])
        await on.see("shop")
        await go(on, LAYER4[name][2:])
        await on.pilot.pause(0.1)
        compare(name, on.text(), renew=renew)


def test_every_picture_belongs_to_a_test() -> None:
    known = {*SCREENS, *MORE, *LAYER4, "status screen", "no agent", "overview wide", "empty"}
    assert {path.stem for path in PICTURES.glob("*.txt")} == {n.replace(" ", "-") for n in known}
