# SPDX-License-Identifier: Apache-2.0
"""The same set by others: from the start of a program to the complete table.

Nobody looks after the servers here, so that what is measured is how a table is filled. Ours is
the agent's, with the document already on its disk.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path

from services.model import Document
from tests.bench.guest.agent import new_card, started
from tests.bench.guest.programs import running
from tests.bench.guest.tables import SERVERS, Filled, empty, filled, require_same, saved

WITHIN_S = 180.0
"""Then a side is given up."""


def agent_s(wanted: Document, folder: Path) -> tuple[float, list[str]]:
    """Seconds from the start of the agent, and the table it made."""
    empty()
    new_card()
    count = len(wanted.cluster.layer4) * (1 + SERVERS)
    with started(wanted, folder) as agent:
        spent, there = filled(agent.begun, count, agent.lives, within_s=WITHIN_S)
        if there < count:
            raise RuntimeError(f"the agent has made {there} of {count} lines in {spent:.0f} s")
        return spent, saved()


def peer_filled(argv: Sequence[str], lines: list[str], *, clean: bool) -> Filled:
    """From a program's start to that same table, or to where it was given up.

    `clean`: it may empty the table in the end.
    """
    empty()
    begun = time.perf_counter()
    with running(argv) as child:
        lives: Callable[[], bool] = lambda: child.poll() is None  # noqa: E731
        came = filled(begun, len(lines), lives, within_s=WITHIN_S)
        if came.lines >= len(lines):
            require_same(saved(), lines)
        if not clean:
            child.kill()
    return came
