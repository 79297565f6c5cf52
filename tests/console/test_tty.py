# SPDX-License-Identifier: Apache-2.0
# ruff: noqa: F811 - a test names the fixtures that it takes
"""The machine's own screen on a pseudo-terminal: status screen, login behind it, crashes."""

from __future__ import annotations

import os
import pwd
import re
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.console.test_process import (  # noqa: F401 - fixtures
    WITHIN_S,
    Process,
    Starter,
    socket,
    start,
)
from tests.tree import ROOT

LIBC_OWN = 0b11 << 31
"""Signals 32 and 33: the C library lets no program change them, so they stay as inherited."""

LOGIN = """#!/bin/sh
set -eu
printf 'LOGIN %s\\n' "$$"
grep SigIgn /proc/self/status
echo; env | tr '\\n' ';'
printf 'END\\n'
read -r answer
"""


@pytest.fixture
def login(tmp_path: Path) -> Path:
    program = tmp_path / "login"
    program.write_text(LOGIN)
    program.chmod(0o755)
    return program


def program(
    login: Path, *, account: str = "", how: Sequence[str] = ("-m", "console.tty")
) -> list[str]:
    painted = str(login.parent / "run" / "painted")
    return [*how, "--account", account, "--login", str(login), "--painted", painted]


def painted(login: Path) -> bool:
    return (login.parent / "run" / "painted").exists()


def child_of(pid: int) -> int:
    """The status screen's process."""
    give_up_at = time.monotonic() + WITHIN_S
    while not (found := Path(f"/proc/{pid}/task/{pid}/children").read_text().split()):
        assert time.monotonic() < give_up_at
        time.sleep(0.02)
    return int(found[0])


def await_new_child(pid: int, old: int) -> int:
    give_up_at = time.monotonic() + WITHIN_S
    while (found := child_of(pid)) == old:
        assert time.monotonic() < give_up_at
        time.sleep(0.02)
    return found


@pytest.mark.parametrize("key", [b"\r", b"\x1b[[B", b"m"], ids=["Enter", "F2", "m"])
def test_it_shows_the_status_and_becomes_the_login(
    start: Starter,
    login: Path,
    key: bytes,
) -> None:
    screen = start(program=program(login), variables={"LD_BIND_NOW": "1", "TEXTUAL_PRESS": "q"})
    screen.read_until(b"\x1b[?1049h")
    give_up_at = time.monotonic() + WITHIN_S
    while not painted(login):
        assert time.monotonic() < give_up_at
        screen._read(0.02)
    screen._read(0.2)  # what was written before the file was
    for words in (b"Ballast 0.1.0", b"lbmaster", b"192.168.2.21/24"):
        assert words in screen.sent
    assert b"web-http" not in screen.sent
    screen.type(key)
    screen.read_until(b"Log in. Ctrl+D", b"END")
    said = screen.sent.decode(errors="replace").rpartition("LOGIN ")[2]
    assert said.split()[0] == str(screen.pid), "the login is a child, not the process itself"
    ignored = re.search(r"SigIgn:\s+([0-9a-f]+)\s", said)
    assert ignored is not None
    assert int(ignored[1], 16) & ~LIBC_OWN == 0, "login inherits ignored signals"
    variables = {word.partition("=")[0] for word in said.strip().splitlines()[-1].split(";")}
    assert variables <= {"PATH", "TERM", "PWD", "_", "SHLVL", "OLDPWD", "END"}
    assert "TEXTUAL_PRESS" not in said
    screen.type(b"\n")
    assert screen.end() == 0


def test_nothing_else_leads_off_the_status_screen(start: Starter, login: Path) -> None:
    screen = start(program=program(login))
    screen.read_until(b"Ballast 0.1.0")
    screen.type(b"q")
    screen.read_until(b"it stays")
    screen.type(b"P")
    screen.read_until(b"need a login")
    screen.type(b"4\x03\x1a\x1c\x11")
    screen.read_until(b"logs in first")
    assert b"LOGIN" not in screen.sent


def test_an_agent_that_never_answers_is_no_good_boot_but_one_can_log_in(
    start: Starter,
    login: Path,
    tmp_path: Path,
) -> None:
    start.socket = tmp_path / "nobody-listens"
    screen = start(program=program(login))
    screen.read_until(b"goes on by itself")
    screen.type(b"\r")
    screen.read_until(b"END")
    assert not painted(login)


def test_a_status_screen_that_is_killed_comes_back(start: Starter, login: Path) -> None:
    screen = start(program=program(login))
    screen.read_until(b"Ballast 0.1.0")
    child = child_of(screen.pid)
    os.kill(child, signal.SIGKILL)
    await_new_child(screen.pid, child)
    screen.read_until(b"\x1b[H\x1b]P0000000")
    screen.sent = screen.sent.rpartition(b"\x1b[H\x1b]P0000000")[2]
    screen.read_until(b"Ballast 0.1.0")
    screen.type(b"\r")
    screen.read_until(b"Log in. Ctrl+D", b"END")


CRASHING = """
import sys
from console import status_words

def facts(*_):
    raise RuntimeError("planted")

status_words.facts = facts
from console.tty import main
main(sys.argv[1:])
"""


def test_three_crashes_in_a_minute_give_a_plain_login(start: Starter, login: Path) -> None:
    screen = start(program=program(login, how=("-c", CRASHING)))
    screen.read_until(b"ended three times within a minute", b"END")
    assert b"planted" not in screen.sent
    assert start.log.read_text().count("the status screen ended with status 3") == 3
    assert not painted(login)


def test_an_account_that_is_missing_locks_nobody_out(start: Starter, login: Path) -> None:
    screen = start(program=program(login, account="no-such-account"))
    screen.read_until(b"ended three times within a minute", b"END")


APART = """
import os, pwd
from pathlib import Path
from services.command import apart


def tell():
    print(Path("/proc/self/status").read_text(), os.environ["USER"])

child = apart(tell, account="nobody")
raise SystemExit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""


@pytest.mark.needs("root")
def test_the_status_screens_process_gives_its_privileges_up_for_good() -> None:
    nobody = pwd.getpwnam("nobody")
    done = subprocess.run(
        [sys.executable, "-c", APART], capture_output=True, text=True, check=True, cwd=ROOT
    )
    fields = dict(line.split(":", 1) for line in done.stdout.splitlines() if ":" in line)
    assert set(fields["Uid"].split()) == {str(nobody.pw_uid)}
    assert set(fields["Gid"].split()) == {str(nobody.pw_gid)}
    assert fields["Groups"].split() == [str(nobody.pw_gid)]
    assert {int(fields[name], 16) for name in ("CapPrm", "CapEff", "CapAmb")} == {0}
    assert done.stdout.endswith("nobody\n")


def test_told_to_end_it_takes_the_status_screen_along(start: Starter, login: Path) -> None:
    screen = start(program=program(login))
    screen.read_until(b"Ballast 0.1.0")
    child = child_of(screen.pid)
    os.kill(screen.pid, signal.SIGTERM)
    assert screen.end() == 128 + signal.SIGTERM
    give_up_at = time.monotonic() + WITHIN_S
    while Path(f"/proc/{child}").exists():
        assert time.monotonic() < give_up_at
        time.sleep(0.02)


def test_a_login_that_is_missing_is_said(start: Starter, tmp_path: Path) -> None:
    screen: Process = start(program=program(tmp_path / "none"))
    screen.read_until(b"Ballast 0.1.0")
    screen.type(b"\r")
    assert screen.end() == 3
    assert b"is not installed" in screen.sent


def test_without_a_terminal_it_says_so() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "console.tty"],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=WITHIN_S,
        check=False,
        cwd=ROOT,
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert "needs a terminal of its own" in done.stderr


def test_the_start_brings_no_textual_into_the_process_that_stays_root() -> None:
    code = "import console.tty, sys; print({'textual', 'h11', 'pydantic'} & set(sys.modules))"
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        timeout=WITHIN_S,
        check=True,
        cwd=ROOT,
    )
    assert done.stdout == "set()\n"
