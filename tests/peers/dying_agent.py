# SPDX-License-Identifier: Apache-2.0
"""The real agent, except that it kills itself just before its n-th side effect.

    python -m tests.peers.dying_agent N FOLDER

Side effects are counted from the moment the file `armed` appears in FOLDER, so that the
first reconcile passes; a commit's own steps count too. What the product ships has no such
switch: the doors are wrapped here.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

from services.agent import __main__ as agent
from services.follow import Drivers
from services.render import Place

LOOKING = {"seen", "glance", "statistics", "read", "hostname", "sample", "aclose"}
STORE_STEPS = ("fsync", "rename", "replace", "link")


class Countdown:
    """Kills the process when its time has come."""

    def __init__(self, left: int, armed: Path) -> None:
        self._left = left
        self._armed = armed

    def step(self) -> None:
        """One side effect is about to happen."""
        if self._armed.exists():
            self._left -= 1
            if self._left == 0:
                os.kill(os.getpid(), signal.SIGKILL)


class Watched:
    """A door that counts whoever goes through it."""

    def __init__(self, door: object, countdown: Countdown) -> None:
        self._door = door
        self._countdown = countdown

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._door, name)
        if name in LOOKING:
            return found

        async def counted(*given: object) -> object:
            self._countdown.step()
            return await found(*given)

        return counted


def main() -> None:
    """Run the agent of the lab in FOLDER until its N-th side effect."""
    folder = Path(sys.argv[2])
    countdown = Countdown(int(sys.argv[1]), folder / "armed")

    def drivers(settings: agent.Settings, place: Place) -> Drivers:
        real = agent.real_drivers(settings, place)
        watched: dict[str, Any] = {
            name: Watched(getattr(real, name), countdown)
            for name in ("files", "links", "haproxy", "host", "sysctls")
        }
        return replace(real, **watched)

    for name in STORE_STEPS:
        _watch(name, countdown)
    settings = agent.Settings(folder / "state", folder / "run", folder / "etc", "child")
    asyncio.run(agent.serve(settings, drivers))


def _watch(name: str, countdown: Countdown) -> None:
    """The system calls by which files become durable are steps as well."""
    real = getattr(os, name)

    def counted(*given: object, **named: object) -> object:
        countdown.step()
        return real(*given, **named)

    setattr(os, name, counted)


if __name__ == "__main__":
    main()
