# SPDX-License-Identifier: Apache-2.0
"""The namespace helper carries results and failures home, and leaves the host alone."""

from __future__ import annotations

import asyncio
import socket
import subprocess
import time
from pathlib import Path

import pytest

from services.errors import Unable
from tests.netns import FailedInside, Namespace, cable, inside, ip


def devices() -> set[str]:
    return {name for _, name in socket.if_nameindex()}


def test_the_child_has_a_network_of_its_own() -> None:
    assert inside(devices) == {"lo"}


async def test_a_coroutine_function_gets_a_loop_even_from_within_one() -> None:
    async def answer(number: int) -> int:
        await asyncio.sleep(0)
        return number + 1

    assert inside(answer, 41) == 42


def test_an_exception_comes_home_with_the_childs_traceback() -> None:
    def fail() -> None:
        raise KeyError("eth7")

    with pytest.raises(KeyError, match="eth7") as caught:
        inside(fail)
    assert "in fail" in caught.value.__notes__[0]


def test_an_exception_that_cannot_travel_is_told_in_words() -> None:
    def fail() -> None:
        raise Unable("eth7 does not exist.", do="Plug it in.")

    with pytest.raises(FailedInside, match="eth7 does not exist"):
        inside(fail)


def test_a_child_that_hangs_is_ended() -> None:
    began = time.monotonic()
    with pytest.raises(FailedInside, match="did not finish"):
        inside(time.sleep, 60, timeout_s=0.2)
    assert time.monotonic() - began < 10


def test_a_daemon_in_a_session_of_its_own_ends_with_the_child(tmp_path: Path) -> None:
    def leave_behind() -> None:
        subprocess.Popen(["sleep", "600"], start_new_session=True, cwd=tmp_path)

    inside(leave_behind)
    assert [proc for proc in Path("/proc").glob("[0-9]*/cwd") if _leads_to(proc, tmp_path)] == []


def _leads_to(link: Path, folder: Path) -> bool:
    try:
        return link.readlink() == folder
    except OSError:
        return False


def test_a_cable_joins_two_namespaces() -> None:
    def addresses() -> tuple[set[str], set[str], bytes]:
        far = Namespace()
        cable("eth0", "far0", far)
        ip("addr add 192.0.2.1/24 dev eth0", "link set eth0 up")
        with far.entered():
            ip("addr add 192.0.2.2/24 dev far0")
            there = devices()
            listening = socket.create_server(("192.0.2.2", 8000))
        with socket.create_connection(("192.0.2.2", 8000), timeout=5) as near:
            near.sendall(b"hello")
        accepted, _ = listening.accept()
        return devices(), there, accepted.recv(100)

    before = devices()
    assert inside(addresses) == ({"lo", "eth0"}, {"lo", "far0"}, b"hello")
    assert devices() == before
