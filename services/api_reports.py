# SPDX-License-Identifier: Apache-2.0
"""What reports say to clients: types only, as in `services.api`, of which this is a part."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

from pydantic import Field

from services.api import Wire

MOST_ROWS = 1000
"""Of one answer: what travels and is drawn at once."""

DEEPEST = 10_000
"""Rows that can be paged to: to go further, filter. The agent keeps as many while it reads."""


class Order(StrEnum):
    """What connections are sorted by."""

    STATE = "state"
    """Those that wait for their handshake first, since a person looks for them."""
    CLIENT = "client"
    VIP = "vip"
    SERVER = "server"
    EXPIRY = "expiry"


Words = Annotated[str, Field(max_length=200)]


class CheckResult(Wire):
    """What one look at a layer 4 server found; equal ones in a row are one, the newest."""

    at: float
    """Seconds since 1970."""
    check: str
    """What was looked at: `connect`, `http`, with the port."""
    ok: bool
    words: str
    """Why it failed, e.g. "connection refused"; of a good one mostly empty."""
    ms: int | None = None


class CheckResults(Wire):
    """The last results of everything that is looked at for one server."""

    label: str
    """Service and server: `web/web1`."""
    reason: str
    """Why it stands as it does; empty: it is healthy."""
    results: tuple[CheckResult, ...]
    """The newest first."""


class ConnectionQuery(Wire):
    """Which connections to show; an empty filter lets everything through."""

    client: Words = ""
    """An address, or a network as 203.0.113.0/24."""
    vip: Words = ""
    """An address or a network, of the virtual service."""
    service: Words = ""
    """Label of a virtual service."""
    server: Words = ""
    """Label of a real server, or its address."""
    state: Words = ""
    """As the kernel names it: ESTABLISHED, SYN_RECV, UDP."""
    words: Words = ""
    """Each must be found somewhere: an address or a network, a state, a part of a label."""
    order: Order = Order.STATE
    reverse: bool = False
    offset: Annotated[int, Field(ge=0, le=DEEPEST)] = 0
    limit: Annotated[int, Field(ge=0, le=MOST_ROWS)] = 200


class Connection(Wire):
    """One entry of the kernel's table."""

    protocol: str
    """"tcp", "udp", "sctp"; "mark" for a client that persistence remembers by a mark."""
    client: str
    """`203.0.113.9:50000`; without a port: a client, or network, that persistence remembers."""
    vip: str
    """`192.0.2.10:80`, or `mark 7`."""
    service: str
    """Label of the virtual service; empty: of none that runs now."""
    rip: str
    """Address and port of the real server."""
    server: str
    """Its label; empty: none that runs now, or the fallback."""
    state: str
    expires_s: int
    """Seconds until the kernel forgets it, unless a packet comes."""
    suspect: bool = False
    """It waits for its handshake, at a server where these pile up."""


class ServerConnections(Wire):
    """What one real server of a service carries, among the connections that match."""

    service: str
    server: str
    rip: str
    """Its address."""
    connections: int
    waiting: int
    """Of all it carries, wait for the end of their handshake, and have for some seconds."""
    suspicion: str = ""
    """If those pile up: the likely cause in two or three words."""
    trouble: str = ""
    """The same in sentences, and what to do."""


class StateCount(Wire):
    """How many of the connections that match are in a state."""

    state: str
    connections: int


class Connections(Wire):
    """A page of the kernel's connections, and totals of all that match."""

    at: float
    """Seconds since 1970."""
    read: int
    """Entries that were looked at."""
    whole: bool
    """False: reading took too long and was ended, so the table has more than was read."""
    took_s: float
    matching: int
    states: tuple[StateCount, ...]
    """Most frequent first."""
    servers: tuple[ServerConnections, ...]
    """Those in trouble first, then by connections."""
    servers_more: int
    """Servers that did not fit in."""
    rows: tuple[Connection, ...]
    notes: tuple[str, ...] = ()
    """What the reader must know to take the figures for what they are."""


class Flow(Wire):
    """What a virtual service or a real server of layer 4 carries; the kernel's own figures."""

    active: int
    """Connections; of TCP the established ones."""
    inactive: int
    persistent: int
    """Clients that persistence remembers."""
    connections: int
    """In all, since it was made."""
    packets_in: int
    """From clients."""
    packets_out: int
    """To clients: only with NAT and SNAT do they pass here."""
    bytes_in: int
    bytes_out: int
    connections_per_s: int
    packets_in_per_s: int
    packets_out_per_s: int
    bytes_in_per_s: int
    bytes_out_per_s: int


class Layer4Server(Wire):
    """A real server in the layer 4 report."""

    label: str
    address: str
    port: int
    """As the service forwards to it; 0: to the port that the client chose."""
    weight: int
    """As the kernel is to have it: 0 while it drains."""
    there: bool
    """Whether the kernel has it: a halted server is not there."""
    flow: Flow


class Layer4Service(Wire):
    """A virtual service in the layer 4 report."""

    label: str
    addresses: tuple[str, ...]
    ports: str
    protocol: str
    forwarding: str
    scheduler: str
    flow: Flow
    servers: tuple[Layer4Server, ...]


class Layer4Report(Wire):
    """Layer 4 Status: connections, packets, bytes and rates of every VIP and RIP."""

    at: float
    """Seconds since 1970, of the moment in which they were counted."""
    services: tuple[Layer4Service, ...]
