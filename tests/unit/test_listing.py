# SPDX-License-Identifier: Apache-2.0
"""The agent answers others while it lists very many connections; `make bench` does a million."""

from __future__ import annotations

import tempfile
from pathlib import Path
from statistics import median

from tests.bench.connections import beside
from tests.fakes.listing import SERVERS, SERVICES, listing

ENTRIES = 200_000


def test_a_long_list_holds_nobody_up() -> None:
    # a socket's path must be short
    with tempfile.TemporaryDirectory() as name, listing(Path(name), ENTRIES) as socket:
        seen = beside(socket, rounds=3, idle_s=0.5)
    assert [answer["read"] for answer in seen.answers] == [ENTRIES] * 3
    assert all(answer["whole"] for answer in seen.answers)
    assert len(seen.answers[0]["servers"]) == SERVICES * SERVERS
    assert len(seen.status_ms) > 3
    assert median(seen.status_ms) < 1000 * max(seen.lists_s) / 4, "answered beside, not after"
