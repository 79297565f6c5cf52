# SPDX-License-Identifier: Apache-2.0
"""`python -m tests.bench [NAME ...]`: measure, print the table, write build/bench/results.json.

A name may be a beginning: `l7` is everything of layer 7. The exit status is 1 when a goal
is missed; a benchmark that cannot be measured is void, which counts as missed.
"""

from __future__ import annotations

import argparse
import sys
import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path

from tests.bench.goals import GOALS
from tests.bench.results import Result, Verdict, save, voided
from tests.bench.table import rendered
from tests.lab.control import ROOT

RESULTS = ROOT / "build" / "bench" / "results.json"

Measure = Callable[[], Sequence[Result]]


@dataclass(frozen=True)
class Subject:
    """A module of this package with a function `measure`, and the results that gives."""

    module: str
    names: tuple[str, ...]

    def measured(self) -> Sequence[Result]:
        """Measure; whatever goes wrong makes these results void and spares the others."""
        try:
            measure: Measure = import_module(f"tests.bench.{self.module}").measure
            return measure()
        except Exception as error:  # noqa: BLE001  the other subjects are still to be measured
            traceback.print_exc()
            return [voided(name, f"{type(error).__name__}: {error}") for name in self.names]


SUBJECTS = (
    Subject("reload", ("l7.reload.failed",)),
    Subject("apply", ("l7.apply.ratio",)),
    Subject("throughput", ("l7.throughput.ratio",)),
    Subject("runtime", ("l7.runtime.ms",)),
    Subject("check", ("model.check.s",)),
    Subject("store", ("store.commit.ratio",)),
    Subject("console", ("console.paint.s", "console.key.ms", "console.rss.mb")),
    Subject("idle", ("console.idle.pct",)),
    Subject("connections", ("l4.connections.ms", "l4.connections.s", "l4.connections.mb")),
    Subject("health", ("health.detect.ratio", "health.vs_ldirectord")),
    Subject("checking", ("health.cpu.pct", "health.shared")),
    Subject(
        "kernel",
        (
            *("l4.apply.ratio", "l4.change.ratio", "l4.noop.ratio"),
            *("l4.apply.vs_keepalived", "l4.apply.vs_ldirectord", "l4.dr_nat.ratio"),
            *("health.flip.lost", "health.flip.ratio"),
        ),
    ),
    Subject(
        "image",
        ("image.ova.mb", "image.boot.ratio", "image.boot.s", "image.rss.mb", "image.ports"),
    ),
    Subject("image_build", ("image.build.s", "image.repro.diff")),
)


def chosen(words: Sequence[str]) -> frozenset[str]:
    """The benchmarks whose names begin with one of `words`, all without any.

    Raises `ValueError` for a word that fits none.
    """
    for word in words:
        if not any(name.startswith(word) for name in GOALS):
            raise ValueError(f"{word}: there are only {', '.join(GOALS)}")
    return frozenset(
        name for name in GOALS if not words or any(name.startswith(word) for word in words)
    )


def run(names: frozenset[str]) -> list[Result]:
    """Measure the subjects behind `names`, one after the other, saying which."""
    results: list[Result] = []
    for subject in SUBJECTS:
        if not names.intersection(subject.names):
            continue
        print(f"measuring {', '.join(subject.names)} ...", end=" ", file=sys.stderr, flush=True)
        begun = time.monotonic()
        results += subject.measured()
        print(f"{time.monotonic() - begun:.0f} s", file=sys.stderr, flush=True)
    return results


def main(argv: Sequence[str] | None = None) -> int:
    """Entry point; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(GOALS))
    parser.add_argument("--out", type=Path, default=RESULTS, help="file of the results")
    given = parser.parse_args(argv)
    try:
        names = chosen(given.names)
    except ValueError as error:
        parser.error(str(error))
    results = run(names)
    save(results, given.out, at=datetime.now(UTC).isoformat(timespec="seconds"))
    print(rendered(results))
    return 0 if all(result.verdict is Verdict.PASS for result in results) else 1


if __name__ == "__main__":
    sys.exit(main())
