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
from tests.bench.guest.tables import SERVERS, complete_s, empty, require_same, saved

WITHIN_S = 240.0


def agent_s(wanted: Document, folder: Path) -> tuple[float, list[str]]:
    """Seconds from the start of the agent, and the table it made."""
    empty()
    new_card()
    count = len(wanted.cluster.layer4) * (1 + SERVERS)
    with started(wanted, folder) as agent:
        spent = complete_s(agent.begun, count, agent.lives, within_s=WITHIN_S)
        return spent, saved()


def peer_s(argv: Sequence[str], lines: list[str], *, clean: bool) -> float:
    """Seconds from a program's start to that same table; `clean`: it may empty it in the end."""
    empty()
    begun = time.perf_counter()
    with running(argv) as child:
        lives: Callable[[], bool] = lambda: child.poll() is None  # noqa: E731
        spent = complete_s(begun, len(lines), lives, within_s=WITHIN_S)
        require_same(saved(), lines)
        if not clean:
            child.kill()
    return spent
