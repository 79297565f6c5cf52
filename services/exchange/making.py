# SPDX-License-Identifier: Apache-2.0
"""Services and servers of the model, made of what was gathered from a file's lines.

The model judges, as it judges everything else: a value it refuses leaves its line over, a number
beyond its limits is taken as far as they go, and an object that cannot be without what was
refused is left over whole, with all of its lines.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import NamedTuple, TypeVar

from pydantic import ValidationError

from services.errors import Problem
from services.exchange.lines import Left, Line
from services.exchange.names import Labels, Unread
from services.model import Forwarding, Layer4Server, Layer4Service, Model, problems_from
from services.model.base import Address, cleaned
from services.model.layer4 import DIRECT, HASHING, OWN_MARKS, Protocol, Tunnel, TunnelChecksum
from services.model.service import PAGE_ADDRESS, PAGE_PORT

MOST_SERVICES, MOST_SERVERS, MOST_IN_ALL = 5000, 1000, 100_000
"""Services, servers of one and servers of all: no more are made of a hostile file."""

_Object = TypeVar("_Object", bound=Model)


class Said(NamedTuple):
    """A value, and the line that gives it."""

    value: object
    line: Line
    also: tuple[Line, ...] = ()
    """Further lines that say the same."""


class Way(NamedTuple):
    """How packets reach a server."""

    forwarding: Forwarding = Forwarding.DR
    tunnel: Tunnel = Tunnel.IPIP
    tunnel_port: int = 0
    """GUE only."""
    checksum: TunnelChecksum = TunnelChecksum.NONE

    def __str__(self) -> str:
        name = self.forwarding.name
        return f"{name} ({self.tunnel.upper()})" if self.forwarding is Forwarding.TUN else name


@dataclass
class FoundServer:
    """A real server as a file has it."""

    line: Line
    address: Address
    port: int
    """0: not said, or the service's."""
    way: Way
    fields: dict[str, Said] = field(default_factory=dict)
    """Further fields of the model."""
    lines: list[Line] = field(default_factory=list)
    """Further lines that are about it."""


class Fallback(NamedTuple):
    """A fallback server as a file has it."""

    address: Address
    port: int
    way: Way | None
    line: Line


@dataclass
class FoundService:
    """A virtual service as a file has it."""

    line: Line
    name: str
    """What its label is made of."""
    addresses: list[Address]
    port: int
    protocol: Protocol
    mark: int = 0
    way: Way | None = None
    """None: as most of its servers are reached."""
    fallback: Fallback | None = None
    fields: dict[str, Said] = field(default_factory=dict)
    servers: list[FoundServer] = field(default_factory=list)
    lines: list[Line] = field(default_factory=list)

    def whole(self) -> Iterator[Line]:
        """Every line that is about it, its servers' included."""
        yield self.line
        yield from self.lines
        if self.fallback is not None:
            yield self.fallback.line
        yield from (said.line for said in self.fields.values())
        for server in self.servers:
            yield server.line
            yield from server.lines
            yield from (said.line for said in server.fields.values())


def put(found: FoundService | FoundServer, name: str, said: Said, left: Left) -> None:
    """Give a field its value; what a line before it has said of it is left over."""
    before = found.fields.get(name)
    # what is not said at all stands there as if the first line had said it
    if before is not None and before.line not in (said.line, found.line):
        left.add(before.line, f"Line {said.line.number} says it again, and that holds.")
    found.fields[name] = said


def services_of(
    found: Iterable[FoundService], left: Left, labels: Labels
) -> tuple[Layer4Service, ...]:
    """The services that could be made; what could not goes to `left`."""
    made: list[Layer4Service] = []
    room = MOST_IN_ALL
    for each in found:
        room -= len(each.servers)
        if len(made) == MOST_SERVICES or room < 0:
            why = f"{MOST_SERVICES} services and {MOST_IN_ALL} servers are the most that are read."
            left.add_all(each.whole(), why)
        elif (service := _service(each, left, labels)) is not None:
            made.append(service)
    return tuple(made)


def _service(found: FoundService, left: Left, labels: Labels) -> Layer4Service | None:
    if why := unable(found):
        left.add_all(found.whole(), why)
        return None
    ways = Counter(each.way for each in found.servers)
    way = found.way or (ways.most_common(1)[0][0] if ways else Way())
    servers = tuple(_servers(found, way, left))
    fixed: dict[str, object] = {
        "label": labels.new(found.name),
        "addresses": found.addresses,
        "protocol": found.protocol,
        "forwarding": way.forwarding,
        "servers": servers,
        **_fallback(found, way, left),
    }
    if found.protocol is Protocol.MARK:
        fixed["mark"] = found.mark
    else:
        fixed["ports"] = str(found.port)
    if way.forwarding is Forwarding.TUN:
        fixed["tunnel"] = way.tunnel
        fixed["tunnel_checksum"] = way.checksum
        if way.tunnel is Tunnel.GUE:
            fixed["tunnel_port"] = way.tunnel_port
    return built(Layer4Service, fixed, found.fields, found.line, found.whole(), left)


FLAGS: Mapping[str, str] = MappingProxyType(
    {
        "flag-1": "hash_fallback",
        "flag-2": "hash_port",
        **{f"{hashing}-fallback": "hash_fallback" for hashing in HASHING},
        **{f"{hashing}-port": "hash_port" for hashing in HASHING},
    }
)
"""Fields by the names of schedulers' flags."""


def flags_of(words: str, line: Line) -> dict[str, Said]:
    """The fields that flags with commas between them set; raises `Unread`."""
    for word in words.split(","):
        if word not in FLAGS:
            raise Unread(f"`{cleaned(word, 40)}` is no flag of a scheduler that is known.")
    return {FLAGS[word]: Said(value=True, line=line) for word in words.split(",")}


def unable(found: FoundService) -> str:
    """Why there can be no such service; empty: there can."""
    if found.protocol is Protocol.MARK:
        if not found.mark:
            return "0 is no firewall mark."
        if found.mark >= OWN_MARKS:
            return (
                f"Marks from {OWN_MARKS} are the appliance's own: it gives one to a service of "
                "several ports by itself."
            )
        if not found.addresses:
            return (
                f"What carries the mark {found.mark} stands in other rules: name its addresses "
                f"with --mark {found.mark}=ADDRESS,..."
            )
    elif not found.port:
        return "It has every port, and our services name theirs: add it with the ports you need."
    return ""


def _servers(found: FoundService, way: Way, left: Left) -> Iterator[Layer4Server]:
    labels = Labels()
    seen: set[tuple[Address, int]] = set()
    for server in found.servers:
        lines = [server.line, *server.lines, *(said.line for said in server.fields.values())]
        if server.way != way:
            why = f"It is reached by {server.way}, most servers by {way}; a service has one method."
            left.add_all(lines, why)
            continue
        port = _port(found, server, way, left)
        if (server.address, port) in seen:
            left.add_all(lines, f"The service has {server.address} already.")
            continue
        seen.add((server.address, port))
        fixed: dict[str, object] = {"address": server.address}
        if port:
            fixed["port"] = port
        fixed["label"] = labels.new(f"{server.address}-{port}" if port else str(server.address))
        made = built(Layer4Server, fixed, server.fields, server.line, lines, left)
        if made is not None:
            yield made


def _port(found: FoundService, server: FoundServer, way: Way, left: Left) -> int:
    """The port of its own that a server has; 0: the one that the client chose."""
    if server.port in (0, found.port):
        return 0
    if way.forwarding in DIRECT:
        left.add(
            server.line,
            f"In {way.forwarding.name} a server has the service's port; {server.port} is left out.",
        )
        return 0
    if found.protocol is Protocol.MARK:
        left.add(
            server.line,
            f"Behind a firewall mark a packet keeps its port; {server.port} is left out.",
        )
        return 0
    return server.port


def _fallback(found: FoundService, way: Way, left: Left) -> dict[str, object]:
    wish = found.fallback
    if wish is None:
        return {"fallback_address": None}
    if wish.address.is_loopback:
        if wish.port != PAGE_PORT:
            left.add(
                wish.line,
                f"The unit's own page is taken instead, which answers at port {PAGE_PORT}.",
            )
        return {"fallback_address": PAGE_ADDRESS, "fallback_port": PAGE_PORT}
    if found.addresses and wish.address.version != found.addresses[0].version:
        left.add(wish.line, "Its address is of another family than the service's.")
        return {"fallback_address": None}
    port = wish.port or found.port
    told = []
    if wish.way not in (None, way):
        told.append(f"The fallback server is reached as the servers are, by {way}.")
    if way.forwarding in DIRECT and port != found.port:
        told.append(f"In {way.forwarding.name} it has the service's port.")
        port = found.port
    if told:
        left.add(wish.line, " ".join(told))
    return {"fallback_address": wish.address, "fallback_port": port or PAGE_PORT}


def built(
    kind: type[_Object],
    fixed: Mapping[str, object],
    fields: Mapping[str, Said],
    line: Line,
    lines: Iterable[Line],
    left: Left,
) -> _Object | None:
    """An object of what is `fixed` and of its further fields, as far as the model takes them.

    None if it cannot be without what was refused: then `line` and `lines` are left over.
    """
    taken = {name: said.value for name, said in fields.items()}
    while True:
        try:
            return kind.model_validate({**fixed, **taken})
        except ValidationError as error:
            problems = problems_from(error, kind)
        by_field = {str(problem.path[0]): problem for problem in problems if problem.path}
        if not by_field or by_field.keys() - taken.keys():
            (problem, *_) = problems
            left.add(line, problem.what)
            rest = (each for each in lines if each != line)
            left.add_all(rest, f"What line {line.number} begins is left out: {problem.what}")
            return None
        for name, problem in by_field.items():
            _taken_otherwise(kind, taken, fields[name], name, problem, left)


def _taken_otherwise(
    kind: type[Model],
    taken: dict[str, object],
    said: Said,
    name: str,
    problem: Problem,
    left: Left,
) -> None:
    """The nearest number within the limits, if it is one, else the field's default."""
    nearest = _nearest(kind, name, taken[name])
    if nearest is None or nearest == taken[name]:
        del taken[name]
        left.add_all((said.line, *said.also), problem.what)
    else:
        taken[name] = nearest
        why = f"{problem.what} {nearest} is taken instead."
        left.add_all((said.line, *said.also), why)


def _nearest(kind: type[Model], name: str, value: object) -> int | None:
    if not isinstance(value, int):
        return None
    limits = kind.model_fields[name].metadata
    least = next((each.ge for each in limits if hasattr(each, "ge")), value)
    most = next((each.le for each in limits if hasattr(each, "le")), value)
    return int(min(max(value, least), most))
