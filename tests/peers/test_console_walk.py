# SPDX-License-Identifier: Apache-2.0
"""The console walked end to end by keys alone, at 80x24 in a real terminal, on real traffic.

What a newcomer does after `make run`: a second virtual service with a server, review,
apply, drain one, halt one, a server's process dies; the clients' requests follow.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator

import pytest

from tests.lab import Lab
from tests.peers.appliance import answers, healths
from tests.poll import eventually
from tests.tmux import Tmux

pytestmark = pytest.mark.needs("tmux")


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    with Lab(servers=3, spares=1) as lab:
        lab.start_agent()
        eventually(lambda: healths(lab)["web"] == "UP")
        yield lab


@pytest.fixture
def console(lab: Lab) -> Iterator[Tmux]:
    argv = [sys.executable, "-m", "console", "--socket", str(lab.socket)]
    env = {"PATH": os.environ["PATH"], "LANG": "C.UTF-8"}
    with Tmux(argv, env=env) as terminal:
        terminal.await_text("System Overview", "web3")
        yield terminal


def fill(console: Tmux, *values: str) -> None:
    """One value per field, from the first field on, over what stands there."""
    for number, value in enumerate(values):
        if number:
            console.press("Down")
        console.press("C-u")
        console.type(value)


def apply_pending(console: Tmux, reason: str) -> None:
    console.press("F7")
    console.await_text("What applying does", "reload, no connection lost")
    console.press("F9")
    console.await_text("Apply pending changes")
    console.type(reason)
    console.press("F9")
    console.await_text("Applied")
    console.press("Escape")


def choose(console: Tmux, row: int) -> None:
    console.press("Home", *["Down"] * row)


@pytest.mark.timeout(240)
def test_from_the_overview_to_real_traffic_and_back(lab: Lab, console: Tmux) -> None:
    # a second service; a refused address says why and loses nothing
    console.press("n")
    console.await_text("Layer 7 virtual service (VIP)")
    console.press("v")
    console.await_text("New virtual service")
    fill(console, "shop", "192.168.2.21", "8080")
    console.press("F9")
    console.await_text("1 field has to be corrected", "own address")
    console.press("C-u")
    console.type("192.168.2.110")
    console.press("F9")
    console.await_row("shop", "NEW")
    assert healths(lab).keys() == {"web", "web/web1", "web/web2", "web/web3"}, "nothing runs yet"

    # its server, in the same draft
    console.press("End", "n")
    console.await_text("Real server (RIP) in shop")
    console.press("r")
    console.await_text("New real server")
    fill(console, "web4", "192.168.2.104", "80")
    console.press("F9")
    console.await_row("web4", "NEW")
    apply_pending(console, "a second service")
    console.await_row("shop", "UP", within_s=40)
    eventually(lambda: answers(lab, "192.168.2.110", count=2, port=8080) == {"web4"})

    # drain web1, halt web2: the requests follow
    choose(console, 1)
    console.press("d")
    console.await_text("Drain web1")
    console.press("y")
    console.await_row("web1", "DRAIN")
    assert answers(lab) == {"web2", "web3"}
    choose(console, 2)
    console.press("h")
    console.await_text("Halt web2", "Drain instead")
    console.press("y")
    console.await_row("web2", "HALT")
    assert answers(lab) == {"web3"}

    # the last healthy server wants the service's name typed
    choose(console, 3)
    console.press("h")
    console.await_text("Halt web3")
    console.press("y")
    console.await_text("no healthy real server", "Type web to go on")
    console.press("Enter")
    console.await_text("This is not web")
    console.press("Escape")
    console.await_row("web3", "UP")

    # back online
    for row, server in ((1, "web1"), (2, "web2")):
        choose(console, row)
        console.press("o")
        console.await_text(f"Bring online {server}")
        console.press("y")
        console.await_row(server, "UP")

    # a process dies, and comes back
    lab.server("web3").stop()
    console.await_row("web3", "DOWN")
    console.await_row("web ", "WARN")
    assert answers(lab) == {"web1", "web2"}
    lab.server("web3").start()
    console.await_row("web3", "UP")

    # help and out
    console.press("F1")
    console.await_text("Help", "Keys of this screen")
    console.press("Escape")
    console.await_text("System Overview")
    console.press("F10")
    console.await_text("Log in", "revision")
    console.press("q")
    assert console.await_end() == 0
