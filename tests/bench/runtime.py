# SPDX-License-Identifier: Apache-2.0
"""l7.runtime.ms: how soon a drain or a new weight is true in HAProxy itself.

The clock runs from the request to the moment when the worker says so to somebody who is
not the agent: a second connection asks it all the time. The answer to the request comes
later, because then the change is also kept for good; it stands beside. Void unless the
worker is the same process throughout and the next reload still has what was set.
"""

from __future__ import annotations

import asyncio
import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from services.api import ApplyRequest, KnobRequest
from services.client import Client
from services.model import Document, ServerState
from tests.bench.fleets import fleet
from tests.bench.haproxy import runtime, worker_pid
from tests.bench.origin import Origin
from tests.bench.results import Formula, Result
from tests.lab import Lab

SERVICES, SERVERS = 200, 5
CHANGES = 24
WARM_UP = 1
PAUSE_S = 0.1
SEEN_S = 10
WEIGHT_COLUMN = "srv_uweight"


@dataclass(frozen=True)
class Step:
    """One change and what HAProxy must say then."""

    service: int
    server: int
    wish: KnobRequest
    weight: int


def steps(document: Document) -> list[Step]:
    """A weight, then a drain, then a weight, on servers all over the document."""
    layer7 = document.cluster.layer7
    made = []
    for turn in range(WARM_UP + CHANGES):
        service = layer7[turn * 7 % len(layer7)]
        server = service.servers[turn % len(service.servers)]
        weight = 0 if turn % 2 else 10 + turn
        wish = KnobRequest(
            servers=((service.id, server.id),),
            state=ServerState.DRAIN if turn % 2 else None,
            weight=None if turn % 2 else weight,
        )
        made.append(Step(service.id, server.id, wish, weight))
    return made


def weight_in(states: str, server: int) -> int:
    """A server's weight in an answer to `show servers state`."""
    _, head, *lines = states.splitlines()
    columns = head.removeprefix("# ").split()
    for line in lines:
        row = dict(zip(columns, line.split(), strict=False))
        if row.get("srv_name") == f"rs{server}":
            return int(row[WEIGHT_COLUMN])
    raise ValueError(f"rs{server} is not in {states[:200]!r}")


def weight_of(admin: Path, step: Step) -> int:
    """What the worker says now."""
    return weight_in(runtime(admin, f"show servers state vs{step.service}"), step.server)


def seen_at(admin: Path, step: Step) -> float:
    """Ask until the worker says it; when that was."""
    give_up_at = time.monotonic() + SEEN_S
    while weight_of(admin, step) != step.weight:
        if time.monotonic() > give_up_at:
            raise RuntimeError(f"HAProxy never says weight {step.weight} of {step}")
        time.sleep(0.0005)
    return time.perf_counter()


async def taken(lab: Lab) -> tuple[list[float], list[float], list[str]]:
    """Milliseconds until it was true, and until the answer; and what makes them void."""
    admin = lab.folder / "run" / "haproxy" / "admin.sock"
    client = Client(lab.socket)
    seen_ms, answered_ms, doubts = [], [], []
    before = worker_pid(admin)
    todo = steps((await client.document()).document)
    for step in todo:
        await asyncio.sleep(PAUSE_S)
        watching = asyncio.create_task(asyncio.to_thread(seen_at, admin, step))
        await asyncio.sleep(0.01)  # the watcher asks already when the request leaves
        begun = time.perf_counter()
        await client.set_servers(step.wish)
        answered_ms.append((time.perf_counter() - begun) * 1e3)
        seen_ms.append((await watching - begun) * 1e3)
    if worker_pid(admin) != before:
        doubts.append("the worker was replaced")
    await reload(client)
    if worker_pid(admin) == before:
        doubts.append("nothing was reloaded afterwards")
    lost = sum(weight_of(admin, step) != step.weight for step in todo)
    if lost:
        doubts.append(f"{lost} changes were gone after a reload")
    return seen_ms[WARM_UP:], answered_ms[WARM_UP:], doubts


async def reload(client: Client) -> None:
    """Apply something that only a new worker can take on."""
    document = (await client.document()).document
    first, *others = document.cluster.layer7
    changed = first.model_copy(update={"max_connections": first.max_connections - 1})
    cluster = document.cluster.model_copy(update={"layer7": (changed, *others)})
    await client.apply(
        ApplyRequest(document=document.model_copy(update={"cluster": cluster}), why="benchmark")
    )


def measure() -> Sequence[Result]:
    """All changes, one after the other."""
    with Lab(1, spares=0) as lab:
        Origin(lab)
        lab.start_agent(first=fleet(SERVICES, SERVERS))
        seen_ms, answered_ms, doubts = asyncio.run(taken(lab))
    return [
        Result(
            "l7.runtime.ms",
            Formula.WORST,
            seen_ms,
            beside={"answered_ms": answered_ms},
            void="; ".join(doubts),
            note=(
                f"{len(seen_ms)} drains and weights among {SERVICES} services of {SERVERS}; "
                f"median {statistics.median(seen_ms):.0f} ms, "
                f"kept for good and answered after {statistics.median(answered_ms):.0f} ms"
            ),
        )
    ]
