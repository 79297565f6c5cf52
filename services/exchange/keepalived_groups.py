# SPDX-License-Identifier: Apache-2.0
"""What a virtual_server is for: an address, a firewall mark, or a group of either.

A group's addresses are one service of ours for each port, 16 addresses in each at most, as many
as a service has.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from ipaddress import ip_network

from services.exchange.blocks import Statement
from services.exchange.lines import Left, Line, Marks
from services.exchange.names import Unread, address_of, number_of, port_of
from services.model.base import Address, cleaned

MOST_ADDRESSES = 16
"""Of one service, in the model."""
MOST_IN_RANGE = 1024
MOST_TARGETS = 1000


@dataclass
class Target:
    """What one service is for."""

    name: str
    addresses: list[Address]
    port: int
    mark: int | None = None
    lines: list[Line] = field(default_factory=list)
    """Those of the group that say so."""


def targets_of(
    statement: Statement, groups: Mapping[str, Statement], marks: Marks, left: Left
) -> list[Target]:
    """What a virtual_server is for; raises `Unread`."""
    match statement.words[1:]:
        case ["fwmark", number]:
            return [_marked(number, marks, [])]
        case ["group", name]:
            if name not in groups:
                raise Unread(f"There is no virtual_server_group `{cleaned(name, 40)}`.")
            return _in_group(name, groups[name], marks, left)
        case words:
            address, port = socket_of_words(words)
            return [Target(f"{address}-{port}", [address], port)]


def socket_of_words(words: list[str]) -> tuple[Address, int]:
    """An address and, if there is one, its port, as two words; raises `Unread`."""
    match words:
        case [address]:
            return address_of(address), 0
        case [address, port]:
            return address_of(address), port_of(port)
        case other:
            raise Unread(f"`{cleaned(' '.join(other), 40)}` is no address with a port.")


def _marked(number: str, marks: Marks, lines: list[Line]) -> Target:
    mark = number_of(number)
    return Target(f"mark-{mark}", list(marks.get(mark, ())), 0, mark, lines)


def _in_group(name: str, group: Statement, marks: Marks, left: Left) -> list[Target]:
    by_port: dict[tuple[int, int], Target] = {}
    found: list[Target] = []
    for inner in group.inside():
        try:
            if inner.why or inner.block is not None:
                raise Unread(inner.why or "It is no entry of a group.")
            match inner.words:
                case ["fwmark", number, *family] if family in ([], ["inet"], ["inet6"]):
                    found.append(_marked(number, marks, [inner.line]))
                case [addresses, *port] if len(port) < 2:
                    wanted = port_of(port[0]) if port else 0
                    for address in _range(addresses):
                        key = (address.version, wanted)
                        target = by_port.get(key)
                        if target is None or len(target.addresses) == MOST_ADDRESSES:
                            if len(found) == MOST_TARGETS:
                                raise Unread("The group is too large.")
                            target = Target(f"{name}-{wanted}", [], wanted)
                            by_port[key] = target
                            found.append(target)
                        target.addresses.append(address)
                        if inner.line not in target.lines[-1:]:
                            target.lines.append(inner.line)
                case _:
                    raise Unread("It is no entry of a group.")
        except Unread as error:
            left.add(inner.line, str(error), last=inner.last)
    if not found:
        raise Unread(f"The group `{cleaned(name, 40)}` has no address that could be read.")
    return found


def _range(words: str) -> Iterator[Address]:
    """One address, or those of `192.0.2.1-10`, `192.0.2.1-192.0.2.10` or `192.0.2.0/29`."""
    first, minus, last = words.partition("-")
    if minus:
        begin = address_of(first)
        separator = "." if begin.version == 4 else ":"
        end = address_of(
            last if separator in last else str(begin).rpartition(separator)[0] + separator + last
        )
        count = int(end) - int(begin) + 1
        if end.version != begin.version or not 0 < count <= MOST_IN_RANGE:
            raise Unread("The range runs backwards, or is too long.")
        yield from (begin + step for step in range(count))
    elif "/" in words:
        try:
            network = ip_network(words)
        except ValueError:
            raise Unread(f"`{cleaned(words, 40)}` is no network.") from None
        if network.num_addresses > MOST_IN_RANGE:
            raise Unread("The range is too long.")
        yield from network
    else:
        yield address_of(words)
