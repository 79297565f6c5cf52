# SPDX-License-Identifier: Apache-2.0
"""The values of ldirectord's settings: a real server, a fallback server, ranges of addresses."""

from __future__ import annotations

import re
from collections.abc import Iterator

from pydantic import TypeAdapter, ValidationError

from services.exchange.checks import CheckWord
from services.exchange.lines import Left, Line
from services.exchange.making import MOST_IN_ALL, MOST_SERVERS, Fallback, FoundServer, Said, Way
from services.exchange.names import Unread, address_of, number_of, port_of, socket_of
from services.model import Forwarding
from services.model.base import Address, EmailAddress, cleaned

_METHODS = {
    "gate": Way(Forwarding.DR),
    "masq": Way(Forwarding.NAT),
    "ipip": Way(Forwarding.TUN),
}
_SETTING = re.compile(r"(\w+)\s*=\s*(.*)")
_REAL = re.compile(
    r"(?P<first>[^\s:>\[\]-]+(?:-[^\s:>\[\]-]+)*|\[[^\]\s]*\])(?:->(?P<last>[^\s:]+))?"
    r"(?::(?P<port>\S+))?\s+(?P<method>\w+)(?:\s+(?P<weight>[0-9]+))?"
    r'(?:\s+"(?P<request>[^"]*)"[, ]\s*"(?P<receive>[^"]*)")?'
    r"(?:\s+l:(?P<lower>[0-9]+))?(?:\s+u:(?P<upper>[0-9]+))?\s*"
)
_CHECKED = {
    21: "ftp", 25: "smtp", 53: "dns", 80: "http", 110: "pop", 119: "nntp", 143: "imap",
    389: "ldap", 443: "https", 587: "submission", 636: "ldaps", 993: "imaps", 995: "pops",
    1521: "oracle", 1812: "radius", 3128: "http_proxy", 3306: "mysql", 5060: "sip", 5432: "pgsql",
}  # fmt: skip
"""What a service is checked for unless it says so, by its port."""
_KNOWN = {
    "autoreload": "Changes are applied by the agent.",
    "callback": "The pair carries a change over by itself.",
    "cleanstop": "What the agent's end leaves alone is not a setting.",
    "emailalertfreq": "Of e-mail alerts only the addresses have a field.",
    "emailalertstatus": "Of e-mail alerts only the addresses have a field.",
    "execute": "Import that configuration too.",
    "fallbackcommand": "Commands for the fallback have no field.",
    "fork": "The checks of all services run at once.",
    "logfile": "The journal keeps what happens.",
    "maintenancedir": "`ballast halt` takes a server out.",
    "monitorfile": "The journal keeps what happens.",
    "readdquiescent": "What becomes of a failed server is `quiescent` in `layer4_advanced`.",
    "smtp": "Of e-mail alerts only the addresses have a field.",
    "supervised": "The agent is supervised by the system.",
}
"""Why settings that are known are left over."""

EMAIL = {"emailalert": "email_to", "emailalertfrom": "email_from"}
"""Settings of e-mail alerts that have a field, and which."""
_EMAIL: TypeAdapter[str] = TypeAdapter(EmailAddress)
NOT_SENT = "It is kept, and this version sends no e-mail yet."


def servers_of(
    line: Line, value: str, version: int, room: int, left: Left
) -> Iterator[FoundServer]:
    """The servers of a `real` line, of which a range has many; `room` for so many is left.

    Raises `Unread`.
    """
    found = _REAL.fullmatch(value)
    if found is None:
        raise Unread("It is no real server as ldirectord writes them.")
    way = _method(found["method"])
    fields = {"weight": Said(number_of(found["weight"] or "1"), line)}
    for group, name in (("lower", "min_connections"), ("upper", "max_connections")):
        if found[group] and int(found[group]):
            fields[name] = Said(number_of(found[group]), line)
    port = port_of(found["port"] or "0")
    for address in _addresses(found["first"], found["last"], room):
        of_family(address, version)
        yield FoundServer(line, address, port, way, dict(fields))
    if found["request"] is not None:
        left.add(line, "Checks of a single server have no field.")


def implicit(port: int) -> Iterator[CheckWord]:
    """What ldirectord does for a service of that port without being told."""
    yield CheckWord("checktype", "negotiate")
    yield CheckWord("service", _CHECKED.get(port, "none"))
    yield CheckWord("checktimeout", "5")
    yield CheckWord("negotiatetimeout", "30")
    yield CheckWord("checkinterval", "10")
    yield CheckWord("failurecount", "1")


def setting_of(words: str) -> tuple[str, str]:
    """Name and value of a line; raises `Unread`."""
    found = _SETTING.fullmatch(words)
    if found is None:
        raise Unread("It is no setting of the form name = value.")
    return found[1], found[2]


def email_of(name: str, value: str, line: Line) -> Said:
    """What an e-mail setting gives its field; raises `Unread`."""
    words = unquoted(value)
    found = [each.strip() for each in words.split(",")] if name == "emailalert" else [words]
    for each in found:
        try:
            _EMAIL.validate_python(each)
        except ValidationError:
            raise Unread(f"`{cleaned(each, 40)}` is no e-mail address.") from None
    return Said(tuple(found) if name == "emailalert" else words, line)


def unknown(name: str) -> Unread:
    """Why a setting is not taken."""
    return Unread(_KNOWN.get(name) or f"`{cleaned(name, 40)}` is no setting that is known.")


def unquoted(value: str) -> str:
    """A value without the quotes around it."""
    return value[1:-1] if len(value) > 1 and value[0] == value[-1] == '"' else value


def same_family(name: str, plain: str, version: int) -> None:
    """Raise `Unread` for `real6` in a section of IPv4, and the like."""
    there = plain if version == 4 else f"{plain}6"
    if name != there:
        raise Unread(f"In a section of IPv{version} it is called {there}.")


def of_family(address: Address, version: int) -> None:
    """Raise `Unread` for an address of the other IP version."""
    if address.version != version:
        raise Unread(f"{address} is an IPv{address.version} address; here IPv{version} is meant.")


def fallback_of(line: Line, value: str, version: int) -> Fallback:
    """A fallback server; raises `Unread`."""
    words = value.split()
    if not 1 <= len(words) <= 2:
        raise Unread("It is no fallback server as ldirectord writes them.")
    address, port = socket_of(words[0])
    of_family(address, version)
    return Fallback(address, port, _method(words[1]) if words[1:] else None, line)


def _method(word: str) -> Way:
    if word not in _METHODS:
        raise Unread(f"`{cleaned(word, 40)}` is not gate, masq or ipip.")
    return _METHODS[word]


def _addresses(first: str, last: str | None, room: int) -> Iterator[Address]:
    begin = address_of(first)
    end = begin if last is None else address_of(last)
    if last is not None and (begin.version, end.version) != (4, 4):
        raise Unread("Ranges are of IPv4 addresses.")
    count = int(end) - int(begin) + 1
    if count < 1:
        raise Unread("The range runs backwards.")
    if count > room:
        raise Unread(f"{MOST_SERVERS} servers of a service, {MOST_IN_ALL} of a file are the most.")
    yield from (begin + step for step in range(count))
