# SPDX-License-Identifier: Apache-2.0
"""The terminal that `make run` was typed in comes back as it was, whatever the program did."""

from __future__ import annotations

import os
import pty
import select
import signal
import subprocess
import sys
import termios
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import pytest

from tests.lab.control import ROOT

BORROWER = """
import os, sys
from tests.lab.terminal import end_by_exception, lend
end_by_exception()
try:
    print("status", lend(sys.argv[1:], os.environ), flush=True)
finally:
    print("over", flush=True)
"""
SPOIL = "stty raw -echo; printf '\\033[?1049h\\033[?25l'; echo spoilt;"
SHOW_CURSOR, FIRST_SCREEN = "\x1b[?25h", "\x1b[?1049l"


class Terminal:
    """A program on a terminal of its own."""

    def __init__(self, child: subprocess.Popen[bytes], master: int, slave: int) -> None:
        self.child, self._master, self.slave = child, master, slave
        self.said = ""

    def type(self, text: str) -> None:
        os.write(self._master, text.encode())

    def until(self, words: str, *, within_s: float = 20) -> str:
        """Read until `words` are on the terminal; everything it has shown."""
        give_up_at = time.monotonic() + within_s
        while words not in self.said:
            left_s = give_up_at - time.monotonic()
            ended = self.child.poll() is not None
            if select.select([self._master], [], [], 0.2)[0]:
                with suppress(OSError):
                    self.said += os.read(self._master, 65536).decode(errors="replace")
            elif ended or left_s < 0:
                pytest.fail(f"no {words!r} in {self.said!r}")
        return self.said


@contextmanager
def on_a_terminal(*argv: str) -> Iterator[Terminal]:
    master, slave = pty.openpty()
    termios.tcsetwinsize(slave, (24, 80))
    # `setsid --ctty` makes the terminal the program's own, with job control, as a login does
    child = subprocess.Popen(
        ["setsid", "--ctty", *argv],
        stdin=slave,
        stdout=slave,
        stderr=slave,
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], "TERM": "xterm"},
    )
    try:
        yield Terminal(child, master, slave)
    finally:
        child.kill()
        child.wait()
        os.close(master)
        os.close(slave)


def settings(terminal: Terminal) -> list[object]:
    return termios.tcgetattr(terminal.slave)[:4]


def test_a_program_that_is_killed_leaves_the_terminal_as_it_was() -> None:
    argv = [sys.executable, "-c", BORROWER, "sh", "-c", SPOIL + "kill -9 $$"]
    with on_a_terminal(*argv) as terminal:
        before = settings(terminal)
        said = terminal.until("over")
        assert "status -9" in said
        after = said.partition("spoilt")[2]
        assert SHOW_CURSOR in after
        assert FIRST_SCREEN in after
        assert settings(terminal) == before


def test_a_program_that_ends_by_itself_is_not_second_guessed() -> None:
    argv = [sys.executable, "-c", BORROWER, "sh", "-c", "echo fine; exit 4"]
    with on_a_terminal(*argv) as terminal:
        said = terminal.until("over")
        assert "status 4" in said
        assert "\x1b" not in said


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP], ids=lambda n: n.name)
def test_when_the_launcher_must_end_the_program_ends_first(number: signal.Signals) -> None:
    argv = [sys.executable, "-c", BORROWER, "sh", "-c", SPOIL + "sleep 1000 & wait"]
    with on_a_terminal(*argv) as terminal:
        before = settings(terminal)
        terminal.until("spoilt")
        terminal.child.send_signal(number)
        said = terminal.until("over")
        assert SHOW_CURSOR in said
        assert terminal.child.wait(10) == 128 + number
        assert settings(terminal) == before


def test_a_shell_with_job_control_gives_the_foreground_back() -> None:
    argv = [sys.executable, "-c", BORROWER, "bash", "--norc", "--noprofile", "-i"]
    with on_a_terminal(*argv) as terminal:
        terminal.until("bash-")
        terminal.type("kill -9 $$\n")
        terminal.until("over")
        assert terminal.child.wait(10) == 0


def test_without_a_terminal_the_lab_says_so_and_starts_nothing() -> None:
    told = subprocess.run(
        [sys.executable, "-m", "tests.lab"],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
        timeout=20,
    )
    assert told.returncode == 2
    assert told.stdout == ""
    assert told.stderr == (
        "lab: The console needs a terminal; `make run ARGS=--no-console` does without.\n"
    )
