# SPDX-License-Identifier: Apache-2.0
"""What a feedback agent asks for, calmed down; pure.

An agent that measures one second of its processor jumps between 20 and 90 per cent, and weights
that follow it make the load jump as well. The mean of the last few answers does not, and people
can work it out by hand. A server that wants nothing at all gets nothing at once.
"""

from __future__ import annotations

from typing import NamedTuple

ANSWERS = 3


class Mean(NamedTuple):
    """The last answers of one agent, the newest last."""

    answers: tuple[int, ...] = ()
    at: float = 0.0
    """When the newest was taken."""

    @property
    def percent(self) -> int:
        """What the server gets of its weight."""
        return round(sum(self.answers) / len(self.answers)) if self.answers else 100


def heard(mean: Mean, percent: int, *, at: float, every_s: float) -> Mean:
    """The mean with one more answer; one that is no `every_s` younger replaces nothing."""
    if not percent or (mean.answers and not mean.answers[-1]):
        return Mean((percent,), at)
    if at - mean.at < every_s:
        return mean
    return Mean((*mean.answers, percent)[-ANSWERS:], at)
