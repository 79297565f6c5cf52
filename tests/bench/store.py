# SPDX-License-Identifier: Apache-2.0
"""store.commit.ratio: a revision on the disk beside the least that is durable.

In the project's own build folder, because /tmp may be memory, where fsync costs nothing
and the ratio would be one of CPU times alone.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from services.model import Document
from services.store import Store
from tests.bench.fleets import fleet
from tests.bench.results import Formula, Result
from tests.lab.control import ROOT

SERVICES, SERVERS = 200, 5
PAIRS = 40
WARM_UP = 3
BUILD = ROOT / "build" / "bench"


def bare_s(folder: Path, data: bytes, number: int) -> float:
    """Seconds for write, fsync, rename."""
    begun = time.perf_counter()
    fresh = folder / "fresh"
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o640)
    try:
        os.write(descriptor, data)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    fresh.rename(folder / f"{number}")
    return time.perf_counter() - begun


def measure() -> Sequence[Result]:
    """Take turns; both sides fill a folder of their own."""
    BUILD.mkdir(parents=True, exist_ok=True)
    document = Document.model_validate(
        fleet(SERVICES, SERVERS, address="192.168.2.101", first_port=8001)
    )
    with tempfile.TemporaryDirectory(dir=BUILD) as folder:
        revisions, bare = Path(folder, "revisions"), Path(folder, "bare")
        bare.mkdir()
        store = Store(revisions)
        store.newest()
        ours, peer = [], []
        size = 0
        for turn in range(WARM_UP + PAIRS):
            begun = time.perf_counter()
            store.commit(document, who="bench", why="benchmark", at=float(turn))
            ours.append(time.perf_counter() - begun)
            size = max(file.stat().st_size for file in revisions.iterdir())
            peer.append(bare_s(bare, os.urandom(size), turn))
    return [
        Result(
            "store.commit.ratio",
            Formula.OURS_TO_PEER,
            ours[WARM_UP:],
            peer[WARM_UP:],
            samples_unit="s",
            note=f"{SERVICES} services of {SERVERS}: {size / 1024:.0f} KiB a revision",
        )
    ]
