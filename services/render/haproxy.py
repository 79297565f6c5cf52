# SPDX-License-Identifier: Apache-2.0
"""The whole of haproxy.cfg from a document, as bytes; the same document gives the same bytes.

What can change without a reload (labels, weights, halts) is in the file like everything
else, because it must survive a restart, but not in the fingerprint: comparing the
fingerprint in the file with the one the worker reports says whether a reload is due.

Objects stand in the order of their ids, not of the screen: HAProxy does not care, and so a
new order on the screen costs no reload.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

from services.model import (
    Balance,
    CheckKind,
    Document,
    Mode,
    Persistence,
    RealServer,
    ServerState,
    VirtualService,
)
from services.model.base import Address, port_ranges
from services.model.service import PAGE_ADDRESS, PAGE_PORT
from services.plan.state import File, HaproxyWanted, ServerKey, ServerKnobs
from services.render.ipvs import own_address
from services.render.place import Place
from services.render.templates import TEMPLATES

PEER = "ballast"
"""Name of this worker among its peers; fixed, as the host name may change under it."""

FD_LIMIT = 262_144
"""Most open files of one worker, so 131,000 connections: HAProxy reserves memory for each,
some 64 MB for a million, and a system may allow a billion."""

DESCRIPTION = "ballast-"
"""What the fingerprint is written behind, in the worker's description."""

CACHED = 5000
"""Services whose section is kept: most changes change one and leave all others as they were."""

_UNSEALED = "ballast-unsealed"
_KNOBS = re.compile(rb" weight \d+(?: disabled)? # [^\n]*")
_LABEL = re.compile(rb"\n# [^\n]*")


class _Server(NamedTuple):
    # the one that there are ten thousand of: a tuple is made in a third of the time
    id: int
    label: str
    address: str
    minconn: int
    maxconn: int
    weight: int
    halted: bool


@dataclass(frozen=True, slots=True)
class _Cookie:
    name: str
    max_idle_min: int
    max_life_h: int


@dataclass(frozen=True, slots=True)
class _Table:
    size: int
    expire_min: int


@dataclass(frozen=True, slots=True)
class _Request:
    method: str
    path: str
    version: str
    hosts: tuple[str, ...]
    status: str
    texts: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Check:
    interval_s: int
    timeout_s: int
    fall: int
    rise: int
    ports: tuple[int, ...]
    requests: tuple[_Request, ...]


@dataclass(frozen=True, slots=True)
class _Service:
    """One section as the template writes it; a tuple holds what is there once or not at all."""

    id: int
    label: str
    binds4: tuple[str, ...]
    binds6: tuple[str, ...]
    mode: Mode
    balance: Balance
    maxconn: int
    http: bool
    forward_for: bool
    cookies: tuple[_Cookie, ...]
    tables: tuple[_Table, ...]
    checks: tuple[_Check, ...]
    servers: tuple[_Server, ...]
    fallbacks: tuple[str, ...]


def haproxy_wanted(document: Document, place: Place) -> HaproxyWanted:
    """The layer 7 data plane that `document` asks for, with its files where `place` says.

    Every object must have its id: raises `ValueError` otherwise, for ids are given before
    anything is rendered.
    """
    wanted = sorted(document.cluster.layer7, key=lambda service: service.id)
    ids = [service.id for service in wanted]
    ids += [server.id for service in wanted for server in service.servers]
    if not all(ids):
        raise ValueError("an object without an id was rendered")
    sections = [_section(service) for service in wanted]
    page = f"{PAGE_ADDRESS}:{PAGE_PORT}"
    pages = [page] if any(page in section.fallbacks for section in sections) else []
    pages += _layer4_pages(document)
    head = TEMPLATES.get_template("haproxy.cfg.j2").render(
        place=place,
        accounts=[place.account] if place.account else [],
        description=_UNSEALED,
        peer=PEER,
        fd_limit=FD_LIMIT,
        peer_sections=[PEER] if any(section.tables for section in sections) else [],
    )
    tail = TEMPLATES.get_template("page.cfg.j2").render(
        page_binds=[pages] if pages else [],
        page_type="text/html; charset=utf-8",
        page=_PAGE,
    )
    first, last = head.encode(), tail.encode()
    unsealed = b"".join((first, *(section.text for section in sections), last))
    lasting = (_lasting(first), *(section.lasting for section in sections), _lasting(last))
    fingerprint = hashlib.sha256(b"".join(lasting)).hexdigest()[:16]
    sealed = unsealed.replace(_UNSEALED.encode(), f"{DESCRIPTION}{fingerprint}".encode(), 1)
    return HaproxyWanted(
        config=File(str(place.config), sealed, 0o640),
        fingerprint=fingerprint,
        servers={key: knobs for section in sections for key, knobs in section.knobs},
        running=bool(wanted or pages),
    )


def _layer4_pages(document: Document) -> list[str]:
    """Where layer 4 finds the page: it cannot send to the loopback."""
    versions = {
        vip.version
        for service in document.cluster.layer4
        if service.fallback_address is not None and service.fallback_address.is_loopback
        for vip in service.addresses
    }
    found = (own_address(document.local, version) for version in sorted(versions))
    return [_at(address, PAGE_PORT) for address in found if address is not None]


@dataclass(frozen=True, slots=True)
class _Section:
    """One service, rendered."""

    text: bytes
    lasting: bytes
    """`text` without what changes at run time."""
    knobs: tuple[tuple[ServerKey, ServerKnobs], ...]
    tables: bool
    fallbacks: tuple[str, ...]


@lru_cache(maxsize=CACHED)
def _section(service: VirtualService) -> _Section:
    """One service, rendered; of a document in which one was changed, only that one is."""
    knobs = {(service.id, server.id): knobs_of(server) for server in service.servers}
    written = _service(service, knobs)
    text = TEMPLATES.get_template("service.cfg.j2").render(service=written, peer=PEER).encode()
    return _Section(
        text=text,
        lasting=_lasting(text),
        knobs=tuple(knobs.items()),
        tables=bool(written.tables),
        fallbacks=written.fallbacks,
    )


def _lasting(text: bytes) -> bytes:
    return _LABEL.sub(b"", _KNOBS.sub(b"", text))


def knobs_of(server: RealServer) -> ServerKnobs:
    """The run-time part of a server: drain is weight 0, halt keeps the weight for later."""
    drained = server.state is ServerState.DRAIN
    return ServerKnobs(
        weight=0 if drained else server.weight, halted=server.state is ServerState.HALT
    )


def _service(service: VirtualService, knobs: Mapping[ServerKey, ServerKnobs]) -> _Service:
    http = service.mode is Mode.HTTP
    cookie = _Cookie(service.cookie_name, service.cookie_max_idle_min, service.cookie_max_life_h)
    table = _Table(service.persistence_table_size, service.persistence_timeout_min)
    fallback = service.fallback_address
    return _Service(
        id=service.id,
        label=service.label,
        binds4=tuple(_binds(service, 4)),
        binds6=tuple(_binds(service, 6)),
        mode=service.mode,
        balance=service.balance,
        maxconn=service.max_connections,
        http=http,
        forward_for=http and service.x_forwarded_for,
        cookies=(cookie,) if http and service.persistence is Persistence.HTTP_COOKIE else (),
        tables=(table,) if service.persistence is Persistence.SOURCE_IP else (),
        checks=tuple(_checks(service)),
        servers=tuple(
            _server(server, knobs[service.id, server.id])
            for server in sorted(service.servers, key=lambda server: server.id)
        ),
        fallbacks=(_at(fallback, service.fallback_port),) if fallback is not None else (),
    )


def _binds(service: VirtualService, version: int) -> Iterator[str]:
    for address in service.addresses:
        if address.version == version:
            for first, last in port_ranges(service.ports):
                yield _at(address, f"{first}-{last}" if last > first else first)


def _at(address: Address, port: int | str) -> str:
    return f"[{address!s}]:{port}" if address.version == 6 else f"{address!s}:{port}"


def _server(server: RealServer, knobs: ServerKnobs) -> _Server:
    most = server.max_connections
    return _Server(
        id=server.id,
        label=server.label,
        address=_at(server.address, server.port),
        # a minimum alone would become HAProxy's maximum, but here no maximum means no limit
        minconn=server.min_connections if 0 < server.min_connections < most else 0,
        maxconn=most,
        weight=knobs.weight,
        halted=knobs.halted,
    )


_METHODS = {
    CheckKind.HTTP_GET: "GET",
    CheckKind.HTTP_HEAD: "HEAD",
    CheckKind.HTTP_OPTIONS: "OPTIONS",
}


def _checks(service: VirtualService) -> Iterator[_Check]:
    check = service.check
    if check.kind is CheckKind.NONE:
        return
    request = _Request(
        method=_METHODS.get(check.kind, ""),
        path=check.path,
        # a Host header is HTTP/1.1's; without one only 1.0 is a valid request
        version="HTTP/1.1" if check.host else "HTTP/1.0",
        hosts=(check.host,) if check.host else (),
        status=",".join(map(forwards, check.expect_status.split(","))),
        texts=(check.expect,) if check.expect else (),
    )
    yield _Check(
        interval_s=check.interval_s,
        timeout_s=check.timeout_s,
        fall=check.fall,
        rise=check.rise,
        ports=(check.port,) if check.port else (),
        requests=(request,) if check.kind in _METHODS else (),
    )


def forwards(codes: str) -> str:
    """`399-200` as `200-399`: HAProxy refuses a range that runs backwards."""
    return "-".join(sorted(codes.split("-")))


def _page() -> str:
    lines = TEMPLATES.get_template("fallback.html.j2").render().splitlines()
    return " ".join(line.strip() for line in lines)


_PAGE = _page()
