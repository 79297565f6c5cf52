# SPDX-License-Identifier: Apache-2.0
"""What files say of health checks, in the fields of the model: the one place that knows both.

The readers hand over every setting of a check under ldirectord's name for it, which is the
original appliance's too; keepalived's words are brought into these before. What a program does
without being told is handed over as well, so that an imported check behaves as it did.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from urllib.parse import urlsplit

from services.exchange.lines import Left, Line
from services.exchange.making import Said, built
from services.exchange.names import Unread, number_of, port_of
from services.model.base import cleaned
from services.model.checks import HTTP, CheckProtocol, CheckType, Layer4Check

NAMES = frozenset(
    {
        "checkcommand", "checkcount", "checkinterval", "checkport", "checktimeout", "checktype",
        "database", "failurecount", "httpmethod", "load", "login", "negotiatetimeout", "passwd",
        "receive", "request", "secret", "service", "virtualhost",
    }
)  # fmt: skip
"""Settings of a check, in ldirectord's words."""

GOOD_STATUS = "200-299"
"""What both programs take for a healthy answer, unless they are told."""

_KINDS: Mapping[str, CheckType] = MappingProxyType(
    {
        "connect": CheckType.CONNECT,
        "negotiate": CheckType.NEGOTIATE,
        "ping": CheckType.PING,
        "external": CheckType.EXTERNAL,
        "external-perl": CheckType.EXTERNAL,
        "on": CheckType.ALWAYS_ON,
        "off": CheckType.ALWAYS_OFF,
    }
)
_PROTOCOLS: Mapping[str, CheckProtocol] = MappingProxyType(
    {
        "dns": CheckProtocol.DNS,
        "ftp": CheckProtocol.FTP,
        "http": CheckProtocol.HTTP,
        "http_proxy": CheckProtocol.HTTP_PROXY,
        "https": CheckProtocol.HTTPS,
        "imap": CheckProtocol.IMAP,
        "imaps": CheckProtocol.IMAPS,
        "ldap": CheckProtocol.LDAP,
        "mysql": CheckProtocol.MYSQL,
        "nntp": CheckProtocol.NNTP,
        "pgsql": CheckProtocol.POSTGRESQL,
        "pop": CheckProtocol.POP3,
        "pops": CheckProtocol.POP3S,
        "radius": CheckProtocol.RADIUS,
        "simpletcp": CheckProtocol.SIMPLE_TCP,
        "sip": CheckProtocol.SIP,
        "smtp": CheckProtocol.SMTP,
        "submission": CheckProtocol.SMTP,
        "udp": CheckProtocol.UDP,
    }
)
_NUMBERS: Mapping[str, str] = MappingProxyType(
    {
        "checkinterval": "interval_s",
        "failurecount": "fall",
        "quorum_down": "quorum_down",
        "quorum_up": "quorum_up",
    }
)
_TEXTS: Mapping[str, str] = MappingProxyType(
    {
        "database": "database",
        "login": "login",
        "status_code": "expect_status",
        "virtualhost": "host",
    }
)
_APART = "Secrets are stored apart: `ballast secret set NAME`, then name it as the password."
_HAS_NO_FIELD: Mapping[str, str] = MappingProxyType(
    {
        "checkcount": "How often a ping is repeated is what `fall` says: write failurecount.",
        "delay_before_retry": "A check that failed is repeated after its interval.",
        "digest": "Answers are not known by a digest; expect a text in it.",
        "load": "What a server carries is told by its feedback agent.",
        "passwd": _APART,
        "secret": _APART,
    }
)
_SIGNS_OF_A_PATTERN = re.compile(r"[\\^$*+?|(){}\[\]]")


@dataclass(frozen=True)
class CheckWord:
    """One setting of a check."""

    name: str
    """One of `NAMES`; what has no name among them is another program's own."""
    value: str
    places: tuple[Line, ...] = ()
    """Where it stands, once for every server; nowhere: the program does so by itself."""


def check_fields(
    words: Iterable[CheckWord], implicit: Iterable[CheckWord], line: Line, left: Left
) -> dict[str, Said]:
    """The check of a layer 4 service out of all that is said of it; the rest is left over.

    `implicit` holds where `words` say nothing, and names at least the kind; `line` is the
    service's first.
    """
    said = {word.name: word for word in implicit} | {word.name: word for word in words}
    found: dict[str, Said] = {}
    untold: set[str] = set()
    for name in _first(said):
        places = said[name].places or (line,)
        try:
            fields = _fields(said[name], found)
        except Unread as error:
            left.add_all(places, str(error))
            continue
        found |= {field: Said(value, places[0], places[1:]) for field, value in fields.items()}
        untold |= fields.keys() if not said[name].places else set()
    if "script" in found:
        name = cleaned(str(found["script"].value), 40)
        why = f"Store it first: `ballast script add {name} FILE`; it gets no other arguments."
        left.add_all(said["checkcommand"].places, why)
    _negotiates(said, found, line)
    if found["kind"].value in {CheckType.ALWAYS_ON, CheckType.ALWAYS_OFF}:
        # nothing is looked at, so nobody need be told how often
        found = {name: each for name, each in found.items() if name not in untold - {"kind"}}
        said = {name: word for name, word in said.items() if word.places}
    else:
        found["rise"] = Said(1, line)  # to both programs the first success is enough
    _timeout(said, found, line, left)
    check = built(Layer4Check, {}, found, line, (), left)
    return {} if check is None else {"check": Said(check, line)}


def _first(said: Mapping[str, CheckWord]) -> list[str]:
    """Its names, with what the others are judged by in front."""
    return sorted(said, key=lambda name: (name != "checktype", name != "service", name))


def _fields(word: CheckWord, found: Mapping[str, Said]) -> dict[str, object]:
    """What one setting comes to; raises `Unread` for what has no field."""
    value = word.value
    match word.name:
        case "checktype":
            return _kind(value)
        case "service":
            return _protocol(value)
        case "checkport":
            return {"port": port_of(value)}
        case "checktimeout" | "negotiatetimeout":
            number_of(value)
            return {}
        case "request":
            return _request(value, found)
        case "receive":
            if _SIGNS_OF_A_PATTERN.search(value):
                raise Unread("It is a pattern, and only plain text is looked for.")
            return {"expect": value}
        case "checkcommand":
            return {"script": value.partition(" ")[0].rpartition("/")[2]}
        case "httpmethod" if value.upper() == "GET":
            return {}
        case "enable_sni":
            return {}  # the virtual host's name is always said
        case number if number in _NUMBERS:
            return {_NUMBERS[number]: number_of(value)}
        case text if text in _TEXTS:
            return {_TEXTS[text]: value.replace(" ", ",") if text == "status_code" else value}
        case other:
            raise Unread(_HAS_NO_FIELD.get(other) or "It has no field in a check.")


def _kind(value: str) -> dict[str, object]:
    if value in _KINDS:
        return {"kind": _KINDS[value]}
    return {"kind": CheckType.NEGOTIATE, "connects": number_of(value)}


def _protocol(value: str) -> dict[str, object]:
    if value not in _PROTOCOLS and value != "none":
        raise Unread(f"`{cleaned(value, 40)}` is nothing that checks speak.")
    return {"protocol": _PROTOCOLS[value]} if value in _PROTOCOLS else {}


def _request(value: str, found: Mapping[str, Said]) -> dict[str, object]:
    protocol = found["protocol"].value if "protocol" in found else CheckProtocol.HTTP
    if protocol in HTTP and "://" in value:
        parts = urlsplit(value)
        path = parts.path or "/"
        return {"request": path + (f"?{parts.query}" if parts.query else ""), "host": parts.netloc}
    if protocol in HTTP and not value.startswith("/"):
        return {"request": f"/{value}"}
    return {"request": value}


def _negotiates(said: Mapping[str, CheckWord], found: dict[str, Said], line: Line) -> None:
    """What a negotiation is without a protocol, or with one of HTTP.

    ldirectord takes a server of whose service it knows nothing for healthy.
    """
    kind = found.setdefault("kind", Said(CheckType.CONNECT, line))
    if kind.value is not CheckType.NEGOTIATE:
        return
    service = said.get("service")
    if "protocol" not in found:
        untold = service is not None and service.value == "none" and "connects" not in found
        found.pop("connects", None)
        plain = CheckType.ALWAYS_ON if untold else CheckType.CONNECT
        found["kind"] = kind._replace(value=plain)
    elif found["protocol"].value in HTTP:
        found.setdefault("expect_status", Said(GOOD_STATUS, line))


def _timeout(said: Mapping[str, CheckWord], found: dict[str, Said], line: Line, left: Left) -> None:
    """One of two, by the kind of the check; and never longer than the interval."""
    kind = found["kind"].value
    names = ["checktimeout", "negotiatetimeout"]
    if kind is CheckType.NEGOTIATE:
        names.reverse()
    given = [said[name] for name in names if name in said and _number(said[name])]
    # what is said stands before what would be so by itself
    given.sort(key=lambda word: not word.places)
    if not given:
        return
    for other in given[1:]:
        left.add_all(other.places, f"A check has one timeout, and {given[0].name} is taken.")
    wanted = _number(given[0])
    first, *also = given[0].places or (line,)
    interval = found.get("interval_s")
    most = interval.value if interval and isinstance(interval.value, int) else wanted
    if wanted > most:
        why = f"A check is over before the next one begins: {most} is taken."
        left.add_all(given[0].places, why)
    found["timeout_s"] = Said(min(wanted, most), first, tuple(also))


def _number(word: CheckWord) -> int:
    try:
        return number_of(word.value)
    except Unread:
        return 0
