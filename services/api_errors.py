# SPDX-License-Identifier: Apache-2.0
"""Errors and what stands in a document's way, as they travel over the socket; pure."""

from __future__ import annotations

from collections.abc import Iterable

from services.api import ClashView, ErrorView, ProblemView
from services.errors import ApplianceError, Clash, ConfigInvalid, EditConflict, Problem


def problem_views(problems: Iterable[Problem]) -> tuple[ProblemView, ...]:
    """Problems as they travel."""
    return tuple(ProblemView(path=found.path, what=found.what, do=found.do) for found in problems)


def clash_views(clashes: Iterable[Clash]) -> tuple[ClashView, ...]:
    """Clashes as they travel."""
    return tuple(ClashView(key=clash.key, what=clash.what) for clash in clashes)


def error_view(error: ApplianceError) -> ErrorView:
    """An error with all that it lists."""
    return ErrorView(
        kind=type(error).__name__,
        what=error.what,
        do=error.do,
        problems=problem_views(error.problems) if isinstance(error, ConfigInvalid) else (),
        clashes=clash_views(error.clashes) if isinstance(error, EditConflict) else (),
    )
