# SPDX-License-Identifier: Apache-2.0
"""How the door speaks: requests read in bounds, answers and refusals written alike.

Bodies are read and judged by our own models, so that a wrong field is answered with its
path and remedy like everywhere else. Answers go out as the model's own JSON, because
validating a thousand services a second time would double the cost of a look.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from enum import Enum
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import ExceptionHandler

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

MOST_REVISION = 10**30
"""Beyond it a number is no name of a file any more."""
MOST_KEY = 2**31

_Body = TypeVar("_Body", bound=BaseModel)
_Word = TypeVar("_Word", bound=Enum)


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


def number(given: Mapping[str, str], name: str, *, most: int = MOST_REVISION) -> int:
    """A whole number of the request's address; raises `Refused`."""
    found = number_or_none(given, name, most=most)
    if found is None:
        raise _lacking(name)
    return found


def number_or_none(given: Mapping[str, str], name: str, *, most: int = MOST_REVISION) -> int | None:
    """The same where it may be left out."""
    said = given.get(name)
    if said is None:
        return None
    if not (said.isascii() and said.isdecimal()):
        raise _not_accepted(name, said, "Write a whole number.")
    if len(said) > len(str(most)) or int(said) > most:
        raise _not_accepted(name, said, "Look at the number again.")
    return int(said)


def text(given: Mapping[str, str], name: str) -> str:
    """A text of the request's address that must be there; raises `Refused`."""
    if name not in given:
        raise _lacking(name)
    return given[name]


def word(given: Mapping[str, str], name: str, kind: type[_Word]) -> _Word:
    """One of a few words of the request's address; raises `Refused`."""
    said = text(given, name)
    try:
        return kind(said)
    except ValueError as error:
        words = ", ".join(str(each.value) for each in kind)
        raise _not_accepted(name, said, f"Write one of {words}.") from error


def as_json(answer: BaseModel, status: int = 200) -> Response:
    """One of our messages as an answer."""
    return raw(answer.model_dump_json().encode(), status)


def raw(data: bytes, status: int = 200) -> Response:
    """JSON that is written already, as an answer."""
    return Response(data, status_code=status, media_type="application/json")


def _lacking(name: str) -> Refused:
    return Refused(f"The request has no {name}.", do="Use a client of the agent's version.")


def _not_accepted(name: str, said: str, do: str) -> Refused:
    return Refused(f"The request's {name} is not accepted: {shown(said)}.", do=do)


async def _answer_error(_: Request, error: Exception) -> Response:
    if not isinstance(error, ApplianceError):
        raise error
    return as_json(error_view(error), error.http_status)


async def _answer_nobody(_: Request, __: Exception) -> Response:
    """Whoever asked went away before the question was complete: nothing was done."""
    return Response(status_code=400)


async def _answer_unknown(request: Request, _: Exception) -> Response:
    unknown = NotFound("The agent has no such door.", do="Use a client of the agent's version.")
    return await _answer_error(request, unknown)


ON_ERRORS: Mapping[Any, ExceptionHandler] = {
    ApplianceError: _answer_error,
    404: _answer_unknown,
    405: _answer_unknown,
    ClientDisconnect: _answer_nobody,
}
"""Every refusal leaves as an `ErrorView`."""
