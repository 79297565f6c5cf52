# SPDX-License-Identifier: Apache-2.0
"""Layer 7 virtual services and real servers: what HAProxy carries.

Fields and defaults follow the original appliance's screens, so that somebody who knows
those finds everything under its name.
"""

from __future__ import annotations

from enum import StrEnum
from ipaddress import IPv4Address
from typing import Annotated

from pydantic import Field

from services.model.base import (
    Comment,
    CookieName,
    DomainName,
    HttpPath,
    IPAddress,
    Model,
    Phrase,
    Port,
    StatusCodes,
)
from services.model.service import PAGE_ADDRESS, PAGE_PORT, Server, Service


class Mode(StrEnum):
    """How HAProxy reads the traffic."""

    HTTP = "http"
    TCP = "tcp"


class Balance(StrEnum):
    """The scheduler; the values are HAProxy's own words."""

    LEASTCONN = "leastconn"
    ROUNDROBIN = "roundrobin"


class Persistence(StrEnum):
    """What keeps a client on its real server."""

    NONE = "none"
    SOURCE_IP = "source_ip"
    HTTP_COOKIE = "http_cookie"


class CheckKind(StrEnum):
    """What a health check does."""

    CONNECT = "connect"
    HTTP_GET = "http_get"
    HTTP_HEAD = "http_head"
    HTTP_OPTIONS = "http_options"
    NONE = "none"


class Check(Model):
    """How the real servers of a service are checked."""

    kind: CheckKind = Field(default=CheckKind.CONNECT, title="Check")
    """Connect opens a TCP connection; the HTTP kinds send a request and judge the answer."""

    port: Annotated[int, Field(ge=0, le=65535)] = Field(default=0, title="Check port")
    """Port to check; 0 is the real server's own port."""

    path: HttpPath = Field(default="/", title="Request path")
    """What an HTTP check asks for, e.g. /health."""

    host: DomainName = Field(default="", title="Host header")
    """Host header of an HTTP check; empty sends none, as HTTP/1.0 allows."""

    expect_status: StatusCodes = Field(default="200-399", title="Good status")
    """Status codes of a healthy answer, e.g. 200 or 200-399."""

    expect: Phrase = Field(default="", title="Expected text")
    """Text the answer must contain; empty judges by the status alone."""

    interval_s: Annotated[int, Field(ge=1, le=3600)] = Field(default=4, title="Interval")
    """Seconds between two checks of a server."""

    timeout_s: Annotated[int, Field(ge=1, le=300)] = Field(default=3, title="Timeout")
    """Seconds after which a silent server has failed the check."""

    fall: Annotated[int, Field(ge=1, le=100)] = Field(default=2, title="Fall")
    """Failed checks in a row that take a server down."""

    rise: Annotated[int, Field(ge=1, le=100)] = Field(default=2, title="Rise")
    """Good checks in a row that bring it back up."""


class RealServer(Server):
    """One server that answers for a virtual service (RIP)."""

    port: Port = Field(title="Port")
    """Port the real server listens on; it may differ from the virtual service's."""

    # HAProxy's largest
    weight: Annotated[int, Field(ge=0, le=256)] = Field(default=100, title="Weight")
    """Share of new connections beside the other servers' weights; 0 takes none."""

    min_connections: Annotated[int, Field(ge=0, le=1_000_000)] = Field(
        default=0, title="Minimum connections"
    )
    """Limit while the service is quiet; it grows to the maximum under load. 0: none."""

    max_connections: Annotated[int, Field(ge=0, le=1_000_000)] = Field(
        default=0, title="Maximum connections"
    )
    """Connections the server gets at once, further ones wait; 0 is unrestricted."""


class VirtualService(Service):
    """A layer 7 virtual service: the addresses and ports clients connect to (VIP)."""

    mode: Mode = Field(default=Mode.HTTP, title="Protocol")
    """HTTP mode for web servers, TCP mode for everything else."""

    balance: Balance = Field(default=Balance.LEASTCONN, title="Balance")
    """Weighted least connections, or round robin by weight."""

    persistence: Persistence = Field(default=Persistence.NONE, title="Persistence")
    """Keeps a client on one server: by its address, or by a cookie (HTTP mode)."""

    cookie_name: CookieName = Field(default="SERVERID", title="Cookie name")
    """Name of the persistence cookie."""

    cookie_max_idle_min: Annotated[int, Field(ge=1, le=44_640)] = Field(
        default=30, title="Cookie idle time"
    )
    """Minutes without a request after which the cookie no longer counts."""

    cookie_max_life_h: Annotated[int, Field(ge=1, le=744)] = Field(
        default=12, title="Cookie life time"
    )
    """Hours after which the cookie no longer counts, used or not."""

    # 24 days: HAProxy keeps a table's times in 31 bits of milliseconds and refuses 35,792 minutes
    persistence_timeout_min: Annotated[int, Field(ge=1, le=35_791)] = Field(
        default=30, title="Persistence timeout"
    )
    """Minutes that source IP persistence remembers an idle client."""

    persistence_table_size: Annotated[int, Field(ge=100, le=10_000_000)] = Field(
        default=10_240, title="Persistence table"
    )
    """Clients that source IP persistence remembers; the oldest are forgotten first."""

    max_connections: Annotated[int, Field(ge=1, le=1_000_000)] = Field(
        default=40_000, title="Maximum connections"
    )
    """Client connections at once; further ones wait in the kernel's queue."""

    x_forwarded_for: bool = Field(default=True, title="X-Forwarded-For")
    """HTTP mode: tell the servers the client's address in a header."""

    fallback_address: IPAddress | None = Field(
        default=IPv4Address(PAGE_ADDRESS), title="Fallback server"
    )
    """Answers while every real server is down; 127.0.0.1 port 9081 is the built-in page."""

    fallback_port: Port = Field(default=PAGE_PORT, title="Fallback port")
    """Port of the fallback server."""

    check: Check = Field(default=Check(), title="Health check")
    """How the real servers are checked."""

    servers: Annotated[tuple[RealServer, ...], Field(max_length=1000)] = Field(
        default=(), title="Real servers"
    )
    """The real servers, in the order of the screen."""

    comment: Comment = Field(default="", title="Comment")
    """Free text for people."""
