# SPDX-License-Identifier: Apache-2.0
"""`ballast` as a process of its own: exit statuses, both streams, completion, what it loads."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.tree import ROOT

BALLAST = (sys.executable, "-m", "services.cli")


def ballast(
    *arguments: str, environment: dict[str, str] | None = None, stdin: bytes = b""
) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        [*BALLAST, *arguments],
        check=False,
        input=stdin,
        capture_output=True,
        timeout=60,
        cwd=ROOT,
        env=os.environ | (environment or {}),
    )
    out, err = done.stdout.decode(), done.stderr.decode()
    assert "Traceback" not in err
    return subprocess.CompletedProcess(arguments, done.returncode, out, err)


def completed(line: str, environment: dict[str, str]) -> list[str]:
    """What bash would offer at the end of `line`."""
    asked = environment | {
        "_BALLAST_COMPLETE": "complete_bash",
        "COMP_WORDS": line,
        "COMP_CWORD": str(line.count(" ")),
    }
    done = ballast(environment=asked)
    assert done.stderr == ""
    return done.stdout.split()


@pytest.fixture(scope="module")
def agent() -> Iterator[dict[str, str]]:
    """A scripted agent behind a real socket, as the environment that leads to it."""
    with tempfile.TemporaryDirectory() as folder:  # a socket's path must be short
        path = Path(folder, "agent.sock")
        argv = [sys.executable, "-m", "tests.fakes.served", str(path)]
        with subprocess.Popen(argv, cwd=ROOT) as child:
            try:
                deadline = time.monotonic() + 30
                while not _listens(path):
                    assert child.poll() is None
                    assert time.monotonic() < deadline
                    time.sleep(0.02)
                yield {"BALLAST_SOCKET": str(path)}
            finally:
                child.kill()


def _listens(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as asking:
        return asking.connect_ex(str(path)) == 0


@pytest.fixture
def nobody(tmp_path: Path) -> dict[str, str]:
    """An environment whose socket nobody listens on."""
    return {"BALLAST_SOCKET": str(tmp_path / "nobody.sock")}


def test_a_bad_document_is_refused_with_path_and_remedy(tmp_path: Path) -> None:
    path = tmp_path / "bad.yaml"
    path.write_text(
        "cluster: {layer7: [{label: web, addresses: [192.0.2.1], ports: '80,,90', colour: red}]}"
    )
    ran = ballast("check", str(path))
    assert (ran.returncode, ran.stdout) == (1, "")
    assert "cluster.layer7[0].ports: The list of ports has an empty place" in ran.stderr
    assert "Write ports like 80" in ran.stderr
    assert "cluster.layer7[0].colour: There is no field" in ran.stderr


def test_a_hostile_document_cannot_write_to_the_terminal(tmp_path: Path) -> None:
    path = tmp_path / "bad\x1b[2J.json"
    path.write_text('{"clu\\u001b[2Jster\\u202e": 1, "' + "x" * 9000 + '": 2}')
    ran = ballast("check", str(path))
    assert (ran.returncode, ran.stdout) == (1, "")
    assert all(line.isprintable() and len(line) < 3000 for line in ran.stderr.splitlines())


def test_a_document_may_come_on_standard_input() -> None:
    assert ballast("check", "-", stdin=b"schema_version: 1\n").returncode == 0
    assert ballast("check", "-", stdin=b"").returncode == 1


def test_an_unknown_verb_is_wrong_usage() -> None:
    ran = ballast("stats")
    assert (ran.returncode, ran.stdout) == (2, "")
    assert "Did you mean 'status'" in ran.stderr


def test_no_verb_shows_the_help() -> None:
    ran = ballast()
    assert ran.returncode == 2
    assert "Usage: ballast" in ran.stdout + ran.stderr
    assert ballast("--help").returncode == 0


def test_no_agent_is_status_3(nobody: dict[str, str]) -> None:
    ran = ballast("status", environment=nobody)
    assert (ran.returncode, ran.stdout) == (3, "")
    assert f"The agent does not answer on {nobody['BALLAST_SOCKET']}." in ran.stderr
    said = ballast("--socket", "/nowhere/agent.sock", "status", environment=nobody)
    assert "on /nowhere/agent.sock." in said.stderr


def test_over_the_wire_an_error_is_what_the_agent_said(agent: dict[str, str]) -> None:
    assert ballast("status", "--json", environment=agent).returncode == 0
    ran = ballast("rollback", "99", environment=agent)
    assert (ran.returncode, ran.stdout) == (1, "")
    assert ran.stderr == "ballast: There is no revision 99. Look at the revisions.\n"


def test_vips_rips_and_addresses_complete_from_the_agent(agent: dict[str, str]) -> None:
    assert completed("ballast vip edit w", agent) == ["web-http"]
    assert completed("ballast drain rds ", agent) == ["rds1", "rds2", "rds3"]
    assert completed("ballast drain --address 192.168.1.13", agent) == ["192.168.1.130"]
    found = completed(f"ballast --socket {agent['BALLAST_SOCKET']} rip list s", {})
    assert found == ["smtp"]


def test_verbs_options_and_choices_complete_without_an_agent(nobody: dict[str, str]) -> None:
    assert completed("ballast ro", nobody) == ["rollback"]
    assert completed("ballast vip add x --check-k", nobody) == ["--check-kind"]
    assert completed("ballast vip add x --mode t", nobody) == ["tcp"]
    assert completed("ballast nat add x --protocol tcp", nobody) == ["tcp", "tcp_udp"]
    assert completed("ballast layer4 edit --tcp-f", nobody) == ["--tcp-fin-timeout-s"]


def test_a_completion_is_silent_when_nobody_answers(nobody: dict[str, str]) -> None:
    assert completed("ballast vip edit w", nobody) == []


def test_a_completion_gives_up_on_an_agent_that_hangs() -> None:
    with tempfile.TemporaryDirectory() as folder, socket.socket(socket.AF_UNIX) as hanging:
        hanging.bind(f"{folder}/agent.sock")
        hanging.listen()
        assert completed("ballast vip edit w", {"BALLAST_SOCKET": f"{folder}/agent.sock"}) == []


def test_the_shells_get_their_scripts() -> None:
    for shell in ("bash", "zsh", "fish"):
        script = ballast(
            "--show-completion",
            shell,
            environment={"_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION": "1"},
        )
        assert script.returncode == 0
        assert "_BALLAST_COMPLETE" in script.stdout


def test_a_reader_that_had_enough_ends_it_without_a_word() -> None:
    reading, writing = os.pipe()
    with subprocess.Popen(
        [*BALLAST, "schema"], cwd=ROOT, stdout=writing, stderr=subprocess.PIPE
    ) as child:
        os.close(writing)
        os.close(reading)
        _, said = child.communicate(timeout=60)
    assert (child.returncode, said) == (141, b"")


def test_a_full_disk_is_told() -> None:
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(
            [*BALLAST, "schema"],
            cwd=ROOT,
            stdout=full,
            stderr=subprocess.PIPE,
            timeout=60,
            check=False,
        )
    assert done.returncode == 3
    assert done.stderr.startswith(b"ballast: The output could not be written: No space left")
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    ("command", "status", "said"),
    [
        ("status >&-", 3, "ballast: The output could not be written: Bad file descriptor."),
        ("check - <&-", 1, "ballast: standard input cannot be read: Bad file descriptor."),
        ("status >/dev/null 2>&-", 0, ""),
        ("drain nowhere web1 2>/dev/full", 1, ""),
        ("drain nowhere web1 2>&-", 1, ""),
        ("drain smtp mx1 2>/dev/full", 0, ""),
    ],
)
def test_a_stream_that_is_closed_or_full_is_no_fault(
    command: str, status: int, said: str, agent: dict[str, str]
) -> None:
    done = subprocess.run(
        ["sh", "-c", f"{sys.executable} -m services.cli {command}"],
        capture_output=True,
        timeout=60,
        cwd=ROOT,
        env=os.environ | agent,
        check=False,
    )
    assert done.returncode == status
    assert done.stderr.decode().startswith(said)
    assert len(done.stderr.splitlines()) == bool(said)


def test_a_terminal_that_lacks_a_letter_gets_its_escape(agent: dict[str, str]) -> None:
    plain = agent | {"PYTHONIOENCODING": "ascii:strict"}
    assert ballast("vip", "edit", "ftp", "--comment", "Büro", environment=plain).returncode == 0
    ran = ballast("vip", "list", environment=plain)
    assert ran.returncode == 0
    assert "B\\xfcro" in ran.stdout


@pytest.mark.parametrize(
    ("arguments", "unwelcome"),
    [
        (("check", "-"), {"h11", "jinja2", "yaml", "asyncio"}),
        (("schema",), {"h11", "jinja2", "yaml", "asyncio"}),
        (("status",), {"jinja2", "yaml", "services.render"}),
        (("--help",), {"h11", "jinja2", "yaml"}),
    ],
)
def test_a_verb_loads_only_what_it_needs(
    arguments: tuple[str, ...], unwelcome: set[str], nobody: dict[str, str]
) -> None:
    program = (
        "import sys\nfrom services.cli import main\n"
        f"main({arguments!r})\n"
        f"sys.exit(','.join({unwelcome!r} & sys.modules.keys()) or 0)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        input=b'{"schema_version": 1}',
        capture_output=True,
        timeout=60,
        cwd=ROOT,
        env=os.environ | nobody,
        check=False,
    )
    assert done.returncode == 0, done.stderr.decode()
