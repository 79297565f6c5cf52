# SPDX-License-Identifier: Apache-2.0
"""The configuration of the HAProxy that looks after layer 4 servers, as bytes.

A backend for each manner of looking and a server for each target: HAProxy checks ten thousand
of them in less than half a core, all at once, where a loop would wait for the silent ones. It
listens nowhere but on its own socket. Names say what is looked at and how, so what was known of
a target is known of it again by whoever comes after a restart.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from services.health.targets import Kind, Manner, Target, Way, all_targets, by_haproxy, group
from services.model import Document
from services.model.checks import TLS, CheckProtocol
from services.plan.state import ChecksWanted, File
from services.render.haproxy import DESCRIPTION, FD_LIMIT, forwards
from services.render.place import Place
from services.render.templates import TEMPLATES

_UNSEALED = "ballast-unsealed"
Words = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class _Tls:
    names: tuple[str, ...]
    verify: str
    verified: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Server:
    name: str
    address: str


@dataclass(frozen=True, slots=True)
class _Manner:
    """One backend as the template writes it; a tuple holds what is there once or not at all."""

    name: str
    kind: str
    agent: bool
    port: int
    interval_s: int
    fast_s: int
    timeout_s: int
    fall: int
    rise: int
    tls: tuple[_Tls, ...]
    options: tuple[Words, ...]
    steps: tuple[Words, ...]
    servers: tuple[_Server, ...]


def haproxy_targets(document: Document) -> tuple[Target, ...]:
    """What HAProxy looks at for this document, each once, in the order of their names."""
    return tuple(sorted(each for each in all_targets(document) if by_haproxy(each.manner)))


def checks_wanted(document: Document, place: Place) -> ChecksWanted:
    """The checks that `document` asks of HAProxy, with their files where `place` says."""
    by_manner: dict[tuple[Manner, int], list[Target]] = {}
    for target in haproxy_targets(document):
        # the port of an agent stands in the backend, that of a check in each server's address
        port = target.port if target.manner.kind is Kind.AGENT else 0
        by_manner.setdefault((target.manner, port), []).append(target)
    text = (
        TEMPLATES.get_template("checks.cfg.j2")
        .render(
            place=place,
            accounts=[place.account] if place.account else [],
            description=_UNSEALED,
            fd_limit=FD_LIMIT,
            manners=[_manner(manner, targets) for (manner, _), targets in by_manner.items()],
        )
        .encode()
    )
    fingerprint = hashlib.sha256(text).hexdigest()[:16]
    sealed = text.replace(_UNSEALED.encode(), f"{DESCRIPTION}{fingerprint}".encode(), 1)
    return ChecksWanted(
        config=File(str(place.checks_config), sealed, 0o640),
        fingerprint=fingerprint,
        running=bool(by_manner),
    )


def _manner(manner: Manner, targets: list[Target]) -> _Manner:
    options, steps = _spoken(manner)
    agent = manner.kind is Kind.AGENT
    return _Manner(
        name=group(manner) if not agent else f"{group(manner)}_{targets[0].port}",
        kind=manner.kind,
        agent=agent,
        port=targets[0].port,
        interval_s=manner.interval_s,
        fast_s=manner.fast_s,
        timeout_s=manner.timeout_s,
        fall=manner.fall,
        rise=manner.rise,
        tls=tuple(_tls(manner)),
        options=options,
        steps=steps,
        servers=tuple(_server(target) for target in targets),
    )


def _server(target: Target) -> _Server:
    host = f"[{target.address}]" if ":" in target.address else target.address
    return _Server(target.server, f"{host}:{target.port}")


def _tls(manner: Manner) -> Iterable[_Tls]:
    if manner.kind in TLS:
        names = (manner.host,) if manner.host else ()
        verified = manner.verify_tls
        yield _Tls(names, "required" if verified else "none", names if verified else ())


_GREETINGS: Mapping[Way, tuple[str, str]] = {
    CheckProtocol.POP3: (r"^\+OK", "QUIT"),
    CheckProtocol.POP3S: (r"^\+OK", "QUIT"),
    CheckProtocol.IMAP: (r"^\* (OK|PREAUTH)", "a LOGOUT"),
    CheckProtocol.IMAPS: (r"^\* (OK|PREAUTH)", "a LOGOUT"),
    CheckProtocol.FTP: (r"^220", "QUIT"),
    CheckProtocol.NNTP: (r"^20[01]", "QUIT"),
}
"""How a server of the protocol greets, and how one takes leave: RFC 1939, 3501, 959, 3977."""


def _spoken(manner: Manner) -> tuple[tuple[Words, ...], tuple[Words, ...]]:
    """The options and the steps of a negotiation."""
    match manner.kind:
        case CheckProtocol.HTTP | CheckProtocol.HTTPS | CheckProtocol.HTTP_PROXY:
            return (("httpchk",),), tuple(_http(manner))
        case CheckProtocol.SMTP:
            return (("smtpchk",),), ()
        case CheckProtocol.LDAP:
            return (("ldap-check",),), ()
        case CheckProtocol.REDIS:
            return (("redis-check",),), ()
        case CheckProtocol.MYSQL:
            user = ("user", manner.login, "post-41") if manner.login else ()
            return (("mysql-check", *user),), ()
        case CheckProtocol.POSTGRESQL:
            return (("pgsql-check", "user", manner.login or "ballast"),), ()
        case CheckProtocol.SIMPLE_TCP if manner.request or manner.expect:
            return (("tcp-check",),), tuple(_simple(manner))
        case kind if kind in _GREETINGS:
            expected, farewell = _GREETINGS[kind]
            return (("tcp-check",),), (
                ("tcp-check", "expect", "rstring", expected),
                ("tcp-check", "send-binary", _line(farewell)),
            )
        case _:
            return (), ()


def _http(manner: Manner) -> Iterable[Words]:
    path = manner.request or "/"
    if manner.kind is CheckProtocol.HTTP_PROXY:
        path = f"http://{manner.host}{path}"
    # a Host header is HTTP/1.1's; without one only 1.0 is a valid request
    named: Words = ("ver", "HTTP/1.0")
    if manner.host:
        named = ("ver", "HTTP/1.1", "hdr", "Host", manner.host, "hdr", "Connection", "close")
    yield ("http-check", "send", "meth", "GET", "uri", path, *named)
    yield ("http-check", "expect", "status", ",".join(map(forwards, manner.status.split(","))))
    if manner.expect:
        yield ("http-check", "expect", "string", manner.expect)


def _simple(manner: Manner) -> Iterable[Words]:
    if manner.request:
        yield ("tcp-check", "send-binary", _line(manner.request))
    if manner.expect:
        yield ("tcp-check", "expect", "string", manner.expect)


def _line(text: str) -> str:
    """A line with its end in hexadecimal, which needs no quoting and can carry the end."""
    return f"{text}\r\n".encode().hex()
