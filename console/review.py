# SPDX-License-Identifier: Apache-2.0
"""The review of pending changes as lines to read: what applying does to traffic. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence

from rich.style import Style

from console import theme
from console.glyphs import wrap
from console.objects import Object
from console.wording import count
from services.api import (
    Applied,
    ClashView,
    Edit,
    Effect,
    PlannedChange,
    PlanView,
    ProblemView,
    ReviewView,
)

TextLine = tuple[str, Style]

WIDTH = 74
"""Cells for a sentence that must be read to its end, on a screen of 80."""

_EFFECT = {
    Effect.NONE: theme.GOOD,
    Effect.RELOAD: theme.GOOD,
    Effect.DROPS: theme.BAD,
    Effect.OUTAGE: theme.BAD,
}


def sign(edit: Edit) -> str:
    """`+` new, `-` deleted, `~` changed."""
    return "+" if edit.before is None else "-" if edit.after is None else "~"


def summary(plan: PlanView) -> str:
    """The whole plan in one sentence."""
    if not plan.changes:
        return "Traffic is not touched."
    if plan.connections:
        return f"It drops {count(plan.connections, 'connection')}."
    if plan.effect is Effect.NONE:
        return "No effect on traffic."
    if plan.effect is Effect.RELOAD:
        return "One reload; no connection is lost."
    return f"Traffic: {plan.effect.value}."


def lines(review: ReviewView) -> list[TextLine]:
    """Everything the lower half of the screen shows."""
    draft = review.draft
    if not draft.edits:
        return [("No change is pending.", theme.PLAIN)]
    found: list[TextLine] = []
    if draft.clashes:
        found += _clashes(draft.clashes)
    if draft.problems:
        found.append((f"{count(len(draft.problems), 'problem')} to correct first", theme.BAD))
        found += _problems(draft.problems)
    if review.plan is not None:
        found += plan_lines(review.plan)
    return found


def _clashes(clashes: Sequence[ClashView]) -> Iterable[TextLine]:
    yield ("Somebody else changed the same objects meanwhile", theme.BAD)
    yield from ((f"  {clash.what}", theme.PLAIN) for clash in clashes)
    yield ("  Put the cursor on it: K keeps yours, T takes theirs.", theme.PLAIN)
    yield ("", theme.PLAIN)


def _problems(problems: Iterable[ProblemView]) -> Iterable[TextLine]:
    """Each whole, its remedy too, on as many lines as it takes."""
    for problem in problems:
        for number, line in enumerate(wrap(f"{problem.what} {problem.do}", WIDTH)):
            yield (f"{'    ' if number else '  '}{line}", theme.PLAIN)


def plan_lines(plan: PlanView) -> list[TextLine]:
    """What applying would do, and how the configuration changes."""
    style = theme.BAD if plan.connections else _EFFECT[plan.effect]
    found: list[TextLine] = []
    if plan.lacking:
        found += [("This machine cannot carry it", theme.BAD), *_problems(plan.lacking)]
        found.append(("", theme.PLAIN))
    if plan.hints:
        found += [("Worth a second look", theme.WARNING), *_problems(plan.hints)]
        found.append(("", theme.PLAIN))
    found += [
        ("What applying does", theme.HEADING),
        *map(_change, plan.changes),
        (f"  {summary(plan)}", style),
    ]
    if plan.diff:
        found += [("", theme.PLAIN), ("Configuration", theme.HEADING), *_diff(plan.diff)]
    if plan.files:
        found += [("", theme.PLAIN), ("Generated files", theme.HEADING), *_diff(plan.files)]
    return found


def applied_lines(applied: Applied) -> list[TextLine]:
    """What an apply did."""
    waits = " It waits to be confirmed." if applied.confirm else ""
    return [
        (f"Applied. Revision {applied.revision}.{waits}", theme.GOOD),
        *map(_change, applied.changes),
    ]


def clash_lines(edit: Edit, theirs: Object | None) -> list[TextLine]:
    """One clash field by field: as it was, as it runs now, as the person wants it."""
    if theirs is None or edit.after is None or edit.before is None:
        what = "was deleted by somebody" if theirs is None else "is deleted by you, changed there"
        return [(f"{edit.label or edit.key} {what}.", theme.BAD)]
    found: list[TextLine] = [(f"{edit.label or edit.key}, field by field", theme.HEADING)]
    for field in edit.after:
        was, now, mine = edit.before.get(field), theirs.get(field), edit.after.get(field)
        if was == now == mine:
            continue
        both = now != was and mine != was and now != mine
        found.append((f"  {field}: was {_shown(was)}", theme.PLAIN))
        if now != was:
            found.append((f"    theirs {_shown(now)}", theme.BAD if both else theme.WARNING))
        if mine != was:
            found.append((f"    yours  {_shown(mine)}", theme.BAD if both else theme.GOOD))
    return found


def _change(change: PlannedChange) -> TextLine:
    effect = change.effect.value
    if change.connections:
        effect = f"drops {count(change.connections, 'connection')}"
    return (f"  {change.what}: {effect}", _EFFECT[change.effect])


def _diff(text: str) -> Iterable[TextLine]:
    for line in text.splitlines():
        style = {"+": theme.GOOD, "-": theme.BAD, "~": theme.WARNING}.get(line[:1], theme.PLAIN)
        yield (f"  {line}", style)


def _shown(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value)
