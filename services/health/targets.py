# SPDX-License-Identifier: Apache-2.0
"""What has to be looked at for a document's layer 4 servers; pure.

Ten services on one server are mostly ten checks of one port, and a server that is asked ten
times as often is ten times as slow. So a target is made of what makes a difference to the answer
and of nothing else: fields that a kind of check has no use for are left out of it, and what is
equal is looked at once.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from enum import StrEnum
from functools import lru_cache
from typing import NamedTuple

from services.model import Document, Layer4Service
from services.model.base import Address, port_ranges
from services.model.checks import (
    NEGOTIATED,
    CheckProtocol,
    CheckType,
    Feedback,
    Layer4Check,
    uses,
)
from services.model.layer4 import Layer4Server, Protocol

FAST_S = 1
"""Seconds until a server whose last check failed is looked at again, if that is sooner."""

AGENT_INTERVAL_S = 5
"""Seconds between two questions to a feedback agent."""

ServerKey = tuple[int, int]
"""A server: the service's permanent id, the server's."""


class Kind(StrEnum):
    """How a target is looked at where no protocol of a document is spoken."""

    CONNECT = "connect"
    PING = "ping"
    SCRIPT = "script"
    AGENT = "agent"
    """A feedback agent's line."""
    AGENT_HTTP = "agent_http"
    TLS = "tls"
    """A handshake by itself, see `services.health.handshakes`; no document asks for one."""


Way = Kind | CheckProtocol
"""How a target is looked at; the values stand in generated files and in the probe's jobs."""


class Manner(NamedTuple):
    """How something is looked at, and how its results are counted."""

    kind: Way
    interval_s: int
    timeout_s: int
    fall: int
    rise: int
    request: str = ""
    expect: str = ""
    status: str = ""
    host: str = ""
    verify_tls: bool = False
    login: str = ""
    password: str = ""
    """Name of the stored secret."""
    database: str = ""
    script: str = ""
    vip: str = ""
    """With `vip_port` only for a script, which is told them."""
    vip_port: int = 0

    @property
    def fast_s(self) -> int:
        """Seconds until the next look while the results change."""
        return min(FAST_S, self.interval_s)


class Target(NamedTuple):
    """One thing to look at."""

    manner: Manner
    address: str
    port: int

    @property
    def name(self) -> str:
        """Stands for the target in files and answers: equal targets have equal names, now and
        after a restart, so that what was known of one is known of it again.
        """
        return f"{group(self.manner)}/{self.server}"

    @property
    def server(self) -> str:
        """What it is called among those that are looked at in the same manner."""
        return f"{self.address}_{self.port}"


@lru_cache(maxsize=1 << 12)
def group(manner: Manner) -> str:
    """The name of everything that is looked at in this manner."""
    told = "\0".join(f"{value}" for value in manner)
    return f"k{hashlib.sha256(told.encode()).hexdigest()[:16]}"


_UNPRIVILEGED: frozenset[Way] = frozenset(
    {Kind.PING, Kind.SCRIPT, Kind.AGENT_HTTP, Kind.TLS}
    | {CheckProtocol.DNS, CheckProtocol.RADIUS, CheckProtocol.SIP, CheckProtocol.UDP}
)


def by_haproxy(manner: Manner) -> bool:
    """Whether HAProxy can look in this manner, or it takes `ballast-probe`: whatever is no TCP,
    runs a script, or has to prove who it is.
    """
    return manner.kind not in _UNPRIVILEGED and not manner.password


def port_of(service: Layer4Service, server: Layer4Server) -> int:
    """The port at which a server is checked; 0: nobody knows one."""
    first = 0 if service.protocol is Protocol.MARK else port_ranges(service.ports)[0][0]
    return service.check.port or server.port or first


def targets_of(document: Document) -> dict[ServerKey, tuple[Target, ...]]:
    """What is looked at for each layer 4 server: it is healthy if all of it is.

    A server that is always on or always off has none.
    """
    return {
        (service.id, server.id): tuple(_targets(service, server))
        for service in document.cluster.layer4
        for server in service.servers
    }


def all_targets(document: Document) -> frozenset[Target]:
    """Everything that is looked at for a document, feedback agents too, each once."""
    found = {target for targets in targets_of(document).values() for target in targets}
    return frozenset(found.union(feedback_of(document).values()))


def feedback_of(document: Document) -> dict[ServerKey, Target]:
    """The agent that says how much a server can take, of those that have one."""
    return {
        (service.id, server.id): _agent(service.check, server.address)
        for service in document.cluster.layer4
        if service.check.feedback is not Feedback.NONE
        for server in service.servers
    }


def _targets(service: Layer4Service, server: Layer4Server) -> Iterator[Target]:
    check = service.check
    port = port_of(service, server)
    match check.kind:
        case CheckType.ALWAYS_ON | CheckType.ALWAYS_OFF:
            return
        case CheckType.PING:
            yield Target(_manner(check, Kind.PING), str(server.address), 0)
        case CheckType.CONNECT:
            yield _connect(service, server, port)
        case CheckType.EXTERNAL:
            manner = _manner(check, Kind.SCRIPT)._replace(
                script=check.script,
                vip=str(_vip(service, server)),
                vip_port=_vip_port(service),
            )
            yield Target(manner, str(server.address), port)
        case CheckType.NEGOTIATE:
            seldom = check.interval_s * (check.connects + 1)
            manner = _negotiation(check)._replace(interval_s=seldom)
            yield Target(manner, str(server.address), port)
            if check.connects:
                yield _connect(service, server, port)


def _connect(service: Layer4Service, server: Layer4Server, port: int) -> Target:
    """Is somebody there: of UDP only a refusal can tell, so silence counts for a yes."""
    udp = service.protocol in {Protocol.UDP, Protocol.ONE_PACKET}
    kind = CheckProtocol.UDP if udp else Kind.CONNECT
    return Target(_manner(service.check, kind), str(server.address), port)


def _manner(check: Layer4Check, kind: Way) -> Manner:
    return Manner(kind, check.interval_s, check.timeout_s, check.fall, check.rise)


def _negotiation(check: Layer4Check) -> Manner:
    used = {field for field in NEGOTIATED if uses(check, field)}
    return _manner(check, check.protocol)._replace(
        request=check.request if "request" in used else "",
        expect=check.expect if "expect" in used else "",
        status=check.expect_status if "expect_status" in used else "",
        host=check.host if "host" in used else "",
        verify_tls="verify_tls" in used and check.verify_tls,
        login=check.login if "login" in used else "",
        password=check.password if "password" in used else "",
        database=check.database if "database" in used else "",
    )


def _agent(check: Layer4Check, address: Address) -> Target:
    kind = Kind.AGENT if check.feedback is Feedback.AGENT else Kind.AGENT_HTTP
    manner = Manner(kind, AGENT_INTERVAL_S, check.timeout_s, fall=1, rise=1)
    return Target(manner, str(address), check.feedback_port)


def _vip(service: Layer4Service, server: Layer4Server) -> Address:
    """The VIP that a script is told: the first of the server's family, or the first."""
    same = (vip for vip in service.addresses if vip.version == server.address.version)
    return next(same, service.addresses[0])


def _vip_port(service: Layer4Service) -> int:
    return 0 if service.protocol is Protocol.MARK else port_ranges(service.ports)[0][0]
