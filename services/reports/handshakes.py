# SPDX-License-Identifier: Apache-2.0
"""Handshakes that pile up at a server, and the guide's causes for it; pure.

A connection is in SYN_RECV from the client's first packet until its handshake is over, which
takes a round trip. Every packet sets its expiry back to a minute; so one that has not moved for
some seconds has no answer that reaches the client. Strangers who only knock leave such entries
at every server: they are trouble where no more connections have got further than are waiting.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

from services.model import Forwarding

SYN_RECV = "SYN_RECV"
HANDSHAKE_S = 60
"""The kernel's expiry of SYN_RECV (`tcp_timeouts` in ip_vs_proto_tcp.c); no setting changes it."""
WAITING_S = 3
"""Beyond any round trip, within the client's second repetition."""


class Cause(NamedTuple):
    """Why handshakes pile up at a server."""

    suspicion: str
    """In two or three words."""
    told: str
    """In sentences, with the remedy; `{vip}` stands for the service's address."""


CAUSES: Mapping[Forwarding, Cause] = MappingProxyType(
    {
        Forwarding.DR: Cause(
            "ARP problem",
            "Likely the ARP problem: the server has no {vip} on its loopback, or nothing listens "
            "there. Give it the VIP, and keep it from answering ARP for it.",
        ),
        Forwarding.TUN: Cause(
            "tunnel or ARP problem",
            "Likely the server does not unwrap the tunnel, or has no {vip}. Set up its tunnel and "
            "give it the VIP, and keep it from answering ARP for it.",
        ),
        Forwarding.NAT: Cause(
            "gateway problem",
            "Likely its default gateway is not this appliance, or it does not answer. Make an "
            "address of the appliance its default gateway.",
        ),
        Forwarding.SNAT: Cause(
            "no answer",
            "It does not answer the appliance. See whether the service runs there, and what its "
            "firewall lets in.",
        ),
    }
)


def waits(state: str, expires_s: int) -> bool:
    """Whether a connection has waited for its handshake for longer than one takes."""
    return state == SYN_RECV and expires_s <= HANDSHAKE_S - WAITING_S


def pile_up(waiting: int, further: int) -> bool:
    """Whether `waiting` handshakes are a server's fault, when `further` connections got on."""
    return 0 < waiting >= further
