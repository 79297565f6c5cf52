# SPDX-License-Identifier: Apache-2.0
"""Whether somebody on a card's wire has an address: asked as RFC 5227 and RFC 4862 ask.

The question claims nothing, so it may be asked for an address that is another's, before the
document that would take it is applied. It is put three times, and whoever answers, announces
the address or asks for it in the same way has it. The RFCs wait six seconds, for hosts that
have just been switched on behind a switch that is still learning; here somebody waits in
front of a form, so it is done after one and a half.

Frames of this unit's own other cards do not count: an address may be moved between them.
"""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Callable, Collection
from dataclasses import dataclass
from functools import partial

from services.drivers import frames
from services.drivers.rtnetlink import IPV4_BYTES
from services.errors import Unable

ROUNDS = 3
INTERVAL_S = 0.5
MOST_BYTES = 2048

_SOL_PACKET, _ADD_MEMBERSHIP, _MULTICAST = 263, 1, 0


@dataclass(frozen=True)
class Probed:
    """What the wire said."""

    carrier: bool
    """False: there is no link, so nobody could have answered."""
    owner: str = ""
    """Hardware address of whoever has it; empty: nobody."""


async def ask(device: str, mac: bytes, address: bytes, *, ours: Collection[bytes]) -> str:
    """Who has `address`, packed, on the wire of `device`; empty if nobody says so.

    `ours` are the hardware addresses of this unit. Raises `Unable`.
    """
    kind, question, owner_in = _manner(mac, address)
    loop = asyncio.get_running_loop()
    found: asyncio.Future[bytes] = loop.create_future()
    try:
        with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0) as wire:
            wire.settimeout(0)
            wire.bind((device, kind))
            if kind == frames.ETH_IPV6:
                _listen_to(wire, device, (frames.ALL_NODES, frames.solicited(address)))
            loop.add_reader(wire.fileno(), _hear, wire, owner_in, frozenset(ours), found)
            try:
                for _ in range(ROUNDS):
                    await loop.sock_sendall(wire, question)
                    await asyncio.wait([found], timeout=INTERVAL_S)
                    if found.done():
                        return found.result().hex(":")
            finally:
                loop.remove_reader(wire.fileno())
    except OSError as error:
        raise Unable(
            f"Nobody can be asked on {device}: {error.strerror or error}.",
            do="Look whether the card is there and has a link, and run the agent as root.",
        ) from error
    return ""


def _manner(mac: bytes, address: bytes) -> tuple[int, bytes, Callable[[bytes], bytes]]:
    if len(address) == IPV4_BYTES:
        return (
            frames.ETH_ARP,
            frames.arp_question(mac, address),
            partial(frames.arp_owner, address=address),
        )
    return (
        frames.ETH_IPV6,
        frames.solicitation(mac, address),
        partial(frames.neighbour_owner, address=address),
    )


def _listen_to(wire: socket.socket, device: str, addresses: Collection[bytes]) -> None:
    index = socket.if_nametoindex(device)
    for each in addresses:
        wanted = struct.pack("=iHH8s", index, _MULTICAST, len(each), each)
        wire.setsockopt(_SOL_PACKET, _ADD_MEMBERSHIP, wanted)


def _hear(
    wire: socket.socket,
    owner_in: Callable[[bytes], bytes],
    ours: frozenset[bytes],
    found: asyncio.Future[bytes],
) -> None:
    try:
        owner = owner_in(wire.recv(MOST_BYTES))
    except OSError as error:
        if not isinstance(error, BlockingIOError) and not found.done():
            found.set_exception(error)
        return
    if owner and owner not in ours and not found.done():
        found.set_result(owner)
