# SPDX-License-Identifier: Apache-2.0
"""The report of current connections, made of the kernel's lines as they come; pure.

Every entry is looked at once and forgotten. What is kept is bounded however many there are: the
rows that can be paged to, a count for each state and each server, and what was found out about
entries that differ in nothing but their client, of which most tables have few kinds.
"""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import ip_address

from services.api_reports import (
    Connection,
    ConnectionQuery,
    Order,
    ServerConnections,
    StateCount,
)
from services.drivers.ipvs_conn import Line, Slices, number, packed, read_line
from services.model import Layer4Service
from services.reports.connection_filter import Facts, Filter, Net
from services.reports.handshakes import CAUSES, SYN_RECV, pile_up, waits
from services.reports.names import Names

MOST_SERVERS = 200
"""Of an answer; those in trouble come first."""
MOST_KINDS = 50_000
MOST_TALLIES = 20_000
REMEMBERED = frozenset({"ASSURED", "NONE"})
"""States of what is no connection: a client that persistence remembers."""
MARK = "mark"

_Key = tuple[object, ...]
_Name = tuple[str, str, str]
"""Of a server: its service's label, its own, its address."""


@dataclass(frozen=True)
class Digest:
    """What was made of all lines."""

    read: int
    unread: int
    """Lines that are none of ours."""
    matching: int
    states: tuple[StateCount, ...]
    servers: tuple[ServerConnections, ...]
    servers_more: int
    rows: tuple[Connection, ...]


@dataclass
class _Tally:
    """What a server carries."""

    service: Layer4Service | None
    label: str
    rip: str
    vip: str
    in_all: int = 0
    waiting: int = 0
    matching: int = 0

    def told(self) -> ServerConnections:
        """In words; a filter for SYN_RECV must not make trouble of what is in order."""
        suspicion = trouble = ""
        if self.service is not None and pile_up(self.waiting, self.in_all - self.waiting):
            suspicion, told = CAUSES[self.service.forwarding]
            trouble = told.format(vip=self.vip)
        return ServerConnections(
            service=self.service.label if self.service else "",
            server=self.label,
            rip=self.rip,
            connections=self.matching,
            waiting=self.waiting,
            suspicion=suspicion,
            trouble=trouble,
        )


@dataclass
class _Kind:
    """What entries have in common that differ only in their client and expiry."""

    protocol: str
    vip: str
    rip: str
    state: str
    service: str
    server: str
    tally: _Tally | None
    order: _Key
    clients: tuple[Net, ...]
    """In each of these a client must be, for the entry to match."""
    matches: bool
    in_all: int = 0
    matching: int = 0


_Found = tuple[_Key, int, int, Line, _Kind]
"""An entry: what it is sorted by, its expiry, its place in the table; no two have the same."""


class _Reader:
    """Goes through the lines once."""

    def __init__(self, names: Names, query: ConnectionQuery) -> None:
        self._names = names
        self._filter = Filter(query)
        self._order = query.order
        self._kinds: dict[tuple[bytes, ...], _Kind | None] = {}
        self._tallies: dict[_Name, _Tally] = {}
        self.states: Counter[str] = Counter()
        self.read = self.unread = 0

    def matching(self, slices: Slices) -> Iterator[_Found]:
        """The entries that match, with what they are sorted by; counts all of them."""
        kinds = self._kinds
        by_client = self._order is Order.CLIENT
        for lines in slices:
            for text in lines:
                line = read_line(text)
                if line is None:
                    self.unread += 1
                    continue
                self.read += 1
                try:
                    kind = kinds[line.shared]
                except KeyError:
                    kind = self._learn(line.shared)
                if kind is None:
                    self.unread += 1
                    continue
                kind.in_all += 1
                if kind.tally is not None and waits(kind.state, line.expires_s):
                    kind.tally.waiting += 1
                if not kind.matches or (kind.clients and not _inside(line.client, kind.clients)):
                    continue
                kind.matching += 1
                order = kind.order
                if by_client:
                    order = (len(line.client), line.client, line.client_port)
                yield order, line.expires_s, self.read, line, kind
        self._fold()

    def servers(self) -> list[ServerConnections]:
        """What each server carries, those in trouble first."""
        told = [tally.told() for tally in self._tallies.values() if tally.matching]
        return sorted(
            told,
            key=lambda each: (not each.trouble, -each.connections, each.service, each.server),
        )

    def _learn(self, shared: tuple[bytes, ...]) -> _Kind | None:
        if len(self._kinds) >= MOST_KINDS:
            self._fold()
        kind = self._kinds[shared] = self._kind(shared)
        return kind

    def _fold(self) -> None:
        """Add up what was counted, and forget the kinds."""
        for kind in self._kinds.values():
            if kind is None:
                continue
            self.states[kind.state] += kind.matching
            if kind.tally is not None:
                kind.tally.in_all += kind.in_all
                kind.tally.matching += kind.matching
        self._kinds.clear()

    def _kind(self, shared: tuple[bytes, ...]) -> _Kind | None:
        protocol = shared[0].decode("ascii", "replace").lower()
        state = shared[5].decode("ascii", "replace")
        vip, rip = packed(shared[1]), packed(shared[3])
        vport, rport = number(shared[2]), number(shared[4])
        if vip is None or rip is None or vport is None or rport is None:
            return None
        if protocol == "ip":  # by the mark alone, so it stands where an address would
            protocol = MARK
            mark = int.from_bytes(vip[:4], "big")
            service, where = self._names.by_mark(mark), f"mark {mark}"
        else:
            service = self._names.service(protocol, vip, vport, rip)
            where = _socket(vip, vport)
        label = self._names.server(service, rip, rport) if service is not None else ""
        kind = _Kind(
            protocol=protocol,
            vip=where,
            rip=_socket(rip, rport),
            state=state,
            service=service.label if service is not None else "",
            server=label,
            tally=None if state in REMEMBERED else self._tally(service, label, rip, vip),
            order=self._sorted_by(shared, state, service, label),
            clients=(),
            matches=False,
        )
        clients = self._filter.clients(Facts(protocol, vip, rip, state, kind.service, label))
        if clients is not None:
            kind.matches, kind.clients = True, clients
        return kind

    def _tally(
        self, service: Layer4Service | None, label: str, rip: bytes, vip: bytes
    ) -> _Tally | None:
        made = _Tally(service, label, str(ip_address(rip)), str(ip_address(vip)))
        if _named(made) not in self._tallies and len(self._tallies) >= MOST_TALLIES:
            return None
        return self._tallies.setdefault(_named(made), made)

    def _sorted_by(
        self, shared: tuple[bytes, ...], state: str, service: Layer4Service | None, label: str
    ) -> _Key:
        match self._order:
            case Order.STATE:
                return (state != SYN_RECV, state)
            case Order.VIP:
                return (len(shared[1]), shared[1], shared[2])
            case Order.SERVER:
                return (service.label if service else "", label, shared[3], shared[4])
            case _:
                return ()


def digest(names: Names, query: ConnectionQuery, slices: Slices) -> Digest:
    """The page that `query` asks for, and totals of all that match; raises `Refused`."""
    reader = _Reader(names, query)
    pick = heapq.nlargest if query.reverse else heapq.nsmallest
    # none at all would also read nothing at all
    picked = pick(max(1, query.offset + query.limit), reader.matching(slices))
    servers = reader.servers()
    suspects = frozenset((each.service, each.server, each.rip) for each in servers if each.trouble)
    page = picked[query.offset : query.offset + query.limit]
    return Digest(
        read=reader.read,
        unread=reader.unread,
        matching=reader.states.total(),
        states=tuple(
            StateCount(state=state, connections=number)
            for state, number in reader.states.most_common()
            if number
        ),
        servers=tuple(servers[:MOST_SERVERS]),
        servers_more=max(0, len(servers) - MOST_SERVERS),
        rows=tuple(_row(line, kind, suspects) for _, _, _, line, kind in page),
    )


def _row(line: Line, kind: _Kind, suspects: frozenset[_Name]) -> Connection:
    """An entry in words."""
    suspect = kind.tally is not None and _named(kind.tally) in suspects
    return Connection(
        protocol=kind.protocol,
        client=_client(line),
        vip=kind.vip,
        service=kind.service,
        rip=kind.rip,
        server=kind.server,
        state=kind.state,
        expires_s=line.expires_s,
        suspect=suspect and kind.state == SYN_RECV,
    )


def _client(line: Line) -> str:
    address, port = packed(line.client), number(line.client_port)
    return _socket(address, port) if address is not None and port is not None else "?"


def _named(tally: _Tally) -> _Name:
    return (tally.service.label if tally.service else "", tally.label, tally.rip)


def _inside(client: bytes, nets: tuple[Net, ...]) -> bool:
    address = packed(client)
    return address is not None and all(net.holds(address) for net in nets)


def _socket(address: bytes, port: int) -> str:
    text = str(ip_address(address))
    if not port:
        return text
    return f"[{text}]:{port}" if ":" in text else f"{text}:{port}"
