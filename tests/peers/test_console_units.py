# SPDX-License-Identifier: Apache-2.0
"""The units of the machine's own screen and its power switch, under a real systemd.

Their terminal is taken away, since the machine that runs the tests has none to lend; what is
looked at is who follows whom: a session's end, wrong passwords, a program that cannot run.
"""

from __future__ import annotations

import asyncio
import re
import subprocess
import time
from pathlib import Path

import pytest

from services.drivers.power import SystemdPower
from tests.systemd import under_systemd
from tests.tree import ROOT

UNITS = ROOT / "overlays" / "console" / "usr" / "lib" / "systemd" / "system"
SAID = Path("/run/said")
WITHIN_S = 20

# The statuses of one screen after the other: a session that ended, wrong passwords, a login
# whose terminal was hung up, a Python that does not start, and one that goes on.
SCREEN = r"""#!/bin/sh
set -eu
echo screen >>/run/said
case $(grep -c screen /run/said) in
    1) exit 0 ;;
    2) exit 1 ;;
    3) kill -HUP $$ ;;
    4) exit 70 ;;
esac
exec sleep 1000
"""
LOGIN = "#!/bin/sh\nset -eu\necho login >>/run/said\n"
ON_A_TERMINAL = re.compile(
    r"^(Standard(Input|Output|Error)|TTY\w+|Utmp\w+|Condition\w+)=.*\n", re.MULTILINE
)


def unit(name: str, program: Path) -> str:
    """The unit as it ships, off the terminal, with a program of ours."""
    text = ON_A_TERMINAL.sub("", (UNITS / name).read_text())
    text = re.sub(r"^ExecStart=.*$", f"ExecStart={program}", text, count=1, flags=re.MULTILINE)
    return text.replace("[Unit]", "[Unit]\nDefaultDependencies=no")


def start_and_listen() -> list[str]:
    subprocess.run(["systemctl", "start", "--no-block", "ballast-tty"], check=True)
    give_up_at = time.monotonic() + WITHIN_S
    said: list[str] = []
    while len(said) < 6 and time.monotonic() < give_up_at:
        time.sleep(0.05)
        said = SAID.read_text().split() if SAID.exists() else []
    return said


def test_every_end_of_a_session_is_followed_by_a_screen_and_a_broken_one_by_a_login(
    tmp_path: Path,
) -> None:
    programs = {"ballast-tty": SCREEN, "ballast-login": LOGIN}
    units = {}
    for name, script in programs.items():
        (tmp_path / name).write_text(script)
        (tmp_path / name).chmod(0o755)
        units[f"{name}.service"] = unit(f"{name}.service", tmp_path / name)
    said = under_systemd(units, start_and_listen)
    assert said == ["screen", "screen", "screen", "screen", "login", "screen"]


def switch(verb: str, target: str) -> str:
    power = SystemdPower()
    asyncio.run(power.restart() if verb == "restart" else power.shut_down())
    give_up_at = time.monotonic() + WITHIN_S
    state = ""
    while state != "active" and time.monotonic() < give_up_at:
        time.sleep(0.05)
        argv = ["systemctl", "show", "--property=ActiveState", "--value", target]
        state = subprocess.run(argv, check=True, capture_output=True, text=True).stdout.strip()
    return state


@pytest.mark.parametrize(
    ("verb", "target"), [("restart", "reboot.target"), ("shut_down", "poweroff.target")]
)
def test_the_power_switch_asks_systemd_for_the_right_target(verb: str, target: str) -> None:
    """The targets are empty here, so nothing goes down."""
    units = dict.fromkeys(("reboot.target", "poweroff.target"), "[Unit]\nDefaultDependencies=no\n")
    assert under_systemd(units, switch, verb, target) == "active"
