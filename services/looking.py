# SPDX-License-Identifier: Apache-2.0
"""Asking the agent how the appliance does and who one is: the part of `services.client` that a
status screen needs, and what any question to the agent has in common.

Everything is a typed call; HTTP stays in `services.transport`. An error of the agent arrives as
the same class it was raised as, so a caller never looks at a status code.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from services import errors, transport
from services.api_status import Status, WhoAmI
from services.wire import ErrorView

DEFAULT_SOCKET = Path("/run/ballast/agent.sock")

_Answer = TypeVar("_Answer", bound=BaseModel)
_Read = TypeVar("_Read")


def socket_path(environment: Mapping[str, str] = os.environ) -> Path:
    """Where the agent listens: `$BALLAST_SOCKET`, else the appliance's own place."""
    return Path(environment.get("BALLAST_SOCKET") or DEFAULT_SOCKET)


class Looker:
    """The agent behind its socket, for somebody who looks.

    Every call raises what the agent raised (`Refused` and its children, `ApplyFailed`, …), or
    `Unreachable` when nobody listens.
    """

    def __init__(self, socket: Path, *, terminal: str = "") -> None:
        """`terminal` names the draft that is this client's."""
        self._socket = socket
        self._headers = {"X-Ballast-Terminal": terminal} if terminal else {}

    async def whoami(self) -> WhoAmI:
        """Who the agent takes us for."""
        return await self._get("/whoami", WhoAmI)

    async def status(self) -> Status:
        """Everything the Overview shows."""
        return await self._get("/status", Status)

    async def _get(self, path: str, answer: type[_Answer]) -> _Answer:
        return understood(answer.model_validate_json, await self._ask("GET", path))

    async def _ask(
        self,
        method: str,
        path: str,
        *,
        data: bytes | None = None,
        query: Mapping[str, str] | None = None,
    ) -> bytes:
        headers = self._headers | ({"Content-Type": "application/json"} if data else {})
        status, said = await transport.ask(
            self._socket, method, path, query=query, headers=headers, body=data or b""
        )
        if status < 300:
            return said
        raise rebuilt(said, status)


def understood(read: Callable[[bytes], _Read], content: bytes) -> _Read:
    """What `read` makes of an answer. Raises `Unable` where it is none."""
    try:
        return read(content)
    except ValidationError as error:
        raise errors.Unable(
            "The agent's answer cannot be understood.", do="Use a client of the agent's version."
        ) from error


def rebuilt(content: bytes, status: int) -> errors.ApplianceError:
    """The error that the agent raised, from its wire form."""
    try:
        view = ErrorView.model_validate_json(content)
    except ValueError:
        return errors.Unable(
            f"The agent answered with status {status} and no explanation.",
            do="Look in the agent's journal.",
        )
    if view.problems:
        return errors.ConfigInvalid([errors.Problem(p.path, p.what, p.do) for p in view.problems])
    if view.clashes:
        return errors.EditConflict([errors.Clash(c.key, c.what) for c in view.clashes])
    kind: Any = getattr(errors, view.kind, None)
    plain = (errors.Refused, errors.NotFound, errors.Forbidden, errors.ApplyFailed)
    chosen = kind if kind in plain else errors.Refused if status < 500 else errors.Unable
    made: errors.ApplianceError = chosen(view.what, do=view.do)
    return made
