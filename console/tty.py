# SPDX-License-Identifier: Apache-2.0
"""`ballast-tty`: the machine's own screen, from the status screen to the login prompt.

The status screen runs as an account that may look and nothing else. When somebody wants in,
this process becomes the system's login, so that passwords, lock-outs and the audit trail
stay where every Debian administrator looks for them; when that session ends the service
manager starts this anew. A status screen that keeps crashing gives way to the login prompt:
nobody may be locked out of a machine by what is only there to look nice.
"""

from __future__ import annotations

import argparse
import gc
import logging
import os
import signal
import socket
import sys
import termios
import time
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from types import FrameType
from typing import NoReturn

from console import faults, terminal
from services.command import CLEAN_ENV, apart, become
from services.errors import ApplianceError

log = logging.getLogger("ballast.tty")

CRASHES, WITHIN_S = 3, 60.0
"""So many crashes within so many seconds, and there is a plain login prompt instead."""

ACCOUNT = "ballast-screen"
"""May look at the status and do nothing else; `image/recipe.py` makes it."""
PAINTED = Path("/run/ballast/painted")
"""A boot counts as good from when this file is there."""

_NORMAL = "\x1b[?1000l\x1b[?1006l\x1b[?2004l\x1b[?1049l\x1b[?25h\x1b[0m\x1b[2J\x1b[H"
"""First screen, a cursor, no colours, nothing on it; a killed status screen leaves none of that."""

_COLOURS = (
    *("000000", "c01c28", "2ea043", "e5a50a", "1a5fb4", "a347ba", "2aa1b3", "d0d0d0"),
    *("767676", "f66151", "57e389", "f8e45c", "62a0ea", "dc8add", "7bdff2", "ffffff"),
)
"""A Linux console's own yellow is brown and its blue too dark to read on."""

WELCOME = (
    "{hostname}: Ballast load balancer\r\n\r\n"
    "Log in. Ctrl+D, or a minute without a key, leads back to the status screen.\r\n\r\n"
)
BROKEN = (
    "{hostname}: Ballast load balancer\r\n\r\n"
    "The status screen ended three times within a minute; the journal says why\r\n"
    "(journalctl -t ballast-console). What is balanced is balanced on. Log in here:\r\n\r\n"
)


def main(argv: Sequence[str] | None = None) -> NoReturn:
    """Show the status screen until somebody wants in; becomes the login, or exits with 3."""
    given = _arguments(argv)
    faults.log_to(given.log)
    faults.keep_off_the_screen()
    if not terminal.is_there():
        sys.stderr.write("ballast-tty needs a terminal of its own; systemd gives it tty1.\n")
        sys.exit(2)
    for number in (signal.SIGINT, signal.SIGQUIT, signal.SIGTSTP):
        signal.signal(number, signal.SIG_IGN)
    words = WELCOME if _watch(given) else BROKEN
    _say(words.format(hostname=socket.gethostname()))
    env = {"PATH": CLEAN_ENV["PATH"], "TERM": os.environ.get("TERM", "linux")}
    try:
        become([given.login], env=env, do="Log in on another screen: Alt+F2.")
    except ApplianceError as error:
        log.error("%s", error)
        _say(f"{error}\r\n")
        sys.exit(faults.EXIT_FAULT)


def _watch(given: argparse.Namespace) -> bool:
    """Show the status screen until somebody wants in; False: it crashes and crashes."""
    before = termios.tcgetattr(0)
    crashes: deque[float] = deque(maxlen=CRASHES)
    while True:
        if os.environ.get("TERM") == "linux":
            _say("".join(f"\x1b]P{n:x}{colour}" for n, colour in enumerate(_COLOURS)))
        status = _shown(given)
        termios.tcsetattr(0, termios.TCSANOW, before)
        _say(_NORMAL)
        if status == terminal.EXIT_LOG_IN:
            return True
        log.error("the status screen ended with status %d", status)
        crashes.append(time.monotonic())
        if len(crashes) == CRASHES and crashes[-1] - crashes[0] < WITHIN_S:
            return False


def _shown(given: argparse.Namespace) -> int:
    """Run the status screen once; its exit status, negative for a signal."""
    told, tell = os.pipe()
    child = apart(partial(_status_screen, given, tell), account=given.account or None)
    os.close(tell)

    def end(number: int, _frame: FrameType | None) -> None:
        with suppress(ProcessLookupError):
            os.kill(child, signal.SIGTERM)
        sys.exit(128 + number)

    signal.signal(signal.SIGTERM, end)
    try:
        # empty when it ended before it had painted
        if os.read(told, 16):
            _note(given.painted)
    finally:
        os.close(told)
    _, status = os.waitpid(child, 0)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    return os.waitstatus_to_exitcode(status)


def _status_screen(given: argparse.Namespace, tell: int) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    # a tenth of loading would be looking for garbage, and what is loaded stays
    gc.disable()
    from console import before_login

    gc.freeze()
    gc.enable()
    before_login.main(given.socket, painted=partial(os.write, tell, b"painted"))


def _note(painted: Path) -> None:
    try:
        painted.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
        painted.touch()
    except OSError as error:
        log.error("%s cannot be written: %s", painted, error.strerror)


def _say(words: str) -> None:
    # a screen that has gone away is noticed by whoever reads from it next
    with suppress(OSError):
        os.write(1, words.encode())


def _arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="ballast-tty", description="The status screen, and the login behind it."
    )
    parser.add_argument(
        "--account", default=ACCOUNT, help="who shows the status (default: %(default)s)"
    )
    parser.add_argument("--login", default="/bin/login", metavar="PROGRAM")
    parser.add_argument("--painted", type=Path, default=PAINTED, metavar="FILE")
    parser.add_argument("--socket", type=Path, default=None)
    parser.add_argument("--log", type=Path, default=None, help="default: the system's log")
    return parser.parse_args(argv)


if __name__ == "__main__":
    main()
