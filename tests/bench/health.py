# SPDX-License-Identifier: Apache-2.0
"""health.detect.ratio and health.vs_ldirectord: how soon servers that fall silent get no clients.

Of 1,000 servers every fifth vanishes at one moment: whoever looks hears nothing and has to wait,
which is the worst that can happen to checks. Measured is the time until the kernel's table has
the weight 0. ldirectord has the same list; it waits for one silent server after the other, so
it is given up after `PATIENCE_S`, and a server it has not noticed by then counts as if noticed
that moment. The figure is that of its default, one process for all services; what it does with
a process for each (`fork = yes`) stands beside.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from services.health.targets import FAST_S
from tests.bench.farm import Farm, Shape, Weight, lost_after_s
from tests.bench.ldirectord import ldirectord
from tests.bench.results import Formula, Result, voided
from tests.lab import Lab

SHAPE = Shape(services=10, servers=100, leaving=20)
ROUNDS = 3
LOOKS = 2
"""So many checks every server has passed before some vanish."""
START_S = 30
THEIR_START_S = 240
"""ldirectord lists the whole table twice for each server when it starts."""
PATIENCE_S = 100
POLL_S = 0.2


def bound_s(shape: Shape) -> float:
    """The latest moment that the settings allow: a check has just been passed, and then as many
    as it takes wait for an answer to their very end.
    """
    fast = min(FAST_S, shape.interval_s)
    return shape.interval_s + (shape.fall - 1) * fast + shape.fall * shape.timeout_s


@dataclass(frozen=True)
class Seen:
    """What became of the servers that vanished, and of the others."""

    after_s: Mapping[str, float]
    """Until their weight was 0, of those that got it in time."""
    vanished: frozenset[str]
    watched_s: float

    @property
    def samples(self) -> list[float]:
        """A time for each that vanished; who was not noticed counts as noticed at the end."""
        return [self.after_s.get(each, self.watched_s) for each in sorted(self.vanished)]

    @property
    def unnoticed(self) -> int:
        """How many were still sent clients at the end."""
        return len(self.vanished - self.after_s.keys())

    @property
    def wronged(self) -> int:
        """How many lost their weight although they answered."""
        return len(self.after_s.keys() - self.vanished)


def watched(farm: Farm, shape: Shape, weights: Callable[[], list[Weight]], within_s: float) -> Seen:
    """Let servers vanish and watch until all of them are noticed, or time is up."""
    vanished = shape.those_leaving
    gone_at = farm.vanish(shape)
    begun = time.monotonic()
    try:
        while True:
            spent = time.monotonic() - begun
            found = lost_after_s(weights(), since=gone_at)
            if spent > within_s or vanished <= found.keys():
                return Seen(found, vanished, within_s)
            time.sleep(POLL_S)
    finally:
        farm.come_back(shape)


def ours(farm: Farm, shape: Shape, rounds: int) -> list[Seen]:
    """The appliance, some times over; between them all servers come back."""
    begun = farm.start_agent(shape)
    seen = []
    for _ in range(rounds):
        farm.await_looks(shape, since=begun, looks=LOOKS, within_s=START_S)
        seen.append(watched(farm, shape, lambda: farm.weights, 3 * bound_s(shape)))
        begun = farm.await_weights(shape, within_s=START_S)
    farm.stop_agent()
    return seen


def theirs(farm: Farm, shape: Shape, *, fork: bool, within_s: float) -> Seen:
    """A ldirectord, once."""
    with ldirectord(farm, shape, fork=fork) as peer:
        try:
            farm.await_looks(shape, since=peer.begun, looks=LOOKS, within_s=THEIR_START_S)
        except RuntimeError as error:
            raise RuntimeError(f"ldirectord: {error}: {peer.words}") from error
        return watched(farm, shape, lambda: peer.weights, within_s)


def measure() -> Sequence[Result]:
    """Ours some times, then ldirectord once in each of its ways."""
    with Lab(1, spares=0) as lab:
        farm = Farm(lab)
        rounds = ours(farm, SHAPE, ROUNDS)
        try:
            plain = theirs(farm, SHAPE, fork=False, within_s=PATIENCE_S)
            forked = theirs(farm, SHAPE, fork=True, within_s=PATIENCE_S)
        except RuntimeError as error:
            beside = voided("health.vs_ldirectord", str(error))
        else:
            beside = beside_ldirectord(rounds, plain, forked)
    return [detection(rounds, bound_s(SHAPE)), beside]


def detection(rounds: Sequence[Seen], bound: float) -> Result:
    """The 99th percentile of all rounds beside what the settings allow."""
    samples = [each for seen in rounds for each in seen.samples]
    return Result(
        "health.detect.ratio",
        Formula.P99_TO_PEER,
        samples,
        [bound],
        samples_unit="s",
        void=doubts(rounds),
        note=f"{len(samples)} servers in {len(rounds)} rounds: median "
        f"{statistics.median(samples):.2f} s, worst {max(samples):.2f} s; bound {bound:g} s",
    )


def beside_ldirectord(rounds: Sequence[Seen], plain: Seen, forked: Seen) -> Result:
    """The medians, and what ldirectord does with a process for each service."""
    samples = [each for seen in rounds for each in seen.samples]
    ours_s = statistics.median(samples)
    forked_s = statistics.median(forked.samples)
    return Result(
        "health.vs_ldirectord",
        Formula.OURS_TO_PEER,
        samples,
        plain.samples,
        samples_unit="s",
        beside={"fork_yes_s": forked.samples, "fork_yes_ratio": ours_s / forked_s},
        void=doubts([*rounds, forked]) or doubts([plain], patient=False),
        note=f"median {ours_s:.2f} s; ldirectord as it comes {said(plain)}; "
        f"with fork = yes {said(forked)}, ratio {ours_s / forked_s:.3f}",
    )


def said(seen: Seen) -> str:
    """The median in words, and how much of it is only a lower limit."""
    words = f"{statistics.median(seen.samples):.1f} s"
    if not seen.unnoticed:
        return words
    return f"at least {words} ({seen.unnoticed} of {len(seen.vanished)} not noticed when given up)"


def doubts(rounds: Sequence[Seen], *, patient: bool = True) -> str:
    """Why these prove nothing, if so; `patient`: all servers should have been noticed."""
    wronged = sum(seen.wronged for seen in rounds)
    if wronged:
        return f"{wronged} servers that answered were taken for dead"
    unnoticed = sum(seen.unnoticed for seen in rounds)
    if patient and unnoticed:
        return f"{unnoticed} servers were never noticed"
    return ""
