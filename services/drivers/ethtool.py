# SPDX-License-Identifier: Apache-2.0
"""A network card's driver and speed, asked as the program ethtool asks.

By the old request (ETHTOOL_GSET): it is one call where the new one needs two, and what it
does not tell, link modes past the 32nd, nobody here wants to know. A card may wait for its
firmware before it answers, so this is asked when somebody looks and never by the loop.
"""

from __future__ import annotations

import array
import fcntl
import socket
import struct
from collections.abc import Iterable
from dataclasses import dataclass

_SIOCETHTOOL = 0x8946
_DRIVER_INFO, _SETTINGS = 0x3, 0x1
_DRIVER_BYTES = 196
_LINK = struct.Struct("=IIIHBBBBBBIIHBBIII")
_UNKNOWN = 0xFFFFFFFF


@dataclass(frozen=True)
class CardFacts:
    """What a card says of itself."""

    driver: str = ""
    speed_mbit: int = 0
    """0: it has no link, or does not know."""


def describe(names: Iterable[str]) -> dict[str, CardFacts]:
    """What each of the cards says; blocks for as long as their firmware takes."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as door:
        return {name: CardFacts(_driver(door, name), _speed(door, name)) for name in names}


def _driver(door: socket.socket, name: str) -> str:
    told = _asked(door, name, struct.pack("=I", _DRIVER_INFO).ljust(_DRIVER_BYTES, b"\0"))
    return told[4:36].partition(b"\0")[0].decode("ascii", errors="replace")


def _speed(door: socket.socket, name: str) -> int:
    told = _asked(door, name, struct.pack("=I", _SETTINGS).ljust(_LINK.size, b"\0"))
    if not told:
        return 0
    fields = _LINK.unpack(told)
    speed: int = fields[3] | fields[12] << 16
    return 0 if speed in {_UNKNOWN, 0xFFFF} else speed


def _asked(door: socket.socket, name: str, question: bytes) -> bytes:
    """The question's bytes as the card's driver has filled them in; empty if it knows none."""
    data = array.array("B", question)
    request = struct.pack("16sP", name.encode()[:15], data.buffer_info()[0])
    try:
        fcntl.ioctl(door, _SIOCETHTOOL, request.ljust(40, b"\0"))
    except OSError:
        return b""
    return data.tobytes()
