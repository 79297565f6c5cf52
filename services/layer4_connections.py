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
from dataclasses import dataclass, field
from ipaddress import ip_address, ip_network
from typing import NamedTuple

from services.api_reports import (
    Connection,
    ConnectionQuery,
    Order,
    ServerConnections,
    StateCount,
)
from services.drivers.ipvs_conn import Line, Slices, packed, read_line
from services.errors import Refused
from services.layer4_handshakes import SYN_RECV, cause, pile_up, waits
from services.layer4_names import Names
from services.model import Layer4Service
from services.model.base import shown

MOST_SERVERS = 200
"""Of an answer; those in trouble come first."""
MOST_KINDS = 50_000
MOST_TALLIES = 20_000
REMEMBERED = frozenset({"ASSURED", "NONE"})
"""States of what is no connection: a client that persistence remembers."""
MARK = "mark"

_Key = tuple[object, ...]


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


class _Net(NamedTuple):
    """A network, or an address."""

    size: int
    shift: int
    value: int

    def holds(self, address: bytes) -> bool:
        return len(address) == self.size and int.from_bytes(address, "big") >> self.shift == (
            self.value
        )


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
        trouble = ""
        if self.service is not None and pile_up(self.waiting, self.in_all - self.waiting):
            trouble = cause(self.service.forwarding, self.vip)
        return ServerConnections(
            service=self.service.label if self.service else "",
            server=self.label,
            rip=self.rip,
            connections=self.matching,
            waiting=self.waiting,
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
    clients: tuple[_Net, ...]
    """In each of these a client must be, for the entry to match."""
    matches: bool
    in_all: int = 0
    matching: int = 0


@dataclass
class _Filter:
    """The query, understood. Raises `Refused` if it cannot be."""

    query: ConnectionQuery
    client: _Net | None = field(init=False)
    vip: _Net | None = field(init=False)
    server: _Net | None = field(init=False)
    words: tuple[tuple[str, _Net | None], ...] = field(init=False)

    def __post_init__(self) -> None:
        self.client = _wanted_net(self.query.client)
        self.vip = _wanted_net(self.query.vip)
        self.server = _net(self.query.server)
        self.words = tuple((word.casefold(), _net(word)) for word in self.query.words.split())

    def clients(self, kind: _Kind, vip: bytes, rip: bytes) -> tuple[_Net, ...] | None:
        """The networks that a client of such an entry must be in; None: none would match."""
        query = self.query
        by_server = kind.server == query.server or (self.server and self.server.holds(rip))
        if not (
            (self.vip is None or self.vip.holds(vip))
            and query.service in {"", kind.service}
            and (not query.server or by_server)
            and query.state.casefold() in {"", kind.state.casefold()}
        ):
            return None
        wanted = [self.client] if self.client is not None else []
        names = f"{kind.service} {kind.server} {kind.protocol}".casefold()
        for word, net in self.words:
            if word == kind.state.casefold() or word in names:
                continue
            if net is None:
                return None
            if not net.holds(vip) and not net.holds(rip):
                wanted.append(net)
        return tuple(wanted)


class _Reader:
    """Goes through the lines once."""

    def __init__(self, names: Names, query: ConnectionQuery) -> None:
        self._names = names
        self._filter = _Filter(query)
        self._order = query.order
        self._kinds: dict[tuple[bytes, ...], _Kind | None] = {}
        self._tallies: dict[tuple[str, str, str], _Tally] = {}
        self.states: Counter[str] = Counter()
        self.read = self.unread = 0

    def matching(self, slices: Slices) -> Iterator[tuple[_Key, int, Line]]:
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
                yield order, line.expires_s, line
        self._fold()

    def servers(self) -> list[ServerConnections]:
        """What each server carries, those in trouble first."""
        told = [tally.told() for tally in self._tallies.values() if tally.matching]
        return sorted(
            told,
            key=lambda each: (not each.trouble, -each.connections, each.service, each.server),
        )

    def row(self, line: Line, suspects: frozenset[tuple[str, str, str]]) -> Connection:
        """An entry in words."""
        kind = self._kind(line.shared)
        assert kind is not None, "it has been read before"
        address = packed(line.client)
        port = int(line.client_port, 16)
        mine = kind.tally is not None and _named(kind.tally) in suspects
        return Connection(
            protocol=kind.protocol,
            client=_socket(address, port) if address else "",
            vip=kind.vip,
            service=kind.service,
            rip=kind.rip,
            server=kind.server,
            state=kind.state,
            expires_s=line.expires_s,
            suspect=mine and kind.state == SYN_RECV,
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
        try:
            vport, rport = int(shared[2], 16), int(shared[4], 16)
        except ValueError:
            return None
        if vip is None or rip is None or vport > 0xFFFF or rport > 0xFFFF:
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
        clients = self._filter.clients(kind, vip, rip)
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
        rows=tuple(reader.row(line, suspects) for _, _, line in page),
    )


def _named(tally: _Tally) -> tuple[str, str, str]:
    return (tally.service.label if tally.service else "", tally.label, tally.rip)


def _inside(client: bytes, nets: tuple[_Net, ...]) -> bool:
    address = packed(client)
    return address is not None and all(net.holds(address) for net in nets)


def _socket(address: bytes, port: int) -> str:
    text = str(ip_address(address))
    if not port:
        return text
    return f"[{text}]:{port}" if ":" in text else f"{text}:{port}"


def _net(text: str) -> _Net | None:
    """An address or a network; None: it is neither."""
    try:
        found = ip_network(text.strip("[]"), strict=False)
    except ValueError:
        return None
    size = found.max_prefixlen
    shift = size - found.prefixlen
    return _Net(size // 8, shift, int(found.network_address) >> shift)


def _wanted_net(text: str) -> _Net | None:
    if not text:
        return None
    found = _net(text)
    if found is None:
        raise Refused(
            f"{shown(text)} is neither an address nor a network.",
            do="Write 203.0.113.9, 203.0.113.0/24, or an IPv6 one.",
        )
    return found
