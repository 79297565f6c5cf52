# SPDX-License-Identifier: Apache-2.0
"""The base of every message over the agent's socket, and how an error travels there."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Wire(BaseModel):
    """Base of every message: immutable; unknown fields are ignored, so that a console one
    version older still reads a newer agent. Built when it is first used: each start waits for
    those of its first screen only.
    """

    model_config = ConfigDict(frozen=True, defer_build=True)


class ProblemView(Wire):
    """`services.errors.Problem` on the wire."""

    path: tuple[str | int, ...]
    what: str
    do: str


class ClashView(Wire):
    """`services.errors.Clash` on the wire."""

    key: str
    what: str


class ErrorView(Wire):
    """An `ApplianceError` on the wire."""

    kind: str
    """Name of the class in `services.errors`."""
    what: str
    do: str
    problems: tuple[ProblemView, ...] = ()
    clashes: tuple[ClashView, ...] = ()
