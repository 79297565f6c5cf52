# SPDX-License-Identifier: Apache-2.0
# ruff: noqa: F811 - a test names the fixtures that it takes
"""The login shell: the console on a terminal, the command line otherwise, a shell never."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from console import shell
from tests.console.test_process import (  # noqa: F401 - fixtures
    WITHIN_S,
    Starter,
    socket,
    start,
)
from tests.tree import ROOT

# As the appliance starts it; the socket is where the scripted appliance listens.
PROGRAM = """
import sys
sys.path.insert(0, {root!r})
import services.looking
from pathlib import Path
services.looking.DEFAULT_SOCKET = Path({socket!r})
from console.shell import main
sys.exit(main(sys.argv[1:]))
"""


def run(
    socket: Path, *argv: str, variables: Mapping[str, str] | None = None, typed: str = ""
) -> subprocess.CompletedProcess[str]:
    code = PROGRAM.format(root=str(ROOT), socket=str(socket))
    return subprocess.run(
        [sys.executable, "-I", "-X", "utf8", "-c", code, *argv],
        input=typed,
        capture_output=True,
        text=True,
        timeout=WITHIN_S,
        check=False,
        env={"HOME": "/", "LANG": "C.UTF-8", "PATH": "/nowhere"} | dict(variables or {}),
        cwd="/",
    )


def test_a_command_over_ssh_is_the_command_line(socket: Path) -> None:
    done = run(socket, "-c", "ballast status --json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["node"]["hostname"] == "lbmaster"
    assert done.stderr == ""


def test_a_forced_command_reads_what_the_client_asked_for(socket: Path) -> None:
    asked = {"SSH_ORIGINAL_COMMAND": "ballast status --json"}
    done = run(socket, "-c", "/usr/libexec/ballast/shell", variables=asked)
    assert json.loads(done.stdout)["node"]["hostname"] == "lbmaster"


def test_the_exit_status_is_the_command_lines(socket: Path, tmp_path: Path) -> None:
    assert run(socket, "-c", "ballast drain no-such service").returncode == 1
    assert run(socket, "-c", "ballast --no-such-option").returncode == 2
    assert run(tmp_path / "nobody", "-c", "ballast status").returncode == 3


@pytest.mark.parametrize(
    "command",
    [
        "sh",
        "id",
        "/bin/sh -c id",
        "bash -i",
        "/usr/lib/openssh/sftp-server",
        "internal-sftp",
        "scp -t /tmp",
        "rsync --server .",
        "",
        "   ",
        "env ballast status",
        "./ballast status",
        "ballast-console",
        "python3 -m services.cli status",
        "ballast\x00status",
        "'ballast status'",
    ],
)
def test_anything_else_is_refused_with_a_sentence(socket: Path, command: str) -> None:
    assert shell.asked(["-c", command], {}) == command
    if "\x00" in command:
        return
    done = run(socket, "-c", command)
    assert (done.returncode, done.stdout) == (2, "")
    assert "This account has no shell" in done.stderr


@pytest.mark.parametrize(
    "tail", ["; id", "&& id", "| sh", "$(id)", "`id`", "> /tmp/escaped", "\nid", "& id"]
)
def test_what_a_shell_would_expand_is_only_a_word(socket: Path, tail: str) -> None:
    done = run(socket, "-c", f"ballast status {tail}")
    assert done.returncode == 2
    assert "uid=" not in done.stdout + done.stderr
    assert not Path("/tmp/escaped").exists()


@pytest.mark.parametrize("command", ["ballast show 'x", 'ballast "', "ballast \\"])
def test_quotes_left_open_are_said(socket: Path, command: str) -> None:
    done = run(socket, "-c", command)
    assert done.returncode == 2
    assert "close its quotes" in done.stderr


def test_a_hostile_length_is_not_even_parsed(socket: Path) -> None:
    assert run(socket, "-c", "ballast " + "x " * 40_000).returncode == 2


def test_without_a_terminal_and_a_command_it_says_what_to_do(socket: Path) -> None:
    done = run(socket)
    assert (done.returncode, done.stdout) == (2, "")
    assert "There is no terminal" in done.stderr
    assert "ballast status --json" in done.stderr


@pytest.mark.parametrize("argv", [[], ["-l"], ["--login"]])
def test_a_login_on_a_terminal_wants_the_console(argv: Sequence[str]) -> None:
    assert shell.asked(argv, {}) is None
    assert shell.asked(["-c", "/usr/libexec/ballast/shell"], {}) is None


def test_only_harmless_variables_are_left() -> None:
    harmless = {
        "TERM": "linux",
        "LANG": "de_DE.UTF-8",
        "LC_TIME": "C",
        "COLORTERM": "truecolor",
        "TZ": "UTC",
        "ESCDELAY": "100",
        "HOME": "/home/x",
        "USER": "x",
        "LOGNAME": "x",
        "SSH_CONNECTION": "192.0.2.1 1 192.0.2.2 22",
        "SSH_TTY": "/dev/pts/0",
    }
    hostile = {
        "PATH": "/tmp",
        "LD_PRELOAD": "/tmp/x.so",
        "PYTHONPATH": "/tmp",
        "PYTHONSTARTUP": "/tmp/x.py",
        "TEXTUAL_DRIVER": "evil:Driver",
        "TEXTUAL_PRESS": "q",
        "BALLAST_SOCKET": "/tmp/evil.sock",
        "BALLAST_DEBUG": "1",
        "SSH_ORIGINAL_COMMAND": "ballast status",
        "HTTP_PROXY": "http://192.0.2.1",
        "EDITOR": "/tmp/x",
        "BASH_ENV": "/tmp/x",
        "IFS": "x",
        "MALLOC_CHECK_": "3",
    }
    environment = harmless | hostile
    shell.clean(environment)
    assert environment == harmless | {"PATH": shell.PATH}


def test_a_hostile_environment_reaches_nothing(socket: Path, tmp_path: Path) -> None:
    (tmp_path / "services.py").write_text(f"open({str(tmp_path / 'loaded')!r}, 'w')")
    (tmp_path / "sitecustomize.py").write_text(f"open({str(tmp_path / 'loaded')!r}, 'w')")
    hostile = {
        "PYTHONPATH": str(tmp_path),
        "PYTHONSTARTUP": str(tmp_path / "services.py"),
        "BALLAST_SOCKET": str(tmp_path / "evil.sock"),
        "BALLAST_DEBUG": "1",
    }
    done = run(socket, "-c", "ballast status --json", variables=hostile)
    assert done.returncode == 0, done.stderr
    assert not (tmp_path / "loaded").exists()


def on_a_terminal(start: Starter, before: str = "") -> list[str]:
    code = PROGRAM.format(root=str(ROOT), socket=str(start.socket)).replace(
        "main(sys.argv[1:])", "main([])"
    )
    return ["-c", code.replace("from console.shell", f"{before}\nfrom console.shell")]


def test_on_a_terminal_it_is_the_console_and_q_ends_the_session(start: Starter) -> None:
    session = start(program=on_a_terminal(start), variables={"TEXTUAL_PRESS": "x"})
    session.read_until(b"web-http", b"VIPs")
    session.type(b"q")
    assert session.end() == 0
    assert b"load balancer" not in session.sent


def test_a_console_that_does_not_start_leaves_the_command_line(start: Starter) -> None:
    broken = "import console.app; console.app.ConsoleApp.__init__ = None"
    session = start(program=on_a_terminal(start, broken))
    session.read_until(b"The console does not run", b"> ")
    session.type(b"ballast status\n")
    session.read_until(b"lbmaster")
    session.type(b"id\n")
    session.read_until(b"This account has no shell")
    session.type(b"\n")
    assert session.end() == 2
    assert b"uid=" not in session.sent


def test_the_files_in_the_image_start_these_programs_isolated() -> None:
    folder = ROOT / "overlays" / "console" / "usr" / "libexec" / "ballast"
    for name in ("shell", "tty"):
        script = folder / name
        lines = script.read_text().splitlines()
        assert lines[0] == "#!/usr/lib/ballast/bin/python3 -IXutf8"
        assert f"from console.{name} import main" in script.read_text()
        assert os.access(script, os.X_OK)
        compile(script.read_text(), str(script), "exec")
    # one argument is all that the kernel passes on from a first line
    said = subprocess.run(
        [
            sys.executable,
            "-IXutf8",
            "-c",
            "import sys; print(sys.flags.isolated, sys.flags.utf8_mode)",
        ],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert said == "1 1\n"
