# SPDX-License-Identifier: Apache-2.0
"""How the real servers of a layer 4 service are looked after.

One form for every kind of check, as the original appliance has it: a field that the chosen kind
has no use for is left alone. Layer 7 services have a smaller one of their own, for HAProxy
judges their servers with the traffic it carries.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated

from pydantic import Field

from services.model.base import (
    AccountName,
    DomainName,
    FileName,
    Model,
    Phrase,
    StatusCodes,
)


class CheckType(StrEnum):
    """How hard a server is looked at."""

    CONNECT = "connect"
    NEGOTIATE = "negotiate"
    PING = "ping"
    EXTERNAL = "external"
    # not `on` and `off`, which YAML takes for yes and no
    ALWAYS_ON = "always_on"
    ALWAYS_OFF = "always_off"


class CheckProtocol(StrEnum):
    """What a negotiating check speaks."""

    HTTP = "http"
    HTTPS = "https"
    HTTP_PROXY = "http_proxy"
    SMTP = "smtp"
    POP3 = "pop3"
    POP3S = "pop3s"
    IMAP = "imap"
    IMAPS = "imaps"
    FTP = "ftp"
    NNTP = "nntp"
    LDAP = "ldap"
    MYSQL = "mysql"
    POSTGRESQL = "postgresql"
    REDIS = "redis"
    SIMPLE_TCP = "simple_tcp"
    DNS = "dns"
    RADIUS = "radius"
    SIP = "sip"
    UDP = "udp"


class Feedback(StrEnum):
    """How a server tells how much it can take."""

    NONE = "none"
    AGENT = "agent"
    HTTP = "http"


class Layer4Check(Model):
    """How the real servers of a layer 4 service are checked."""

    kind: CheckType = Field(default=CheckType.CONNECT, title="Check type")
    """Connect: is the port open. Negotiate: ask, and judge the answer. Always on, off: no check."""

    protocol: CheckProtocol = Field(default=CheckProtocol.HTTP, title="Check protocol")
    """Negotiate: what is spoken with the server."""

    connects: Annotated[int, Field(ge=0, le=100)] = Field(default=0, title="Connects between")
    """Negotiate: plain connects made between two negotiations, e.g. 5; 0: always negotiate."""

    port: Annotated[int, Field(ge=0, le=65535)] = Field(default=0, title="Check port")
    """Port to check; 0 is the real server's, or the first of the virtual service."""

    request: Phrase = Field(default="", title="Request to send")
    """HTTP: a path like /health. DNS: a name. Simple TCP: a line. Others have their own."""

    expect: Phrase = Field(default="", title="Response expected")
    """Text that a good answer contains; DNS: an address; empty takes any proper answer."""

    expect_status: StatusCodes = Field(default="200-399", title="Good status")
    """HTTP: status codes of a healthy answer, e.g. 200 or 200-399."""

    host: DomainName = Field(default="", title="Virtual host")
    """HTTP: the Host header; with TLS also the name that the server is asked for (SNI)."""

    verify_tls: bool = Field(default=False, title="Check certificate")
    """HTTPS, POP3S, IMAPS: the certificate must be valid and be the virtual host's."""

    login: AccountName = Field(default="", title="Login")
    """Account to log in as; empty: the check ends before a login."""

    password: FileName = Field(default="", title="Password")
    """Name of the stored secret; RADIUS: password and shared secret, a line each."""

    database: AccountName = Field(default="", title="Database")
    """MySQL, PostgreSQL: the database; LDAP: the search base."""

    script: FileName = Field(default="", title="Script")
    """External: its name; it gets VIP, VIP port, RIP and RIP port, and 0 means healthy."""

    interval_s: Annotated[int, Field(ge=1, le=3600)] = Field(default=4, title="Interval")
    """Seconds between two checks of a server."""

    timeout_s: Annotated[int, Field(ge=1, le=300)] = Field(default=3, title="Timeout")
    """Seconds after which a silent server has failed the check."""

    fall: Annotated[int, Field(ge=1, le=100)] = Field(default=2, title="Fall")
    """Failed checks in a row that take a server down."""

    rise: Annotated[int, Field(ge=1, le=100)] = Field(default=2, title="Rise")
    """Good checks in a row that bring it back up."""

    feedback: Feedback = Field(default=Feedback.NONE, title="Feedback")
    """Servers tell how idle they are, in per cent: by an agent's line or by an HTTP page."""

    feedback_port: Annotated[int, Field(ge=1, le=65535)] = Field(
        default=3333, title="Feedback port"
    )
    """Port of the servers' feedback agent."""

    quorum_down: Annotated[int, Field(ge=0, le=1000)] = Field(default=0, title="Quorum, lower")
    """With fewer healthy servers than this the fallback server answers alone; 0: never."""

    quorum_up: Annotated[int, Field(ge=0, le=1000)] = Field(default=0, title="Quorum, upper")
    """Healthy servers at which the service comes back; 0: the lower mark."""

    slow_start_s: Annotated[int, Field(ge=0, le=3600)] = Field(default=0, title="Slow start")
    """Seconds over which a recovered server's weight grows to its full size; 0: at once."""


TLS = frozenset({CheckProtocol.HTTPS, CheckProtocol.POP3S, CheckProtocol.IMAPS})
HTTP = frozenset({CheckProtocol.HTTP, CheckProtocol.HTTPS, CheckProtocol.HTTP_PROXY})
_ASKING = {*HTTP, CheckProtocol.SIMPLE_TCP, CheckProtocol.UDP, CheckProtocol.DNS}
_NAMED = {CheckProtocol.SIP, *HTTP, *TLS}
_LOGIN = {
    CheckProtocol.POP3,
    CheckProtocol.POP3S,
    CheckProtocol.IMAP,
    CheckProtocol.IMAPS,
    CheckProtocol.FTP,
    CheckProtocol.LDAP,
    CheckProtocol.MYSQL,
    CheckProtocol.POSTGRESQL,
    CheckProtocol.RADIUS,
    CheckProtocol.SIP,
}
_DATABASE = {CheckProtocol.LDAP, CheckProtocol.MYSQL, CheckProtocol.POSTGRESQL}
_PASSWORD = _LOGIN | {CheckProtocol.REDIS}
_EXPECTING = {*HTTP, CheckProtocol.SIMPLE_TCP, CheckProtocol.UDP, CheckProtocol.DNS}

NEGOTIATED: Mapping[str, frozenset[CheckProtocol]] = {
    "request": frozenset(_ASKING),
    "expect": frozenset(_EXPECTING),
    "expect_status": HTTP,
    "host": frozenset(_NAMED),
    "verify_tls": TLS,
    "login": frozenset(_LOGIN),
    "password": frozenset(_PASSWORD),
    "database": frozenset(_DATABASE),
}
"""Which negotiations have a use for a field."""


def uses(check: Layer4Check, field: str) -> bool:
    """Whether the kind of check that is chosen has a use for a field of its own."""
    kind = check.kind
    looks = kind not in {CheckType.ALWAYS_ON, CheckType.ALWAYS_OFF}
    match field:
        case "kind" | "feedback" | "quorum_down" | "quorum_up":
            return True
        case "feedback_port":
            return check.feedback is not Feedback.NONE
        case "protocol" | "connects":
            return kind is CheckType.NEGOTIATE
        case "port":
            return looks and kind is not CheckType.PING
        case "script":
            return kind is CheckType.EXTERNAL
        case _ if field in NEGOTIATED:
            return kind is CheckType.NEGOTIATE and check.protocol in NEGOTIATED[field]
        case _:
            return looks
