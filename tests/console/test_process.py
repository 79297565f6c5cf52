# SPDX-License-Identifier: Apache-2.0
"""The console as a program on a real pseudo-terminal: what it sends, how it ends, what it keeps."""

from __future__ import annotations

import asyncio
import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from threading import Thread

import pytest

from tests.fakes import scenes
from tests.fakes.served import served
from tests.tmux import Tmux
from tests.tree import ROOT

SECRET = "hunter2-the-planted-secret"
WITHIN_S = 30
SGR = re.compile(rb"\x1b\[([0-9;:]*)m")


@pytest.fixture
def socket(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A scripted appliance on a socket of its own, served from a thread."""
    path = tmp_path_factory.mktemp("agent") / "agent.sock"
    loop = asyncio.new_event_loop()
    stop = asyncio.Event()

    async def serve() -> None:
        async with served(scenes.small(), path):
            await stop.wait()

    thread = Thread(target=loop.run_until_complete, args=(serve(),))
    thread.start()
    give_up_at = time.monotonic() + WITHIN_S
    while not path.exists():
        assert time.monotonic() < give_up_at
        time.sleep(0.01)
    yield path
    loop.call_soon_threadsafe(stop.set)
    thread.join()
    loop.close()


@dataclass
class Process:
    """A console whose terminal is this program."""

    pid: int
    terminal: int
    sent: bytes = b""

    def read_until(self, *words: bytes) -> None:
        """Collect what it sends until all of these were in it."""
        give_up_at = time.monotonic() + WITHIN_S
        while not all(word in self.sent for word in words):
            assert time.monotonic() < give_up_at, self.sent.decode(errors="replace")
            self._read(0.2)

    def type(self, keys: bytes) -> None:
        os.write(self.terminal, keys)

    def end(self) -> int:
        """Read to its end; the exit status, negative for a signal."""
        give_up_at = time.monotonic() + WITHIN_S
        while self._read(0.2):
            assert time.monotonic() < give_up_at, "it does not end"
        _, status = os.waitpid(self.pid, 0)
        self.pid = 0
        return os.waitstatus_to_exitcode(status)

    def _read(self, wait_s: float) -> bool:
        if select.select([self.terminal], [], [], wait_s)[0]:
            try:
                piece = os.read(self.terminal, 65536)
            except OSError:
                return False  # the other end is closed
            self.sent += piece
            return bool(piece)
        return True


class Starter:
    """Starts consoles and leaves none behind."""

    def __init__(self, socket: Path, log: Path) -> None:
        self.socket = socket
        self.log = log
        self._made: list[Process] = []

    def __call__(
        self,
        *,
        program: Sequence[str] = ("-m", "console"),
        variables: Mapping[str, str] | None = None,
    ) -> Process:
        argv = [sys.executable, *program, "--socket", str(self.socket), "--log", str(self.log)]
        environment = {"TERM": "linux", "LANG": "C.UTF-8", "PATH": os.environ["PATH"]} | dict(
            variables or {}
        )
        pid, terminal = pty.fork()
        if not pid:
            os.chdir(ROOT)
            os.execve(sys.executable, argv, environment)
        fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
        made = Process(pid, terminal)
        self._made.append(made)
        return made

    def clear_up(self) -> None:
        for made in self._made:
            if made.pid:
                with suppress(ProcessLookupError):
                    os.kill(made.pid, signal.SIGKILL)
                os.waitpid(made.pid, 0)
            with suppress(OSError):
                os.close(made.terminal)


@pytest.fixture
def start(socket: Path, tmp_path: Path) -> Iterator[Starter]:
    starter = Starter(socket, tmp_path / "log")
    yield starter
    starter.clear_up()


WALK = b"\x1b[B\x1b[Bh", b"y", b"e", b"xx\x13", b"\x1b", b"d", b"m3", b"3", b"c", b"?"


@pytest.mark.parametrize(
    "variables",
    [
        {"TERM": "linux"},
        {"TERM": "vt220"},
        {"TERM": "dumb"},
        {"TERM": "xterm-256color", "COLORTERM": "truecolor"},
        {"TERM": "linux", "LANG": "C"},
    ],
    ids=lambda variables: "-".join(variables.values()),
)
def test_only_plain_colours_are_sent_to_every_terminal(
    start: Starter, variables: dict[str, str]
) -> None:
    console = start(variables=variables)
    console.read_until(b"web-http", b"VIPs")
    for keys in WALK:
        console.type(keys)
        time.sleep(0.15)  # not a guess at a state: only so that each screen is painted
        console._read(0)
    console.type(b"\x1b")
    os.kill(console.pid, signal.SIGTERM)
    console.end()
    codes = {
        code
        for found in SGR.findall(console.sent)
        for code in found.replace(b":", b";").split(b";")
    }
    allowed = {b"", *(str(code).encode() for code in (0, 1, 7, *range(30, 38), *range(40, 48)))}
    allowed |= {b"39", b"49", b"22", b"27", *(str(code).encode() for code in range(90, 98))}
    assert codes <= allowed
    assert b"\x1b[31" in console.sent or b"\x1b[97;41" in console.sent


def test_the_first_painting_of_the_overview_sends_less_than_8_kb(start: Starter) -> None:
    """0.7 s of a serial line; the goal of the console's design."""
    console = start()
    console.read_until(b"web-http", b"VIPs", b"Review")
    assert len(console.sent) < 8_000


def test_frames_are_ascii_where_the_terminal_speaks_no_utf8(start: Starter) -> None:
    console = start(variables={"LANG": "C"})
    console.read_until(b"web-http")
    console.type(b"h")
    console.read_until(b"Halt 3 servers")
    os.kill(console.pid, signal.SIGTERM)
    console.end()
    assert console.sent.isascii()


def test_without_colours_the_cursor_and_every_state_are_still_told(start: Starter) -> None:
    console = start(variables={"NO_COLOR": "1"})
    console.read_until(b"web-http", b"WARN", b"DOWN", b"HALT", b"DRAIN", b"OFF")
    os.kill(console.pid, signal.SIGTERM)
    console.end()
    codes = {code for found in SGR.findall(console.sent) for code in found.split(b";")}
    assert codes <= {b"", b"0", b"1", b"7", b"39", b"49"}
    assert b"7" in codes


def test_q_twice_leaves_with_status_0_and_the_terminal_as_it_was(start: Starter) -> None:
    console = start()
    before = termios.tcgetattr(console.terminal)
    console.read_until(b"web-http")
    console.type(b"q")
    console.read_until(b"load balancer")
    console.type(b"q")
    assert console.end() == 0
    assert b"\x1b[?1049l" in console.sent
    assert b"\x1b[?25h" in console.sent
    assert b"\x1b[2J" in console.sent
    assert termios.tcgetattr(console.terminal)[3] == before[3]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_it_cleanly_and_the_status_says_which(start: Starter, number: int) -> None:
    console = start()
    console.read_until(b"web-http")
    os.kill(console.pid, number)
    assert console.end() == 128 + number
    assert b"\x1b[?1049l" in console.sent
    assert b"Traceback" not in console.sent


IN_A_SESSION_OF_ITS_OWN = """
import signal, subprocess, sys
signal.signal(signal.SIGHUP, signal.SIG_IGN)
argv = [sys.executable, "-m", "console", *sys.argv[1:]]
sys.exit(subprocess.call(argv, start_new_session=True))
"""
"""As in the lab: nobody sends it a signal when its terminal goes."""

DEAF = """
import signal, time
from console.terminal import on_hang_up
signal.signal(signal.SIGHUP, signal.SIG_IGN)
on_hang_up(lambda: None)
print("web-http", flush=True)
time.sleep(600)
"""
"""One that waits for what will never be taken from it again."""


@pytest.mark.parametrize(
    "program", [("-m", "console"), ("-c", IN_A_SESSION_OF_ITS_OWN), ("-c", DEAF)]
)
@pytest.mark.parametrize("typed", [b"", b"\x0c" * 200], ids=["at rest", "painting"])
def test_a_hang_up_of_the_line_leaves_no_orphan(
    start: Starter, program: tuple[str, str], typed: bytes
) -> None:
    console = start(program=program)
    console.read_until(b"web-http")
    console.type(typed)  # Ctrl+L paints all of it again, and nobody reads
    time.sleep(1 if typed else 0)
    os.close(console.terminal)
    give_up_at = time.monotonic() + WITHIN_S
    while os.waitpid(console.pid, os.WNOHANG) == (0, 0):
        assert time.monotonic() < give_up_at, "it lives on without a terminal"
        time.sleep(0.05)
    console.pid = 0
    console.terminal = os.open(os.devnull, os.O_RDONLY)


def test_interrupt_keys_and_signals_do_nothing(start: Starter) -> None:
    console = start()
    console.read_until(b"web-http")
    console.type(b"\x03\x1a\x1c\x11\x10")
    os.kill(console.pid, signal.SIGINT)
    console.type(b"?")
    console.read_until(b"Keys of this screen")


PLANTED = f"""
import sys
from console.screens.overview import Overview

def show_body(self, picture):
    password = "{SECRET}"
    raise RuntimeError("no such value: " + password)

Overview.{{where}} = show_body
from console.__main__ import main
main(sys.argv[1:])
"""


@pytest.mark.parametrize("where", ["show_body", "_totals", "render_line"])
def test_a_fault_shows_one_line_and_no_value_of_the_program(start: Starter, where: str) -> None:
    script = PLANTED.format(where="show_body" if where == "render_line" else where)
    if where == "render_line":
        script = script.replace("Overview.show_body", "Lines.render_line").replace(
            "from console.screens.overview import Overview",
            "from console.widgets.lines import Lines",
        )
    elif where == "_totals":
        script = script.replace("(self, picture)", "(self, picture, status)")
    console = start(program=("-c", script))
    assert console.end() == 3
    told = re.sub(rb"\x1b\[[0-9;?<>=]*[a-zA-Z]", b"", console.sent)
    assert b"ballast-console met a fault (RuntimeError) and closed" in told
    assert b"Traceback" not in told
    assert SECRET.encode() not in console.sent
    log = start.log.read_text()
    assert "RuntimeError" in log
    assert "show_body" in log
    assert SECRET not in log


def test_a_fault_in_a_worker_is_one_sentence_and_the_console_goes_on(start: Starter) -> None:
    script = PLANTED.replace("console.screens.overview import Overview", "console import verbs")
    script = script.replace("Overview.{where} = show_body", "verbs._switch = fail")
    script = script.replace("def show_body(self, picture)", "async def fail(*_)")
    console = start(program=("-c", script))
    console.read_until(b"web-http")
    console.type(b"h")
    console.read_until(b"The console met a fault (RuntimeError)")
    console.type(b"?")
    console.read_until(b"Keys of this screen")
    assert SECRET.encode() not in console.sent
    assert SECRET not in start.log.read_text()


def test_variables_that_load_code_or_type_keys_are_ignored(start: Starter, tmp_path: Path) -> None:
    evil = tmp_path / "evil.py"
    evil.write_text(f"open({str(tmp_path / 'loaded')!r}, 'w')")
    hostile = {
        "TEXTUAL_DRIVER": "evil:Driver",
        "TEXTUAL": "debug,devtools",
        "TEXTUAL_PRESS": "q,q",
        "TEXTUAL_SCREENSHOT": "0",
        "TEXTUAL_SCREENSHOT_LOCATION": str(tmp_path),
        "TEXTUAL_LOG": str(tmp_path / "textual.log"),
        "COLUMNS": "300",
        "LINES": "200",
    }
    console = start(variables=hostile)
    console.read_until(b"web-http", b"VIPs")
    os.kill(console.pid, signal.SIGTERM)
    assert console.end() == 128 + signal.SIGTERM
    assert sorted(path.name for path in tmp_path.iterdir()) == ["evil.py", "log"]


def test_without_a_terminal_it_refuses_with_a_sentence() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "console"],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=WITHIN_S,
        check=False,
        cwd=ROOT,
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == (
        "ballast-console needs a terminal; for scripts and pipes there is `ballast`.\n"
    )


def test_an_arrow_key_cut_in_two_by_the_network_is_still_an_arrow(start: Starter) -> None:
    console = start()
    console.read_until(b"web-http: healthy")
    console.type(b"\x1b")
    time.sleep(0.15)  # the gap on the wire that is to be survived
    console.type(b"[B")
    console.read_until(b"web1: healthy")


def test_no_agent_is_a_calm_screen_until_it_comes(tmp_path: Path) -> None:
    path = tmp_path / "agent.sock"
    argv = [sys.executable, "-m", "console", "--socket", str(path)]
    env = {"PATH": os.environ["PATH"], "LANG": "C.UTF-8", "PYTHONPATH": str(ROOT)}
    with Tmux(argv, env=env) as terminal:
        terminal.await_text("The agent does not answer", "goes on by itself")
        late = subprocess.Popen([sys.executable, "-m", "tests.fakes.served", str(path)], cwd=ROOT)
        try:
            terminal.await_text("web-http", "4 VIPs")
            late.terminate()
            late.wait(WITHIN_S)
            terminal.await_text("no answer from the agent")
            terminal.await_text("goes on by itself")
            path.unlink()
            late = subprocess.Popen(
                [sys.executable, "-m", "tests.fakes.served", str(path)], cwd=ROOT
            )
            terminal.await_text("web-http", "4 VIPs")
        finally:
            late.terminate()
            late.wait(WITHIN_S)


def test_a_real_terminal_that_shrinks_and_grows_keeps_what_was_typed(socket: Path) -> None:
    argv = [sys.executable, "-m", "console", "--socket", str(socket)]
    env = {"PATH": os.environ["PATH"], "LANG": "C.UTF-8", "PYTHONPATH": str(ROOT)}
    with Tmux(argv, env=env, columns=100, rows=30) as terminal:
        terminal.await_text("web-http")
        terminal.press("e")
        terminal.await_text("Virtual service web-http")
        terminal.type("typed")
        terminal.await_text("web-httptyped")
        terminal._tmux("resize-window", "-x", "70", "-y", "20")
        terminal.await_text("terminal too small: 80x24 needed")
        terminal._tmux("resize-window", "-x", "80", "-y", "24")
        terminal.await_text("web-httptyped")
