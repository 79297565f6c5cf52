# SPDX-License-Identifier: Apache-2.0
"""keepalived's health checks in ldirectord's words, which `services.exchange.checks` knows.

keepalived checks every server by itself, a service of ours all of its servers alike: what the
first server's checker says is the service's, and a server whose checker says otherwise is told.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import MappingProxyType

from services.exchange.blocks import Statement
from services.exchange.checks import CheckWord
from services.exchange.lines import Left
from services.exchange.names import Unread, number_of

_KINDS: Mapping[str, Mapping[str, str]] = MappingProxyType(
    {
        "TCP_CHECK": {"checktype": "connect"},
        "HTTP_GET": {"checktype": "negotiate", "service": "http"},
        "SSL_GET": {"checktype": "negotiate", "service": "https"},
        "SMTP_CHECK": {"checktype": "negotiate", "service": "smtp"},
        "DNS_CHECK": {"checktype": "negotiate", "service": "dns"},
        "MISC_CHECK": {"checktype": "external"},
        "PING_CHECK": {"checktype": "ping"},
        "UDP_CHECK": {"checktype": "negotiate", "service": "udp"},
    }
)
CHECKERS = frozenset({*_KINDS, "BFD_CHECK", "FILE_CHECK"})

_WORDS = MappingProxyType(
    {
        "connect_port": "checkport",
        "connect_timeout": "checktimeout",
        "delay_loop": "checkinterval",
        "misc_path": "checkcommand",
        "misc_timeout": "checktimeout",
        "path": "request",
        "regex": "receive",
        "retry": "failurecount",
        "virtualhost": "virtualhost",
    }
)
_ATTEMPTS = MappingProxyType({"DNS_CHECK": "4", "MISC_CHECK": "1"})
"""Failures that take a server down, where they are not the usual 2."""
IMPLICIT = (
    CheckWord("checktype", "on"),  # a server without a checker is healthy
    CheckWord("checkinterval", "60"),
    CheckWord("checktimeout", "5"),
    CheckWord("failurecount", "2"),
)
"""What keepalived does without being told."""
TIMING = frozenset({"connect_timeout", "delay_loop", "retry", "virtualhost"})
"""Settings of checks that a virtual or real server may have, too."""


def word_of(statement: Statement) -> CheckWord:
    """One setting under the name that ldirectord has for it, else under its own."""
    name = _WORDS.get(statement.name, statement.name)
    value = " ".join(statement.words[1:])
    if statement.name == "retry":
        try:
            value = str(number_of(value) + 1)  # further attempts, and not failures
        except Unread:
            name = statement.name
    return CheckWord(name, value, (statement.line,))


def checker_words(statement: Statement, left: Left) -> list[CheckWord]:
    """What a checker's block says; a checker that has no like is left over whole."""
    kind = _KINDS.get(statement.name)
    if kind is None:
        left.add(statement.line, "There is no such check.", last=statement.last)
        return []
    words = [CheckWord(name, value, (statement.line,)) for name, value in kind.items()]
    if attempts := _ATTEMPTS.get(statement.name):
        words.append(CheckWord("failurecount", attempts))
    said = {word.name for word in words if word.places}
    for inner in _flat(statement, left):
        if statement.name == "DNS_CHECK" and inner.name == "name":
            word = CheckWord("request", " ".join(inner.words[1:]), (inner.line,))
        else:
            word = word_of(inner)
        if word.name in said:
            left.add(inner.line, "A check asks one thing; this is the second.", last=inner.last)
            continue
        said.add(word.name)
        words = [each for each in words if each.name != word.name or each.places]
        words.append(word)
    return words


def _flat(statement: Statement, left: Left) -> Iterator[Statement]:
    """The settings of a checker, those of its url with them."""
    for inner in statement.inside():
        if inner.why:
            left.add(inner.line, inner.why, last=inner.last)
        elif inner.name == "url" and inner.block is not None:
            yield from _flat(inner, left)
        else:
            yield inner


def same_check(first: list[CheckWord], other: list[CheckWord]) -> list[CheckWord] | None:
    """Both as one, standing at the places of both; None: they differ."""
    if [(word.name, word.value) for word in first] != [(word.name, word.value) for word in other]:
        return None
    return [
        CheckWord(one.name, one.value, one.places + two.places)
        for one, two in zip(first, other, strict=True)
    ]
