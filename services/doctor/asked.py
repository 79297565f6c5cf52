# SPDX-License-Identifier: Apache-2.0
"""What is asked of the wire, and what is heard: values that the doctor and the driver share.

A knock is one packet that goes to one real server by the very path on which clients' packets
reach it, but outside IPVS: in direct routing a frame to the server's own hardware address that
is addressed to the VIP, in a tunnel the same packet wrapped as IPVS wraps it. The other way
would be a service of its own in the kernel's table, known by a firewall mark, with that one
server in it. It would prove as much and cost more: the table that carries live traffic would
be changed, the connections would count for the scheduler and be remembered by persistence, and
what crashes between would leave it there. A packet of our own touches nothing, the answer is
seen as it comes from the card, and it tells more: refused is not silent, and the answer's
hardware address says by which way it came.

What a knock does not prove is that IPVS itself forwards; that can be seen in its counters.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple

from services.model.base import Address
from services.model.layer4 import Tunnel


class Verdict(StrEnum):
    """How sure a finding is, and of what."""

    FAULT = "fault"
    UNPROVEN = "unproven"
    GOOD = "good"


class WhoHas(NamedTuple):
    """The question on a card's wire who has an address."""

    device: str
    address: Address


class Kind(StrEnum):
    """What a knock asks for."""

    TCP = "tcp"
    """A connection, which is ended at once: whether somebody listens at the port."""
    ECHO = "echo"
    """An answer to ping."""
    UDP = "udp"
    """A datagram to a port where nobody is: any host says so that takes packets for the address,
    even one that redirects them."""


class Frame(NamedTuple):
    """Straight to a neighbour's card."""

    device: str
    rip: Address


class Routed(NamedTuple):
    """By the kernel's routes."""


class Wrapped(NamedTuple):
    """In a tunnel, as IPVS would."""

    source: Address
    rip: Address
    tunnel: Tunnel
    port: int = 0
    """UDP port of GUE."""


Path = Frame | Routed | Wrapped


class Knock(NamedTuple):
    """One packet that asks one server something."""

    kind: Kind
    source: Address
    target: Address
    """Whose answer it asks for: the server's own address, or the VIP."""
    port: int
    """Of TCP."""
    path: Path


class Reply(StrEnum):
    """What came back."""

    OPEN = "open"
    """TCP: somebody listens."""
    REFUSED = "refused"
    """TCP: nobody listens, and the host says so."""
    ALIVE = "alive"
    """Ping, or the word that nobody is at the port."""


class Heard(NamedTuple):
    """The first answer to a knock, and which way it came."""

    reply: Reply
    device: str
    mac: str
    """Of the card that it came from, as `02:00:00:00:00:01`."""


@dataclass(frozen=True)
class Observed:
    """Everything the wire said."""

    owners: Mapping[WhoHas, frozenset[str]] = field(default_factory=dict)
    """Hardware addresses of whoever has an address, ours left out; a question is missing whose
    card has no link."""
    heard: Mapping[Knock, Heard] = field(default_factory=dict)
    """Knocks without an answer are missing."""

    def owner(self, question: WhoHas) -> str:
        """Whose card it is, if exactly one answered."""
        found = self.owners.get(question, frozenset())
        return next(iter(found)) if len(found) == 1 else ""
