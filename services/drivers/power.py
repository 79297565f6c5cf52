# SPDX-License-Identifier: Apache-2.0
"""The machine's power: restart and shut down, as its service manager does them.

systemd ends every unit in order, HAProxy among them, so this is no power cut. It answers
once it has begun, not when it is done: by then nobody would be there to hear it.
"""

from __future__ import annotations

from typing import Protocol

from services.command import run
from services.errors import Unable

ASK_S = 30.0


class Power(Protocol):
    """What switches this machine."""

    async def restart(self) -> None:
        """Begin to restart. Raises `Unable`."""

    async def shut_down(self) -> None:
        """Begin to shut down and switch off. Raises `Unable`."""


class SystemdPower:
    """The appliance's own machine."""

    async def restart(self) -> None:
        await _told("reboot")

    async def shut_down(self) -> None:
        await _told("poweroff")


class NoPower:
    """Where the agent is a guest, as in the lab: the machine is not its to switch."""

    async def restart(self) -> None:
        _refuse()

    async def shut_down(self) -> None:
        _refuse()


async def _told(verb: str) -> None:
    argv = ["systemctl", "--quiet", "--no-block", "--no-wall", "--no-ask-password", verb]
    await run(argv, timeout_s=ASK_S, do="Log in as root and look at `systemctl list-jobs`.")


def _refuse() -> None:
    raise Unable(
        "This agent runs on a machine that is not its own, and leaves its power alone.",
        do="Restart or shut down the machine itself.",
    )
