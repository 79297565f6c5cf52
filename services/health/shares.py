# SPDX-License-Identifier: Apache-2.0
"""What health leaves a server of its weight: the one way by which it reaches the kernel; pure.

Down, below the quorum, just recovered, asked by its own agent for less: all of them come to a
number of per cent. So whoever makes the table needs to know nothing of checks.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from services.check import mh
from services.health.targets import ServerKey, Target
from services.health.verdict import UNKNOWN, Verdict
from services.model import Document, Layer4Service, Scheduler, ServerState
from services.model.checks import CheckType, Feedback

Shares = Mapping[ServerKey, int]
"""Per cent of its weight that a server gets, or `GONE`; one that is not named gets all of it."""

FULL: Shares = {}

GONE = -1
"""Instead of per cent: the server is down, and its entry in the kernel's table goes with it."""

STEPS = 10
"""In so many steps a recovered server's weight grows: each is a write to the kernel."""

SWITCHED_OFF = "its check is set to always off"


def weighed(weight: int, percent: int) -> int:
    """The weight that is left; a server that gets anything at all gets 1 at least."""
    if not weight or not percent:
        return 0
    return max(1, round(weight * percent / 100))


def whole_weights(service: Layer4Service) -> Sequence[int]:
    """Of what weight each server, in their order, gets its share: the document's, but for mh.

    A hundred equal servers have a turn each in mh's table, and 50 each once some of them get 99
    per cent: more than there are places, so that the last would get none. Where there can be
    shares, the weights are therefore the turns themselves, as often as there is room for. They
    do not depend on the shares, or one server's would move the clients of all.
    """
    weights = [server.weight for server in service.servers]
    shared = service.check.feedback is not Feedback.NONE or service.check.slow_start_s
    at_most = min(sum(weights), mh.MOST_TURNS * len(weights))
    if service.scheduler is not Scheduler.MH or not shared or at_most <= mh.PLACES:
        return weights
    turns = mh.turns(weights)
    times = max(1, mh.PLACES // sum(turns))
    return [each * times for each in turns]


class Standing(NamedTuple):
    """How a server stands, of all that is looked at for it."""

    up: bool
    reason: str = ""
    """Why, in words; of a healthy one mostly empty."""
    since_s: float | None = None
    """Seconds since it last turned; None: it never did."""
    check_ms: int | None = None
    checked: bool = True
    """False: nobody has looked yet, or nobody is to."""


def standing(
    service: Layer4Service,
    targets: Sequence[Target],
    verdicts: Mapping[str, Verdict],
    *,
    now: float,
) -> Standing:
    """How a server stands at `now`, seconds since 1970: healthy if all that is looked at is."""
    if service.check.kind is CheckType.ALWAYS_OFF:
        return Standing(up=False, reason=SWITCHED_OFF)
    if not targets:
        return Standing(up=True, checked=False, reason="never checked: always on")
    found = [(target, verdicts.get(target.name, UNKNOWN)) for target in targets]
    bad = [pair for pair in found if not pair[1].up] or [p for p in found if not p[1].settled]
    target, verdict = (bad or found)[0]
    return Standing(
        up=all(each.up for _, each in found),
        reason=_reason(target, verdict),
        since_s=_since(found, now),
        check_ms=verdict.results[-1].ms if verdict.results else None,
        checked=all(each.results for _, each in found),
    )


def _since(found: Sequence[tuple[Target, Verdict]], now: float) -> float | None:
    turned = max(verdict.since for _, verdict in found)
    return max(0.0, now - turned) if turned else None


def _reason(target: Target, verdict: Verdict) -> str:
    if not verdict.up and not verdict.settled:
        return f"answers again, {verdict.against} of {target.manner.rise} good checks"
    if not verdict.up:
        return verdict.words or "its check fails"
    if not verdict.settled:
        return f"check failed: {verdict.words}" if verdict.words else "check failed"
    return "" if verdict.results else "not checked yet"


def below_quorum(
    document: Document, standings: Mapping[ServerKey, Standing], before: frozenset[int]
) -> frozenset[int]:
    """Services, by id, that have too few healthy servers to answer at all.

    Between the two marks a service stays what it was `before`, so that one server that comes
    and goes does not take the whole service along each time.
    """
    return frozenset(
        service.id
        for service in document.cluster.layer4
        if _too_few(service, standings, was_below=service.id in before)
    )


def _too_few(
    service: Layer4Service, standings: Mapping[ServerKey, Standing], *, was_below: bool
) -> bool:
    lower = service.check.quorum_down
    if not lower:
        return False
    healthy = sum(
        standings[service.id, server.id].up and server.state is ServerState.ONLINE
        for server in service.servers
    )
    upper = max(service.check.quorum_up, lower)
    return healthy < (upper if was_below else lower)


def shares_of(
    document: Document,
    standings: Mapping[ServerKey, Standing],
    percents: Mapping[ServerKey, int],
    below: frozenset[int],
) -> dict[ServerKey, int]:
    """What each layer 4 server gets of its weight, those that get all of it left out.

    `percents`: what feedback agents ask for; `below`: services that lack their quorum.
    """
    quiescent = document.cluster.layer4_advanced.quiescent
    return {
        key: percent
        for service in document.cluster.layer4
        for key, percent in _of_service(service, standings, percents, below, quiescent=quiescent)
        if percent != 100
    }


def _of_service(
    service: Layer4Service,
    standings: Mapping[ServerKey, Standing],
    percents: Mapping[ServerKey, int],
    below: frozenset[int],
    *,
    quiescent: bool,
) -> Iterator[tuple[ServerKey, int]]:
    for server in service.servers:
        key = (service.id, server.id)
        stands = standings[key]
        if not stands.up and not quiescent:
            yield key, GONE
        elif not stands.up or service.id in below:
            yield key, 0
        else:
            asked = min(100, max(0, percents.get(key, 100)))
            started = started_percent(service.check.slow_start_s, stands.since_s)
            yield key, math.ceil(asked * started / 100)


def started_percent(slow_start_s: int, since_s: float | None) -> int:
    """How far a server that came back has got, 10 to 100 per cent in steps of 10."""
    if not slow_start_s or since_s is None or since_s >= slow_start_s:
        return 100
    return 100 * (1 + math.floor(since_s * STEPS / slow_start_s)) // STEPS
