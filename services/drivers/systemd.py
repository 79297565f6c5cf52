# SPDX-License-Identifier: Apache-2.0
"""Daemons as systemd units, the appliance's way.

systemd starts and supervises them and holds their processes together in a control group, so
there is nothing to find again and there can be no second master: what we need is to ask and
to read. `systemctl show` speaks in properties, which are an interface; its other output is
for people. A unit of type `simple` or `exec` counts as started before it has read its file,
so it is looked at once more after a moment, as with child processes.
"""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import Mapping

from services.command import run
from services.drivers.units import SETTLE_S, UnitSeen, one_line
from services.errors import CommandFailed, Unable

ASK_S = 10.0
ACT_S = 100.0
"""systemd itself gives a unit 90 s by default, then it answers."""
LINES = 20
"""Of the journal that go into an error."""

_NO_SUCH_UNIT = 5
"""`systemctl`'s status for a unit that is not loaded."""
_SETTLED_TYPES = frozenset({"notify", "notify-reload", "forking", "dbus", "oneshot"})
_RUNNING = frozenset({"active", "reloading", "refreshing"})
_ASKED = (
    "Type,ActiveState,SubState,MainPID,ExecMainStartTimestampMonotonic,"
    "ExecMainCode,ExecMainStatus,Result"
)
_EXITED = "1"


class SystemdUnits:
    """The system's service manager; `haproxy` here is `ballast-haproxy.service` there."""

    def __init__(self, *, prefix: str = "ballast-") -> None:
        self._prefix = prefix

    async def start(self, unit: str) -> None:
        name = self._name(unit)
        began = time.time()
        if (await _asked(name))["ActiveState"] == "failed":
            # forgets how often it failed: whether to try again is the agent's to decide
            await _told("reset-failed", name)
        try:
            await _told("start", name)
            found = await _asked(name)
            if found["Type"] not in _SETTLED_TYPES:
                await asyncio.sleep(SETTLE_S)
                found = await _asked(name)
        except CommandFailed as error:
            found = await _asked(name)
            if found["ActiveState"] != "failed":
                raise
            raise await _refused(unit, name, found, since=began) from error
        if found["ActiveState"] not in _RUNNING:
            raise await _refused(unit, name, found, since=began)

    async def stop(self, unit: str) -> None:
        await _told("stop", self._name(unit), accept=(0, _NO_SUCH_UNIT))

    async def seen(self, unit: str) -> UnitSeen:
        found = await _asked(self._name(unit))
        pid = int(found["MainPID"])
        if found["ActiveState"] not in _RUNNING or not pid:
            return UnitSeen(running=False, detail=_how(found))
        began_s = int(found["ExecMainStartTimestampMonotonic"]) / 1e6
        since_s = max(0, int(time.clock_gettime(time.CLOCK_MONOTONIC) - began_s))
        return UnitSeen(running=True, pid=pid, since_s=since_s, pids=(pid,))

    def _name(self, unit: str) -> str:
        return f"{self._prefix}{unit}.service"


async def _told(verb: str, name: str, *, accept: tuple[int, ...] = (0,)) -> None:
    argv = ["systemctl", "--quiet", "--no-ask-password", verb, "--", name]
    do = f"Look at `systemctl status {name}` and `journalctl -u {name}`."
    await run(argv, timeout_s=ACT_S, accept=accept, do=do)


async def _asked(name: str) -> Mapping[str, str]:
    argv = ["systemctl", "--no-pager", "show", "--property", _ASKED, "--", name]
    output = await run(argv, timeout_s=ASK_S, do="Look whether systemd runs this machine.")
    lines = (line.partition("=") for line in output.stdout.splitlines())
    # what an older systemd does not know it leaves out
    return dict.fromkeys(_ASKED.split(","), "") | {key: value for key, _, value in lines}


async def _refused(unit: str, name: str, found: Mapping[str, str], *, since: float) -> Unable:
    # by unit and time: of a process that was gone at once the journal knows no invocation
    argv = ["journalctl", "--no-pager", "--quiet", "--output=cat", f"--lines={LINES}"]
    argv += [f"--since=@{since:.6f}", f"_SYSTEMD_UNIT={name}"]
    words = one_line((await run(argv, timeout_s=ASK_S, accept=(0, 1))).stdout)
    return Unable(
        f"{unit} {_how(found) or 'ended'} at once: {words or 'no word why'}",
        do=f"Look at `journalctl -u {name}`, and whether the package is installed.",
    )


def _how(found: Mapping[str, str]) -> str:
    """How the last one ended, in words; empty if it did so in good order."""
    result, status = found["Result"], found["ExecMainStatus"]
    if result in {"success", ""}:
        return ""
    if result == "exit-code" and found["ExecMainCode"] == _EXITED:
        return f"ended with status {status}"
    if result in {"signal", "core-dump"}:
        return f"was ended by signal {status} ({signal.strsignal(int(status))})"
    return {
        "timeout": "did not start or end in time",
        "watchdog": "did not answer its watchdog",
        "start-limit-hit": "failed too often in a short time",
        "oom-kill": "was ended because memory was short",
    }.get(result, f"failed ({result})")
