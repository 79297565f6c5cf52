# SPDX-License-Identifier: Apache-2.0
"""External checks: what they are told, and that nothing of them is left behind."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from services.health.targets import Kind
from tests.poll import eventually
from tests.tree import ROOT
from tests.unit.probing import HOST, job, look, words


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path


def script(folder: Path, text: str, *, interpreter: str = "/bin/sh") -> None:
    file = folder / "look"
    file.write_text(f"#!{interpreter}\n{text}\n")
    file.chmod(0o755)


async def told(folder: Path, *, timeout_s: int = 2) -> str:
    manner = job(
        Kind.SCRIPT, 80, timeout_s=timeout_s, script="look", vip="192.0.2.1", vip_port=8080
    )
    return await words(manner, folder)


async def test_it_is_told_both_addresses_and_ports_and_0_is_well(folder: Path) -> None:
    script(folder, f'test "$*" = "192.0.2.1 8080 {HOST} 80"')
    assert await told(folder) == "well"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("exit 3", "look ended with status 3"),
        ("echo one; echo no disk >&2; exit 1", "look ended with status 1: one no disk"),
        ("printf '\\033[2J\\377'; exit 1", "look ended with status 1: \\u001b[2J\ufffd"),
        ("kill -9 $$", "look was ended by signal 9 (Killed)"),
        ("sleep 60", "look did not end within 1.0 s"),
        ("trap '' TERM INT; while :; do :; done", "look did not end within 1.0 s"),
        ("yes", "look says more than 64 kB"),
        ("yes >&2", "look says more than 64 kB"),
        ("cat /dev/zero", "look says more than 64 kB"),
    ],
)
async def test_what_goes_wrong_is_told(folder: Path, text: str, said: str) -> None:
    script(folder, text)
    assert await told(folder, timeout_s=1) == said


async def test_one_that_leaves_somebody_behind_with_its_output_is_not_waited_for(
    folder: Path,
) -> None:
    script(folder, "sleep 60 & exit 0")
    found = await look(job(Kind.SCRIPT, 80, script="look", timeout_s=5), folder)
    assert found is not None
    assert found.ok
    assert found.ms is not None
    assert found.ms < 3000


async def test_an_interpreter_that_is_not_there(folder: Path) -> None:
    script(folder, "", interpreter="/nonexistent")
    assert await told(folder) == "look cannot be started: No such file or directory"


@pytest.mark.parametrize("name", ["nobody", "../look", "", ".", "sub/look"])
async def test_a_script_that_is_not_there_says_nothing_of_the_server(
    folder: Path, name: str
) -> None:
    script(folder, "exit 0")
    inner = folder / "inner"
    inner.mkdir()
    assert await look(job(Kind.SCRIPT, 80, script=name), inner) is None


# A process of its own, because it takes in orphans and ends what it finds among its children.
ALONE = """
import asyncio, sys
from pathlib import Path
from services.probe.__main__ import _settle
from tests.unit.probing import job, words
from services.health.targets import Kind
_settle()
wanted = job(Kind.SCRIPT, 80, script="look", timeout_s=1)
print(asyncio.run(words(wanted, Path(sys.argv[1]))))
"""


def _named(mark: str) -> Iterator[int]:
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                line = (entry / "cmdline").read_bytes()
            except OSError:
                continue
            if mark.encode() in line and int(entry.name) != os.getpid():
                yield int(entry.name)


@pytest.mark.parametrize(
    "text",
    [
        "sleep {mark} & sleep {mark}",
        "setsid sleep {mark} & sleep {mark}",
        "(setsid sh -c 'sleep {mark} & sleep {mark}' &) ; exit 0",
        (
            "for n in 1 2 3 4 5 6 7 8; do "
            "(setsid sh -c '(setsid sleep {mark} &); sleep {mark}' &); done; sleep {mark}"
        ),
    ],
    ids=["in its session", "in another", "orphans", "many orphans of orphans"],
)
def test_nothing_of_a_script_is_left_running(folder: Path, text: str) -> None:
    mark = f"7{os.getpid():07}.{abs(hash(text)) % 10_000:04}"
    script(folder, text.format(mark=mark))
    done = subprocess.run(
        [sys.executable, "-c", ALONE, str(folder)],
        check=True,
        capture_output=True,
        text=True,
        timeout=60,
        cwd=ROOT,
    )
    assert done.stdout.strip() in {"well", "look did not end within 1.0 s"}
    assert "Traceback" not in done.stderr
    eventually(lambda: list(_named(mark)), lambda left: not left, within_s=5)
