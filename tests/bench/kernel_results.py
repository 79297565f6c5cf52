# SPDX-License-Identifier: Apache-2.0
"""What the samples of the guest amount to; pure, so that it can be tested without one."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tests.bench.goals import GOALS
from tests.bench.results import Formula, Result, voided

Line = Mapping[str, Any]
"""What the guest tells of one subject: `samples` by name, or in words why it `failed`."""
Samples = Mapping[str, Sequence[float]]

SLACK = 1.2
"""Times `ipvsadm -R`: how long the table may take to be written after the checks' bound."""
CLAIM = 8
"""By how much DR is faster than NAT for HTTP, says the guide."""
STRAY = 0.02
"""Of DR's CPU time for a request: what the thread may spend on one that passes it by."""


def _apply(samples: Samples) -> list[Result]:
    written, glance = samples["written"], statistics.median(samples["glance"])
    whole, saved = (statistics.median(samples[each]) for each in ("none", "save"))
    return [
        Result(
            "l4.apply.ratio",
            Formula.OURS_TO_PEER,
            samples["full"],
            samples["restore"],
            samples_unit="s",
            note=f"{samples['lines'][0]:.0f} lines into an empty table, and a look as proof",
        ),
        Result(
            "l4.noop.ratio",
            Formula.OURS_TO_PEER,
            samples["none"],
            samples["save"],
            samples_unit="s",
            beside={"glance_s": samples["glance"], "written": written},
            note=(
                f"a whole pass, nothing written; the four passes between two of these take "
                f"{glance:.2f} s ({glance / saved:.2f} x), a whole one {whole:.2f} s"
            ),
            void=f"{sum(written):.0f} changes were written" if any(written) else "",
        ),
    ]


def _change(samples: Samples) -> list[Result]:
    drains = [statistics.median(samples[f"drain_{side}"]) for side in ("many", "few")]
    return [
        Result(
            "l4.change.ratio",
            Formula.OURS_TO_PEER,
            samples["many"],
            samples["few"],
            samples_unit="s",
            beside={f"drain_{side}_s": samples[f"drain_{side}"] for side in ("many", "few")},
            note=(
                "from what health says of one server to the kernel's answer; a person's drain, a "
                "revision proved by looking at the whole table, takes "
                f"{drains[0]:.1f} s and {drains[1]:.2f} s"
            ),
        )
    ]


def _against(peer: str) -> Callable[[Samples], list[Result]]:
    def judge(samples: Samples) -> list[Result]:
        ours, theirs = (statistics.median(samples[each]) for each in ("agent", peer))
        [services] = samples["services"]
        missing = max(samples["missing"])
        short = f", given up with {missing:.0f} lines missing" if missing else ""
        least = "at least " if missing else ""
        return [
            Result(
                f"l4.apply.vs_{peer}",
                Formula.OURS_TO_PEER,
                samples["agent"],
                samples[peer],
                samples_unit="s",
                note=(
                    f"{services:.0f} x 10, from the start of either to the same table: the agent "
                    f"{ours:.1f} s, {peer} {least}{theirs:.1f} s{short}"
                ),
            )
        ]

    return judge


def _traffic(samples: Samples) -> list[Result]:
    ways = {way: _Way.of(samples, way) for way in ("dr", "nat", "past")}
    direct, masked, past = ways.values()
    stray = past.cpu_us > STRAY * direct.cpu_us
    return [
        Result(
            "l4.dr_nat.ratio",
            Formula.OURS_TO_PEER,
            direct.per_cpu_s,
            masked.per_cpu_s,
            samples_unit="requests per CPU second of the appliance's card",
            beside={name: list(each) for name, each in samples.items()},
            note=(
                f"10 kB, a connection each; in per request: DR {direct.taken_in:.1f} packets, NAT "
                f"{masked.taken_in:.1f} ({masked.taken_in / direct.taken_in:.1f} x), of which IPVS "
                f"handles {direct.handled:.1f} and {masked.handled:.1f} "
                f"({masked.handled / direct.handled:.1f} x); the guide says {CLAIM} times"
            ),
            void="the thread's time is not that of forwarding alone" if stray else "",
        )
    ]


@dataclass(frozen=True)
class _Way:
    """One way of forwarding: per request, over all turns, but for `per_cpu_s`."""

    per_cpu_s: Sequence[float]
    cpu_us: float
    taken_in: float
    handled: float

    @classmethod
    def of(cls, samples: Samples, way: str) -> _Way:
        requests, cpu_s = samples[f"{way}_requests"], samples[f"{way}_cpu_s"]
        total = sum(requests)
        return cls(
            [got / spent if spent else 0.0 for got, spent in zip(requests, cpu_s, strict=True)],
            sum(cpu_s) / total * 1e6,
            sum(samples[f"{way}_in"]) / total,
            sum(samples[f"{way}_handled"]) / total,
        )


def _flip(samples: Samples) -> list[Result]:
    [bound] = samples["bound"]
    right = ", ".join(f"{each:.1f}" for each in samples["right"])
    return [
        Result(
            "health.flip.lost",
            Formula.SUM,
            samples["lost"],
            note="10000 servers fall silent at once, come back, and fall silent again",
        ),
        Result(
            "health.flip.ratio",
            Formula.OURS_TO_PEER,
            samples["right"],
            [bound + SLACK * each for each in samples["restored"]],
            samples_unit="s",
            beside={"bound_s": bound, "ipvsadm_restore_s": samples["restored"]},
            note=(
                f"the table was right after {right} s; the checks may take {bound:.0f} s, "
                f"`ipvsadm -R` takes {statistics.median(samples['restored']):.1f} s"
            ),
        ),
    ]


@dataclass(frozen=True)
class _Subject:
    """What is measured together in the guest, and the benchmarks that come of it."""

    names: tuple[str, ...]
    judge: Callable[[Samples], list[Result]]


SUBJECTS: Mapping[str, _Subject] = {
    "apply": _Subject(("l4.apply.ratio", "l4.noop.ratio"), _apply),
    "change": _Subject(("l4.change.ratio",), _change),
    "keepalived": _Subject(("l4.apply.vs_keepalived",), _against("keepalived")),
    "ldirectord": _Subject(("l4.apply.vs_ldirectord",), _against("ldirectord")),
    "traffic": _Subject(("l4.dr_nat.ratio",), _traffic),
    "flip": _Subject(("health.flip.lost", "health.flip.ratio"), _flip),
}
"""By the name of the guest's module, in the order of measuring."""


def judged(lines: Mapping[str, Line]) -> list[Result]:
    """The results of what the guest told, in the order of the goals."""
    results: list[Result] = []
    for subject, line in lines.items():
        of = SUBJECTS[subject]
        if "failed" in line:
            results += [voided(name, line["failed"]) for name in of.names]
        else:
            results += of.judge(line["samples"])
    order = list(GOALS)
    return sorted(results, key=lambda result: order.index(result.name))
