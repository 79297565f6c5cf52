# SPDX-License-Identifier: Apache-2.0
"""`python -m tests.lab` with the real agent: what the newcomer sees, from two terminals."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.lab.control import ROOT
from tests.lab.folder import living, remove_remains
from tests.lab.lab import figures
from tests.peers.test_lab import BARE_ROOT, outside
from tests.peers.test_lab_terminal import FIRST_SCREEN, on_a_terminal
from tests.poll import eventually

LAB = (sys.executable, "-m", "tests.lab")
_ENV = {"PATH": os.environ["PATH"], "TERM": "xterm", "LC_ALL": "C.UTF-8"}
START_S = 60


def verb(*words: str, within_s: float = 30) -> str:
    """What a second terminal gets to see: both streams."""
    done = subprocess.run(
        [*LAB, *words],
        cwd=ROOT,
        env=_ENV,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=True,
        timeout=within_s,
    )
    return done.stdout


def seen(name: str) -> tuple[int, int, dict[str, int]]:
    """The client of lab `name`: requests, failures, answers by server."""
    line = verb("client", "--once", "--lab", name)
    found = re.search(r"(\d+) requests sent(?:, (\d+) failed)?", line)
    assert found, line
    answers = {server: int(count) for server, count in re.findall(r"(web\d) (\d+)", line)}
    return int(found[1]), int(found[2] or 0), answers


@contextmanager
def running(before: Sequence[str] = ()) -> Iterator[tuple[subprocess.Popen[str], Path]]:
    """`--no-console`: the program and the lab's folder."""
    with (
        tempfile.TemporaryFile("w+") as words,
        subprocess.Popen(
            [*before, *LAB, "--no-console"],
            cwd=ROOT,
            env=_ENV,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=words,
            text=True,
        ) as program,
    ):
        try:
            assert program.stdout
            line = program.stdout.readline()
            if not line:
                words.seek(0)
                pytest.fail(words.read())
            yield program, Path(line.strip().removeprefix("BALLAST_SOCKET=")).parents[1]
        finally:
            program.terminate()
            program.wait(20)


@pytest.mark.parametrize("before", [(), BARE_ROOT], ids=["root", "without capabilities"])
def test_the_clients_requests_follow_what_a_second_terminal_does(before: Sequence[str]) -> None:
    untouched = outside()
    with running(before) as (program, folder):
        name = folder.name
        assert folder in living()
        told = verb("status", "--lab", name)
        assert re.search(r"^agent +runs$", told, re.MULTILINE)
        assert re.search(rf"^socket +{re.escape(str(folder))}/run/agent\.sock$", told, re.MULTILINE)
        eventually(lambda: set(seen(name)[2]) >= {"web1", "web2", "web3"}, within_s=START_S)

        assert verb("stop", "web2", "--lab", name) == "lab: web2 has ended\n"
        eventually(lambda: quiet(name, "web2"), within_s=START_S)

        # the data plane does not need the agent
        verb("kill", "agent", "--lab", name)
        first, failed, _ = seen(name)
        eventually(lambda: seen(name)[0] > first + 30, within_s=START_S)
        assert seen(name)[1] == failed
        verb("start", "agent", "--lab", name)

        verb("start", "web2", "--lab", name)
        before_it_came_back = seen(name)[2]["web2"]
        eventually(lambda: seen(name)[2]["web2"] > before_it_came_back, within_s=START_S)
        program.send_signal(signal.SIGINT)
        assert program.wait(20) == 130
        assert not folder.exists()
    assert outside() == untouched


IPVS = Path("/proc/net/ip_vs")
WHY_NOT = "This kernel gives the agent no IPVS, which layer 4 services need."


@pytest.mark.parametrize("before", [(), BARE_ROOT], ids=["root", "without capabilities"])
def test_there_is_a_layer_4_service_or_the_reason_and_the_way_to_one(before: Sequence[str]) -> None:
    with running(before) as (_, folder):
        told = verb("status", "--lab", folder.name)
        carries = IPVS.exists() and not before
        missing = f"layer 4 is missing. {WHY_NOT} Start it as root with the module ip_vs loaded, "
        assert (missing + "or try layer 4 in `make vm`.\n" in told) is not carries
        labels = {each["label"] for each in status(folder)["services"]}
        assert labels == ({"web", "web-dr"} if carries else {"web"})


def quiet(name: str, server: str) -> bool:
    """Whether the client goes on without `server` and without a failure, 30 requests long."""
    first = seen(name)
    eventually(lambda: seen(name)[0] > first[0] + 30, within_s=START_S)
    last = seen(name)
    return last[1] == first[1] and last[2].get(server) == first[2].get(server)


def status(folder: Path) -> dict[str, Any]:
    """What `ballast status` shows of the lab there."""
    done = subprocess.run(
        [sys.executable, "-m", "services.cli", "status", "--json"],
        cwd=ROOT,
        env={**_ENV, "BALLAST_SOCKET": str(folder / "run" / "agent.sock")},
        stdout=subprocess.PIPE,
        check=True,
        timeout=20,
    )
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_the_status_shows_servers_states_and_the_load_that_the_client_makes() -> None:
    with running() as (_, folder):

        def told() -> dict[str, Any]:
            services: list[dict[str, Any]] = status(folder)["services"]
            return next(each for each in services if each["label"] == "web")

        def agrees() -> bool:
            # the client shares its requests out evenly
            service, services = told(), len(status(folder)["services"])
            sent_per_s = figures(folder).get("rate_per_s", 0) / services
            by_server = sum(each["sessions_per_s"] for each in service["servers"])
            return sent_per_s > 10 and all(
                abs(seen_per_s - sent_per_s) < 0.25 * sent_per_s
                for seen_per_s in (service["sessions_per_s"], by_server)
            )

        eventually(agrees, within_s=START_S)
        verb("kill", "web2", "--lab", folder.name)
        eventually(lambda: told()["servers"][1]["health"] == "DOWN", within_s=START_S)
        service = told()
        assert (service["label"], service["health"]) == ("web", "WARN")
        assert [(s["label"], s["state"], s["health"]) for s in service["servers"]] == [
            ("web1", "online", "UP"),
            ("web2", "online", "DOWN"),
            ("web3", "online", "UP"),
        ]


def test_a_shell_on_the_appliance_finds_the_command_line_working() -> None:
    done = subprocess.run(
        [*LAB, "--shell"],
        input="hostname; ip -br address show dev eth0; ballast status --json | head -c1; exit 7\n",
        cwd=ROOT,
        env=_ENV,
        capture_output=True,
        text=True,
        check=False,
        timeout=START_S,
    )
    assert done.returncode == 7, done.stderr
    assert done.stdout.startswith("lbmaster\n")
    assert "192.168.2.21/24" in done.stdout
    assert done.stdout.rstrip().endswith("{")
    assert re.search(r"lab: \d+ requests sent, \d+ failed", done.stderr)


def test_the_console_paints_and_its_end_ends_the_lab() -> None:
    with on_a_terminal(*LAB) as terminal:
        terminal.until("client sending", within_s=START_S)
        terminal.until("web1", within_s=START_S)
        if not IPVS.exists():
            terminal.until(f"! {WHY_NOT}", within_s=START_S)  # on the Overview
        _, folder = console_of(terminal.child.pid)
        assert folder in living()
        terminal.child.send_signal(signal.SIGTERM)
        said = terminal.until("answered by", within_s=START_S)
        assert re.search(r"lab: \d+ requests sent, 0 failed", said)
        assert terminal.child.wait(20) == 128 + signal.SIGTERM
        assert not folder.exists()


def test_a_killed_console_leaves_a_terminal_and_no_lab() -> None:
    with on_a_terminal(*LAB) as terminal:
        terminal.until("web1", within_s=START_S)
        console, folder = console_of(terminal.child.pid)
        assert folder in living()
        console.kill()
        said = terminal.until("answered by", within_s=START_S)
        assert FIRST_SCREEN in said
        assert "lab: the console ended with status -9" in said
        assert terminal.child.wait(20) == 3
        assert not folder.exists()


def test_a_killed_launcher_leaves_neither_console_nor_lab() -> None:
    # a shell that lives on, as a person's does: the death of a session's leader would end them all
    with on_a_terminal("sh", "-c", '"$@"; echo "left with $?"; read key', "sh", *LAB) as terminal:
        terminal.until("web1", within_s=START_S)
        (launcher,) = psutil.Process(terminal.child.pid).children()
        console, folder = console_of(launcher.pid)
        family = launcher.children(recursive=True)
        assert console in family
        launcher.kill()
        terminal.until("left with 137")
        eventually(lambda: not any(_lives(each) for each in family))
        remove_remains()
        assert not folder.exists()


def _lives(process: psutil.Process) -> bool:
    """Whether it runs still; who has ended may wait for a parent that does not ask."""
    return process.is_running() and process.status() != psutil.STATUS_ZOMBIE


def console_of(launcher: int) -> tuple[psutil.Process, Path]:
    """The child of `launcher` that is the console, and the folder of the lab it is on."""
    for process in psutil.Process(launcher).children():
        words = process.cmdline()
        if "console" in words:
            return process, Path(words[words.index("--socket") + 1]).parents[1]
    raise AssertionError("no console")


def test_a_second_terminal_gets_a_shell_where_the_command_line_completes() -> None:
    with running() as (_, folder), on_a_terminal(*LAB, "shell", "--lab", folder.name) as terminal:
        terminal.until("appliance$ ")
        terminal.type("hostname; ballast dra\tweb web\t\t")
        terminal.until("web3")
        assert "ballast drain web web" in terminal.said
        assert verb("status", "--lab", folder.name).startswith(f"lab     {folder.name}\n")


def test_a_machine_the_lab_has_not_is_refused_with_those_it_has() -> None:
    with running() as (_, folder):
        done = subprocess.run(
            [*LAB, "shell", "web99", "--lab", folder.name],
            cwd=ROOT,
            env=_ENV,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=20,
        )
    assert done.returncode == 3
    assert done.stderr.startswith("lab: This lab has no web99. It has appliance, client, ")


def test_a_verb_without_a_lab_says_how_to_start_one() -> None:
    done = subprocess.run(
        [*LAB, "status", "--lab", "no-such-lab"],
        cwd=ROOT,
        env=_ENV,
        capture_output=True,
        text=True,
        check=False,
        timeout=20,
    )
    assert done.returncode == 3
    assert done.stderr == (
        "lab: No lab named no-such-lab runs for this account. Start one with `make run`.\n"
    )
