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
from collections.abc import Callable, Collection, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial

from services.drivers import frames, packet_filter
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
        raise _silenced(device, error) from error
    return ""


async def ask_all(
    device: str, mac: bytes, addresses: Collection[bytes], *, ours: Collection[bytes]
) -> Mapping[bytes, frozenset[str]]:
    """Who has each of these addresses on the wire of `device`: everybody who says so.

    Asks as often as `ask` and waits to the end, for a second one may be slower than the first.
    Raises `Unable`.
    """
    found: dict[bytes, set[bytes]] = {address: set() for address in addresses}
    loop = asyncio.get_running_loop()
    with ExitStack() as left:
        try:
            by_kind: dict[int, list[bytes]] = {}
            for address in found:
                kind, question, _ = _manner(mac, address)
                by_kind.setdefault(kind, []).append(question)
            wires = []
            for kind, questions in by_kind.items():
                wire = left.enter_context(socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0))
                wire.settimeout(0)
                if kind == frames.ETH_IPV6:
                    packet_filter.attach(wire, packet_filter.neighbours())
                wire.bind((device, kind))
                if kind == frames.ETH_IPV6:
                    _listen_to(wire, device, (frames.ALL_NODES,))
                loop.add_reader(wire.fileno(), _collect, wire, found, frozenset(ours))
                left.callback(loop.remove_reader, wire.fileno())
                wires.append((wire, questions))
            for _ in range(ROUNDS):
                for wire, questions in wires:
                    for question in questions:
                        await loop.sock_sendall(wire, question)
                await asyncio.sleep(INTERVAL_S)
        except OSError as error:
            raise _silenced(device, error) from error
    return {address: frozenset(mac.hex(":") for mac in macs) for address, macs in found.items()}


def _silenced(device: str, error: OSError) -> Unable:
    return Unable(
        f"Nobody can be asked on {device}: {error.strerror or error}.",
        do="Look whether the card is there and has a link, and run the agent as root.",
    )


def _collect(
    wire: socket.socket, found: Mapping[bytes, set[bytes]], ours: frozenset[bytes]
) -> None:
    try:
        frame = wire.recv(MOST_BYTES)
    except OSError:
        return  # what is wrong with the card is told by the next question
    for place in (frame[28:32], frame[38:42], frame[62:78]):
        if place not in found:
            continue
        owner = (
            frames.arp_owner(frame, place)
            if len(place) == IPV4_BYTES
            else frames.neighbour_owner(frame, place)
        )
        if owner and owner not in ours:
            found[place].add(owner)


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
