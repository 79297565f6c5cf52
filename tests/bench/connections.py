# SPDX-License-Identifier: Apache-2.0
"""l4.connections: a million connections are listed, and the agent goes on answering meanwhile.

The list is a file here. What it costs the kernel to make one is another matter, and why reading
has a budget of time (`services.drivers.ipvs_conn`).
"""

from __future__ import annotations

import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

from tests.bench.door import Door
from tests.bench.results import Formula, Result
from tests.fakes.listing import listing

ENTRIES = 1_000_000
ROUNDS = 5
PAUSE_S = 0.02
IDLE_S = 3.0
ASKED = (
    "/connections",
    "/connections?order=client&offset=9000",
    "/connections?client=0.0.0.0/4&state=SYN_RECV",
)


@dataclass
class Beside:
    """What was seen while connections were listed."""

    lists_s: list[float] = field(default_factory=list)
    answers: list[dict[str, Any]] = field(default_factory=list)
    status_ms: list[float] = field(default_factory=list)
    idle_ms: list[float] = field(default_factory=list)
    grown_mb: float = 0.0


def beside(socket: Path, *, rounds: int, idle_s: float) -> Beside:
    """List connections `rounds` times, and ask for the status all the while."""
    seen = Beside()
    agent = _agent_of(socket)
    with Door(socket) as asking, Door(socket) as listing_door:
        quiet = time.monotonic() + idle_s
        seen.idle_ms = _asked_until(asking, lambda: time.monotonic() > quiet)
        before = agent.memory_info().rss

        def lists() -> None:
            for number in range(rounds):
                begun = time.perf_counter()
                seen.answers.append(listing_door.get(ASKED[number % len(ASKED)]))
                seen.lists_s.append(time.perf_counter() - begun)

        worker = threading.Thread(target=lists)
        worker.start()
        highest = before

        def done() -> bool:
            nonlocal highest
            highest = max(highest, agent.memory_info().rss)
            return not worker.is_alive()

        seen.status_ms = _asked_until(asking, done)
        worker.join()
    seen.grown_mb = (highest - before) / 1e6
    return seen


def measure() -> Sequence[Result]:
    """A million random entries of 100 servers."""
    with tempfile.TemporaryDirectory() as name, listing(Path(name), ENTRIES) as socket:
        seen = beside(socket, rounds=ROUNDS, idle_s=IDLE_S)
    read = {answer["read"] for answer in seen.answers}
    void = "" if read == {ENTRIES} else f"{sorted(read)} entries were read, not {ENTRIES}"
    idle = sorted(seen.idle_ms)
    p50, p95, worst = idle[len(idle) // 2], idle[len(idle) * 95 // 100], max(seen.status_ms)
    return [
        Result(
            "l4.connections.ms",
            Formula.P95,
            seen.status_ms,
            void=void,
            note=f"{len(seen.status_ms)} questions, the worst {worst:.0f} ms; "
            f"while nothing is listed: median {p50:.0f}, p95 {p95:.0f}, worst {idle[-1]:.0f} ms",
        ),
        Result("l4.connections.s", Formula.MEDIAN, seen.lists_s, void=void),
        Result("l4.connections.mb", Formula.WORST, [seen.grown_mb], void=void),
    ]


def _asked_until(door: Door, ended: Callable[[], bool]) -> list[float]:
    """How long the agent took to answer, in ms, again and again."""
    spent = []
    while not ended():
        begun = time.perf_counter()
        door.get("/status")
        spent.append((time.perf_counter() - begun) * 1000)
        time.sleep(PAUSE_S)
    return spent


def _agent_of(socket: Path) -> psutil.Process:
    """Our child that serves the socket."""
    folder = str(socket.parent.parent)
    for child in psutil.Process().children():
        if folder in child.cmdline():
            return child
    raise RuntimeError(f"no agent serves {socket}")
