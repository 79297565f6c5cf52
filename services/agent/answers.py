# SPDX-License-Identifier: Apache-2.0
"""How the door speaks: requests read in bounds, answers and refusals written alike.

Bodies are read and judged by our own models, so that a wrong field is answered with its
path and remedy like everywhere else. Answers go out as the model's own JSON, because
validating a thousand services a second time would double the cost of a look.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TypeVar

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response
from pydantic import BaseModel, ValidationError
from starlette.requests import ClientDisconnect

from services.api_errors import error_view
from services.errors import (
    ApplianceError,
    ConfigInvalid,
    NotFound,
    Problem,
    Refused,
)
from services.model import problems_from
from services.model.base import shown

BODY_LIMIT = 32 * 2**20
"""Largest request in bytes: twice the largest document."""

BODY_S = 30
"""Seconds in which a request's body has to arrive; it comes from the same machine."""

_Body = TypeVar("_Body", bound=BaseModel)


def answer_errors(app: FastAPI) -> None:
    """Let every refusal of `app` leave as an `ErrorView`."""
    app.add_exception_handler(ApplianceError, _answer_error)
    app.add_exception_handler(404, _answer_unknown)
    app.add_exception_handler(405, _answer_unknown)
    app.add_exception_handler(RequestValidationError, _answer_malformed)
    app.add_exception_handler(ClientDisconnect, _answer_nobody)


async def body(request: Request, kind: type[_Body], *, limit: int = BODY_LIMIT) -> _Body:
    """The request's body as one of our messages; raises `ConfigInvalid` with every problem."""
    data = bytearray()
    try:
        async with asyncio.timeout(BODY_S):
            async for piece in request.stream():
                data += piece
                if len(data) > limit:
                    raise Refused(
                        f"The request is larger than {limit // 2**10} KiB.",
                        do="Nothing the agent is asked is that large: look at what sends it.",
                    )
    except TimeoutError as error:
        raise Refused(
            f"The request did not arrive within {BODY_S} s.", do="Send it again, at once."
        ) from error
    return judged(kind, lambda: kind.model_validate_json(bytes(data)))


def judged(kind: type[_Body], read: Callable[[], _Body]) -> _Body:
    """What was asked, or `ConfigInvalid` with every problem."""
    try:
        return read()
    except ValidationError as error:
        raise ConfigInvalid(
            [
                Problem(
                    found.path[1:] if found.path[:1] == ("document",) else found.path,
                    found.what,
                    found.do,
                )
                for found in problems_from(error, kind)
            ]
        ) from error


def as_json(answer: BaseModel, status: int = 200) -> Response:
    """One of our messages as an answer."""
    return raw(answer.model_dump_json().encode(), status)


def raw(data: bytes, status: int = 200) -> Response:
    """JSON that is written already, as an answer."""
    return Response(data, status_code=status, media_type="application/json")


async def _answer_error(_: Request, error: Exception) -> Response:
    if not isinstance(error, ApplianceError):
        raise error
    return as_json(error_view(error), error.http_status)


async def _answer_malformed(request: Request, error: Exception) -> Response:
    """A number in the address that is none, in the words of every other refusal."""
    if not isinstance(error, RequestValidationError):
        raise error
    first = error.errors()[0]
    refused = Refused(
        f"The request's {first['loc'][-1]} is not accepted: {shown(first['input'])}.",
        do="Write a whole number." if "int" in first["type"] else "Look at the number again.",
    )
    return await _answer_error(request, refused)


async def _answer_nobody(_: Request, __: Exception) -> Response:
    """Whoever asked went away before the question was complete: nothing was done."""
    return Response(status_code=400)


async def _answer_unknown(request: Request, _: Exception) -> Response:
    unknown = NotFound("The agent has no such door.", do="Use a client of the agent's version.")
    return await _answer_error(request, unknown)
