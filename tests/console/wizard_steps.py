# SPDX-License-Identifier: Apache-2.0
"""The network wizard's steps, each reached by the keys that lead there."""

from __future__ import annotations

from services.api import AccessRole
from tests.console.stage import Stage
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
