# SPDX-License-Identifier: Apache-2.0
"""Which connections a person wants to see; pure.

All but the client is the same for many entries, so it is judged once for each kind of them; what
is left is in which networks an entry's client must be.
"""

from __future__ import annotations

from ipaddress import ip_network
from typing import NamedTuple

from services.api_reports import ConnectionQuery
from services.errors import Refused
from services.model.base import shown


class Net(NamedTuple):
    """A network, or an address."""

    size: int
    """Bytes of its addresses."""
    shift: int
    """Bits of an address that are not the network's."""
    value: int

    def holds(self, address: bytes) -> bool:
        """Whether the address is in it."""
        if len(address) != self.size:
            return False
        return int.from_bytes(address, "big") >> self.shift == self.value


class Facts(NamedTuple):
    """What is known of an entry without its client."""

    protocol: str
    vip: bytes
    rip: bytes
    state: str
    service: str
    server: str


class Filter:
    """A query, understood."""

    def __init__(self, query: ConnectionQuery) -> None:
        """Raises `Refused` if it cannot be understood."""
        self._query = query
        self._state = query.state.casefold()
        self._client = _demanded(query.client)
        self._vip = _demanded(query.vip)
        self._rip = _net(query.server)
        self._words = tuple((word.casefold(), _net(word)) for word in query.words.split())

    def clients(self, facts: Facts) -> tuple[Net, ...] | None:
        """The networks that a client must be in; None: no such entry matches."""
        query, state = self._query, facts.state.casefold()
        right_server = facts.server == query.server or _in(facts.rip, self._rip)
        if not (
            (self._vip is None or self._vip.holds(facts.vip))
            and query.service in {"", facts.service}
            and (not query.server or right_server)
            and self._state in {"", state}
        ):
            return None
        wanted = [self._client] if self._client is not None else []
        labels = f"{facts.service} {facts.server}".casefold()
        for word, net in self._words:
            if word in {state, facts.protocol} or word in labels:
                continue
            if _in(facts.vip, net) or _in(facts.rip, net):
                continue
            if net is None:
                return None
            wanted.append(net)
        return tuple(wanted)


def _in(address: bytes, net: Net | None) -> bool:
    return net is not None and net.holds(address)


def _net(text: str) -> Net | None:
    """An address or a network; None: it is neither."""
    try:
        found = ip_network(text.strip("[]"), strict=False)
    except ValueError:
        return None
    shift = found.max_prefixlen - found.prefixlen
    return Net(found.max_prefixlen // 8, shift, int(found.network_address) >> shift)


def _demanded(text: str) -> Net | None:
    if not text:
        return None
    found = _net(text)
    if found is None:
        raise Refused(
            f"{shown(text)} is neither an address nor a network.",
            do="Write 203.0.113.9, 203.0.113.0/24, or an IPv6 one.",
        )
    return found
