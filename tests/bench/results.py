# SPDX-License-Identifier: Apache-2.0
"""A result is its raw samples and a formula; the value is computed, never stored by hand.

So a reader of the file can compute it again (`recomputed` does), and no subject can report
a figure that its samples do not carry.
"""

from __future__ import annotations

import json
import math
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

from tests.bench.goals import GOALS, Goal

Samples = Sequence[float]


class Formula(StrEnum):
    """How a value comes from the samples of both sides; the words stand in the file."""

    OURS_TO_PEER = "median(ours) / median(peer)"
    PEER_TO_OURS = "median(peer) / median(ours)"
    MEDIAN = "median(ours)"
    P95 = "p95(ours), nearest rank"
    P99_TO_PEER = "p99(ours), nearest rank / median(peer)"
    MEAN = "mean(ours)"
    WORST = "max(ours)"
    SUM = "sum(ours)"


class Verdict(StrEnum):
    """What the table says at the end of a line."""

    PASS = "pass"
    MISS = "miss"
    VOID = "void"
    """What the value rests on did not hold in this run: it counts as a miss."""


def percentile(percent: int, samples: Samples) -> float:
    """The smallest sample that at least so many per cent of all do not exceed."""
    return sorted(samples)[math.ceil(percent * len(samples) / 100) - 1]


_COMPUTE: Mapping[Formula, Callable[[Samples, Samples], float]] = {
    Formula.OURS_TO_PEER: lambda ours, peer: statistics.median(ours) / statistics.median(peer),
    Formula.PEER_TO_OURS: lambda ours, peer: statistics.median(peer) / statistics.median(ours),
    Formula.MEDIAN: lambda ours, _: statistics.median(ours),
    Formula.P95: lambda ours, _: percentile(95, ours),
    Formula.P99_TO_PEER: lambda ours, peer: percentile(99, ours) / statistics.median(peer),
    Formula.MEAN: lambda ours, _: statistics.fmean(ours),
    Formula.WORST: lambda ours, _: max(ours),
    Formula.SUM: lambda ours, _: math.fsum(ours),
}


@dataclass(frozen=True)
class Result:
    """One benchmark's outcome."""

    name: str
    formula: Formula
    ours: Samples = ()
    """In the order in which they were taken."""
    peer: Samples = ()
    """The other side; `peer[i]` was measured beside `ours[i]` where the sides took turns."""
    samples_unit: str = ""
    beside: Mapping[str, object] = field(default_factory=dict)
    """Further figures for the reader; nothing is judged by them."""
    note: str = ""
    void: str = ""
    """Why the value says nothing, if so."""

    @property
    def goal(self) -> Goal:
        """What it is to reach."""
        return GOALS[self.name]

    @property
    def value(self) -> float | None:
        """Computed from the samples; None when there are none."""
        return _COMPUTE[self.formula](self.ours, self.peer) if self.ours else None

    @property
    def verdict(self) -> Verdict:
        """Pass only if the run was valid and the goal is met."""
        value = self.value
        if self.void or value is None:
            return Verdict.VOID
        return Verdict.PASS if self.goal.met_by(value) else Verdict.MISS

    def entry(self, at: str) -> dict[str, Any]:
        """Its place in the file of results; `at` says when it was measured."""
        goal = self.goal
        return {
            "value": self.value,
            "unit": goal.unit,
            "goal": goal.limit,
            "sense": goal.sense.value,
            "peer": goal.peer,
            "note": ". ".join(part for part in (self.void, self.note) if part),
            "verdict": self.verdict.value,
            "formula": self.formula.value,
            "samples": {
                "unit": self.samples_unit or goal.unit,
                "ours": list(self.ours),
                "peer": list(self.peer),
            },
            "beside": dict(self.beside),
            "at": at,
        }


def voided(name: str, why: str) -> Result:
    """The result of a benchmark that could not be measured."""
    return Result(name, Formula.MEDIAN, void=" ".join(why.split())[:400])


def recomputed(entry: Mapping[str, Any]) -> float | None:
    """The value of an entry of the file, from its samples alone."""
    samples = entry["samples"]
    if not samples["ours"]:
        return None
    return _COMPUTE[Formula(entry["formula"])](samples["ours"], samples["peer"])


def save(results: Sequence[Result], path: Path, *, at: str) -> None:
    """Write the results into the file; entries of benchmarks that did not run stay.

    Each entry says when it was measured, so a file put together from two runs tells it.
    """
    try:
        kept = json.loads(path.read_text())
    except (OSError, ValueError):
        kept = {}
    fresh = {result.name: result.entry(at) for result in results}
    merged = {name: fresh.get(name, kept.get(name)) for name in GOALS}
    path.parent.mkdir(parents=True, exist_ok=True)
    whole = {name: entry for name, entry in merged.items() if entry is not None}
    path.write_text(json.dumps(whole, indent=1) + "\n")
