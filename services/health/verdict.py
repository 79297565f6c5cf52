# SPDX-License-Identifier: Apache-2.0
"""From single results to a verdict: how many in a row it takes, and what is remembered; pure.

HAProxy counts rise and fall itself; what it says is taken as it is. Results of `ballast-probe`
are counted here, in the same way, so that both engines mean the same by 2 and 3.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

KEPT = 10
"""Results remembered of a target."""

LONGEST = 160
"""Signs of a result's words that are kept."""


@dataclass(frozen=True)
class Result:
    """What one look found."""

    ok: bool
    words: str
    """"connection refused", "answer 503, expected 200"; of a good one mostly empty."""
    at: float
    """Seconds since 1970."""
    ms: int | None = None
    """How long it took."""
    percent: int | None = None
    """A feedback agent's answer: the part of its weight that the server wants."""


@dataclass(frozen=True)
class Verdict:
    """What a target's results so far amount to."""

    up: bool = True
    against: int = 0
    """Results in a row that speak against it; `fall` or `rise` of them turn it round."""
    since: float = 0.0
    """When it last turned, seconds since 1970; 0: never."""
    results: tuple[Result, ...] = ()
    """The newest last, `KEPT` at most; equal ones in a row are one, with the newest time."""

    @property
    def settled(self) -> bool:
        """Whether the last result was like those before: if not, it is worth a look soon."""
        return not self.against

    @property
    def words(self) -> str:
        """Why it is so: what the last result said."""
        return self.results[-1].words if self.results else ""


UNKNOWN = Verdict()
"""Nobody has looked yet. Such a server is taken for healthy, and its first failure is enough: a
unit that starts sends clients to servers that answered for years rather than to none."""


def judged(verdict: Verdict, result: Result, *, fall: int, rise: int) -> Verdict:
    """The verdict after one more result."""
    seen = replace(verdict, results=remembered(verdict.results, result))
    if result.ok is verdict.up:
        return replace(seen, against=0)
    needed = rise if result.ok else fall
    first = not verdict.results
    if verdict.against + 1 < needed and not first:
        return replace(seen, against=verdict.against + 1)
    return replace(seen, up=result.ok, against=0, since=result.at)


def remembered(results: tuple[Result, ...], result: Result) -> tuple[Result, ...]:
    """The newest results: one that says what the last one said takes its place."""
    if results and (results[-1].ok, results[-1].words) == (result.ok, result.words):
        return (*results[:-1], result)
    return (*results, result)[-KEPT:]
