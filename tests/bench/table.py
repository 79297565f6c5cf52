# SPDX-License-Identifier: Apache-2.0
"""The results as a table for people; the file has everything, this has what one looks for."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

from tests.bench.results import Result

HEAD = ("BENCHMARK", "VALUE", "GOAL", "")
INDENT = "    "


def rendered(results: Sequence[Result], *, width: int = 100) -> str:
    """One line a benchmark: name, value, goal, verdict; reasons and notes below the line."""
    rows = [(one.name, shown(one), goal(one), str(one.verdict)) for one in results]
    sizes = [max(len(row[column]) for row in (HEAD, *rows)) for column in range(len(HEAD))]
    lines = [_line(HEAD, sizes)]
    for result, row in zip(results, rows, strict=True):
        lines.append(_line(row, sizes))
        for text in (result.void, result.note):
            lines += textwrap.wrap(
                text, width, initial_indent=INDENT, subsequent_indent=INDENT, break_on_hyphens=False
            )
    return "\n".join(lines)


def shown(result: Result) -> str:
    """The value with its unit, or a dash."""
    return "-" if result.value is None else f"{number(result.value)} {result.goal.unit}"


def goal(result: Result) -> str:
    """The goal with its sign."""
    return f"{result.goal.sense} {result.goal.limit:g}"


def number(value: float) -> str:
    """Three significant digits, more where the figure is a count: 0.971, 28.4, 1234."""
    return f"{value:.0f}" if abs(value) >= 1000 or value == int(value) else f"{value:.3g}"


def _line(row: Sequence[str], sizes: Sequence[int]) -> str:
    name, value, wish, verdict = row
    return f"{name:<{sizes[0]}}  {value:>{sizes[1]}}  {wish:<{sizes[2]}}  {verdict}".rstrip()
