# SPDX-License-Identifier: Apache-2.0
"""store.commit.ratio: a revision on the disk beside the least that is durable.

Both sides start from the bytes: an apply serialises the document while HAProxy judges it,
and l7.apply.ratio pays for that. With it the commit's time stands beside.

In the project's own build folder, because /tmp may be memory, where fsync costs nothing
and the ratio would be one of CPU times alone.
"""

from __future__ import annotations

import os
import statistics
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from services.model import Document
from services.store import Store, prepare
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


def changed(document: Document, turn: int) -> Document:
    """The document with one service changed."""
    layer7 = list(document.cluster.layer7)
    position = turn % len(layer7)
    layer7[position] = layer7[position].model_copy(update={"max_connections": 30_000 + turn})
    cluster = document.cluster.model_copy(update={"layer7": tuple(layer7)})
    return document.model_copy(update={"cluster": cluster})


def measure() -> Sequence[Result]:
    """Take turns; both sides fill a folder of their own."""
    BUILD.mkdir(parents=True, exist_ok=True)
    document = Document.model_validate(fleet(SERVICES, SERVERS))
    with tempfile.TemporaryDirectory(dir=BUILD) as folder:
        revisions, bare = Path(folder, "revisions"), Path(folder, "bare")
        bare.mkdir()
        store = Store(revisions)
        store.newest()
        ours, peer, whole = [], [], []
        data = b""
        for turn in range(WARM_UP + PAIRS):
            document = changed(document, turn)
            begun = time.perf_counter()
            ready = prepare(document)
            prepared = time.perf_counter()
            record = store.commit(ready, who="bench", why="benchmark", at=float(turn))
            ended = time.perf_counter()
            ours.append(ended - prepared)
            whole.append(ended - begun)
            data = (revisions / f"{record.number:08d}.json").read_bytes()
            peer.append(bare_s(bare, data, turn))
    return [
        Result(
            "store.commit.ratio",
            Formula.OURS_TO_PEER,
            ours[WARM_UP:],
            peer[WARM_UP:],
            samples_unit="s",
            beside={"serialised_and_committed_s": whole[WARM_UP:]},
            note=(
                f"{SERVICES} services of {SERVERS}: {len(data) / 1024:.0f} KiB a revision; "
                f"{statistics.median(ours[WARM_UP:]) * 1e3:.1f} ms, "
                f"with serialising {statistics.median(whole[WARM_UP:]) * 1e3:.1f} ms"
            ),
        )
    ]
