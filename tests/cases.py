# SPDX-License-Identifier: Apache-2.0
"""Cases that are each run in several worlds, e.g. a fake's and the real one's."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from typing import Generic, TypeAlias, TypeVar

import pytest

_World = TypeVar("_World")
Case: TypeAlias = Callable[[_World], Awaitable[None]]


class Cases(Generic[_World]):
    """Collects what it decorates; `each` decorates a test that runs all of it, above or below."""

    def __init__(self) -> None:
        self._cases: list[Case[_World]] = []
        self.each: pytest.MarkDecorator = pytest.mark.parametrize(
            "case", self._cases, ids=lambda case: case.__name__
        )

    def __call__(self, function: Case[_World]) -> Case[_World]:
        self._cases.append(function)
        return function

    def __iter__(self) -> Iterator[Case[_World]]:
        return iter(self._cases)
