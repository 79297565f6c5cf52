# SPDX-License-Identifier: Apache-2.0
"""The terminal and the environment, made safe before Textual is imported.

Textual and others read variables on import; some of them load code, open connections or type
keys: an account that reaches the console by SSH must not bring them along. What is set here
instead makes one look of every terminal.
"""

from __future__ import annotations

import os
import re
import select
import signal
import sys
import threading
import time
from collections.abc import Callable, Mapping, MutableMapping
from contextlib import suppress
from pathlib import PurePath

KEPT = frozenset({"TERM", "NO_COLOR", "LANG", "TZ", "ESCDELAY", "HOME", "USER", "LOGNAME", "PATH"})
KEPT_PREFIXES = ("LC_", "XDG_STATE_HOME", "BALLAST_", "SSH_TTY")

VT = re.compile(r"/dev/(tty|ttyS|hvc)[0-9]+")
"""Consoles of the machine itself; others come over a network."""

LEAST_WIDTH, LEAST_HEIGHT = 80, 24
TOO_SMALL = f"terminal too small: {LEAST_WIDTH}x{LEAST_HEIGHT} needed"

EXIT_LOG_IN = 10
"""Status of a console before login: the person in front of it wants to log in."""

HUNG_UP = 128 + signal.SIGHUP
"""Status of a console whose terminal has gone, as a shell has it."""

GRACE_S = 3.0
"""Time for a console without a terminal to take leave of the agent."""

ESCAPE_NEAR_MS, ESCAPE_FAR_MS = 50, 250
"""How long to wait for the rest of an arrow key: a network may cut one in two."""

FIXED = {
    "TEXTUAL_ANIMATIONS": "none",
    "TEXTUAL_SMOOTH_SCROLL": "0",
    "TEXTUAL_DISABLE_KITTY_KEY": "1",
    "TEXTUAL_COLOR_SYSTEM": "standard",
    "TEXTUAL_FPS": "30",
    "PYDANTIC_DISABLE_PLUGINS": "__all__",
}


def scrubbed(environment: Mapping[str, str], terminal: str) -> dict[str, str]:
    """The environment to run with on the terminal of that name."""
    clean = {
        name: value
        for name, value in environment.items()
        if name in KEPT or name.startswith(KEPT_PREFIXES)
    }
    delay = clean.get("ESCDELAY", "")
    if not (delay.isascii() and delay.isdigit() and 10 <= int(delay) <= 2000):
        clean["ESCDELAY"] = str(ESCAPE_NEAR_MS if is_machine_console(terminal) else ESCAPE_FAR_MS)
    return clean | FIXED


def scrub(environment: MutableMapping[str, str] = os.environ) -> None:
    """Replace the environment by the scrubbed one."""
    clean = scrubbed(environment, name())
    for variable in set(environment) - set(clean):
        del environment[variable]
    environment.update(clean)


def is_there() -> bool:
    """Whether a person sits at both ends of this program."""
    return sys.stdin.isatty() and sys.stdout.isatty() and sys.stderr.isatty()


def name() -> str:
    """The terminal's device, e.g. `/dev/tty1`; empty without one."""
    try:
        return os.ttyname(0)
    except OSError:
        return ""


def on_hang_up(end: Callable[[], object]) -> None:
    """Call `end` once the terminal has hung up, and see to it that the program ends.

    A console that does not lead its session gets no signal then, and reading from nothing would
    keep a core busy for ever. This waits in a thread of its own, because a program that was
    just painting may never come to listen again: whoever takes its output has died of the same.
    """

    def wait() -> None:
        line = select.poll()
        line.register(0, 0)
        if any(event & (select.POLLHUP | select.POLLERR) for _, event in line.poll()):
            with suppress(RuntimeError):  # it has ended already
                end()
            time.sleep(GRACE_S)
            os._exit(HUNG_UP)

    threading.Thread(target=wait, name="hang-up", daemon=True).start()


def is_machine_console(terminal: str) -> bool:
    """Whether it is a screen or serial line of the machine, where the console is the last thing."""
    return VT.fullmatch(terminal) is not None


def draft_name(terminal: str) -> str:
    """Names the terminal in the key of its draft: `tty1`, `pts-3`."""
    path = PurePath(terminal)
    return "-".join(path.parts[2:]) if path.is_absolute() else ""


def speaks_utf8(environment: Mapping[str, str] = os.environ) -> bool:
    """Whether frames may be drawn with lines; else with `+-|`."""
    # Python sets this one by itself where the locale is C, so there it says nothing
    coerced = environment.get("LC_CTYPE") == "C.UTF-8"
    for variable in ("LC_ALL", "LANG") if coerced else ("LC_ALL", "LC_CTYPE", "LANG"):
        if value := environment.get(variable):
            return "utf" in value.casefold()
    return False


def fits(width: int, height: int) -> bool:
    """Whether a terminal of that size is large enough."""
    return width >= LEAST_WIDTH and height >= LEAST_HEIGHT


def clear_after() -> None:
    """A Linux console has no second screen to leave: what was painted would stay."""
    if os.environ.get("TERM", "") == "linux":
        sys.stdout.write("\x1b[0m\x1b[2J\x1b[H")
        sys.stdout.flush()
