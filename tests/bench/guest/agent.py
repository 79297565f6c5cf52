# SPDX-License-Identifier: Apache-2.0
"""The agent as the appliance starts it, with a document of a benchmark on its disk."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from services.model import Document
from services.store import Store
from tests.bench.guest.programs import running
from tests.netns import ip


@dataclass(frozen=True)
class Agent:
    """One that runs."""

    begun: float
    """When it was started, on the clock of `time.perf_counter`."""
    child: subprocess.Popen[bytes]

    def lives(self) -> bool:
        """Whether it still runs."""
        return self.child.poll() is None


@contextmanager
def started(wanted: Document, folder: Path) -> Iterator[Agent]:
    """It keeps its things in a folder of its own below `folder`; so do its daemons."""
    with tempfile.TemporaryDirectory(dir=folder, prefix="a") as name:
        place = Path(name)
        for each in ("state", "etc"):
            (place / each).mkdir()
        Store(place / "state" / "revisions").commit(wanted, who="bench", why="", at=0)
        argv = [sys.executable, "-m", "services.agent", "--units", "child"]
        argv += [f"--{each}={place / each}" for each in ("state", "run", "etc")]
        begun = time.perf_counter()
        with running(argv) as child:
            yield Agent(begun, child)


def new_card() -> None:
    """An `eth0` in the place of the one before, whose addresses go with it."""
    if "eth0" in ip("-brief link"):
        ip("link del eth0")
    ip("link add eth0 type veth peer name far", "link set far up", "link set eth0 up")
