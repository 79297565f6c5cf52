# SPDX-License-Identifier: Apache-2.0
"""What files say of health checks, in the fields of the model: the one place that knows both.

The readers hand over every setting of a check under ldirectord's name for it, which is the
original appliance's too; keepalived's words are brought into these before.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from services.exchange.lines import Left, Line
from services.exchange.making import Said
from services.model import CheckProtocol, CheckType, Layer4Check, problems_from
from services.model.checks import HTTP

NAMES = frozenset(
    {
        "checkcommand", "checkcount", "checkinterval", "checkport", "checktimeout", "checktype",
        "database", "failurecount", "httpmethod", "load", "login", "negotiatetimeout", "passwd",
        "receive", "request", "secret", "service", "virtualhost",
    }
)  # fmt: skip
"""Settings of a check, in ldirectord's words."""


@dataclass(frozen=True)
class CheckWord:
    """One setting of a check."""

    name: str
    """One of `NAMES`; what has no name among them is another program's own."""
    value: str
    places: tuple[Line, ...]
    """Where it stands, once for every server; nowhere: the program would do so by itself."""


def check_fields(words: Iterable[CheckWord], left: Left, *, here: Line) -> dict[str, Said]:
    """The check of a layer 4 service out of the settings in a file; the rest is left over.

    `here`: the line that the check stands at if no word of it has a place of its own.
    """
    told = list(words)
    said = {word.name: word.value for word in told}
    kind = _kind(said)
    timeout = _timeout(said, kind)
    values: dict[str, Any] = {"kind": kind} if "service" in said else {}
    for word in told:
        found, why = _found(word, kind, timeout)
        if why:
            left.add_all(word.places, why)
        values |= _accepted(found, word, left)
    _asks_for_a_path(values)
    _within_the_interval(values, [word for word in told if word.name == timeout], left)
    place = next((word.places[0] for word in told if word.places), here)
    return {"check": Said(values, place)} if values else {}


_SERVICES: Mapping[str, CheckProtocol] = {
    **{protocol.value: protocol for protocol in CheckProtocol},
    "pop": CheckProtocol.POP3,
    "pops": CheckProtocol.POP3S,
    "pgsql": CheckProtocol.POSTGRESQL,
    "simpletcp": CheckProtocol.SIMPLE_TCP,
}
_NUMBERS = {"checkport": "port", "checkinterval": "interval_s", "failurecount": "fall"}
_TEXTS = {
    "database": "database",
    "login": "login",
    "request": "request",
    "status_code": "expect_status",
    "virtualhost": "host",
}
_EXPRESSION = re.compile(r"[\\^$*+?{}\[\]|()]|\.[*+]")
_SECRETS = {"passwd", "secret"}
_KINDS: Mapping[str, CheckType] = {
    "connect": CheckType.CONNECT,
    "negotiate": CheckType.NEGOTIATE,
    "ping": CheckType.PING,
    "external": CheckType.EXTERNAL,
    "on": CheckType.ALWAYS_ON,
    "off": CheckType.ALWAYS_OFF,
    "udp": CheckType.NEGOTIATE,
}


def _kind(said: Mapping[str, str]) -> CheckType:
    """What is meant: ldirectord negotiates unless told otherwise, a number is connects between."""
    word = said.get("checktype", "")
    if not word and "service" not in said:
        return CheckType.CONNECT
    return _KINDS.get(word, CheckType.NEGOTIATE)


def _timeout(said: Mapping[str, str], kind: CheckType) -> str:
    """Which of the two timeouts is the check's."""
    if kind is CheckType.NEGOTIATE and "negotiatetimeout" in said:
        return "negotiatetimeout"
    return "checktimeout"


def _found(word: CheckWord, kind: CheckType, timeout: str) -> tuple[dict[str, Any], str]:
    """The fields that a word gives, and why it is left over all the same; empty: it is not."""
    name, value = word.name, word.value
    if name in _NUMBERS:
        return {_NUMBERS[name]: value}, ""
    if name in _TEXTS:
        return {_TEXTS[name]: value}, ""
    match name:
        case "checktype":
            return _checktype(value, kind)
        case "service":
            return _protocol(value)
        case _ if name == timeout:
            return {"timeout_s": value}, ""
        case "checktimeout" | "negotiatetimeout":
            return {}, "A check has one timeout here: that of its kind is taken."
        case "receive" if _EXPRESSION.search(value):
            return {}, "It is a regular expression, and here a plain text is looked for."
        case "receive":
            return {"expect": value}, ""
        case "checkcommand":
            script = value.split(" ", 1)[0].rpartition("/")[2]
            why = f"Store it first: `ballast script add {script} FILE`; it gets no other arguments."
            return {"script": script}, why
        case _ if name in _SECRETS:
            return {}, "Secrets are stored apart: `ballast secret set NAME`, then name it."
    return {}, "A check has no such setting here."


def _checktype(value: str, kind: CheckType) -> tuple[dict[str, Any], str]:
    if value.isascii() and value.isdigit():
        return {"kind": CheckType.NEGOTIATE, "connects": value}, ""
    if value == "udp":
        return {"kind": kind, "protocol": CheckProtocol.UDP}, ""
    if value not in _KINDS:
        return {}, "There is no such check."
    return {"kind": kind}, ""


def _protocol(value: str) -> tuple[dict[str, Any], str]:
    if value == "none":
        return {"kind": CheckType.CONNECT}, ""
    if value not in _SERVICES:
        return {}, "There is no check of that protocol."
    return {"protocol": _SERVICES[value]}, ""


def _accepted(found: Mapping[str, Any], word: CheckWord, left: Left) -> dict[str, Any]:
    """What of it the model takes; what it refuses is left over with its sentence."""
    taken: dict[str, Any] = {}
    for name, value in found.items():
        try:
            Layer4Check.model_validate({name: value})
        except ValidationError as error:
            problem, *_ = problems_from(error, Layer4Check)
            left.add_all(word.places, problem.what)
        else:
            taken[name] = value
    return taken


def _asks_for_a_path(values: dict[str, Any]) -> None:
    """Both programs put the slash in front themselves."""
    request = values.get("request", "")
    if values.get("protocol", CheckProtocol.HTTP) in HTTP and request:
        values["request"] = f"/{request.removeprefix('/')}"


def _within_the_interval(values: dict[str, Any], told: Iterable[CheckWord], left: Left) -> None:
    """A check that still waits when the next is due is refused here, and nowhere else."""
    check = Layer4Check.model_validate(values)
    if check.timeout_s <= check.interval_s:
        return
    values["timeout_s"] = check.interval_s
    for word in told:
        left.add_all(word.places, f"It is taken as {check.interval_s}, the interval.")
