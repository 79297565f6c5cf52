# SPDX-License-Identifier: Apache-2.0
"""Filters that the kernel runs for a packet socket, so that a busy card costs us nothing.

A unit forwards a million packets a second, and a packet socket sees them all: what is not an
answer to us must be thrown away before it is copied. The filters are classic BPF (Linux,
Documentation/networking/filter.rst), each a list of ways to be let through.
"""

from __future__ import annotations

import ctypes
import socket
import struct
from collections.abc import Sequence
from typing import NamedTuple

from services.drivers.packets import ICMP, ICMP6, TCP, UDP

_ATTACH = 26
"""SO_ATTACH_FILTER."""
_LINE = struct.Struct("=HBBI")
_BYTE, _HALF, _HALF_BEHIND = 0x30, 0x28, 0x48
_BYTE_BEHIND = 0x50
_BEHIND_IPV4 = (0xB1, 0)
"""Into the index register: the length of the IPv4 header."""
_EQUAL, _RETURN = 0x15, 0x06
_WHOLE = 0xFFFF


class Look(NamedTuple):
    """A field, by BPF's code of loading it, and what it must be."""

    code: int
    at: int
    wanted: int


Way = Sequence[Look]


def answers(version: int, port: int) -> bytes:
    """Lets through what may answer our port or ping; for a socket that begins at the IP header."""
    ways: list[Way]
    if version == 4:
        ways = [
            (Look(_BYTE, 9, TCP), Look(_HALF_BEHIND, 2, port)),
            (Look(_BYTE, 9, ICMP), Look(_BYTE_BEHIND, 0, 0), Look(_HALF_BEHIND, 4, port)),
            (Look(_BYTE, 9, ICMP), Look(_BYTE_BEHIND, 0, 3), Look(_HALF_BEHIND, 28, port)),
        ]
    else:
        ways = [
            (Look(_BYTE, 6, TCP), Look(_HALF, 42, port)),
            (Look(_BYTE, 6, ICMP6), Look(_BYTE, 40, 129), Look(_HALF, 44, port)),
            (
                Look(_BYTE, 6, ICMP6),
                Look(_BYTE, 40, 1),
                Look(_BYTE, 54, UDP),
                Look(_HALF, 88, port),
            ),
        ]
    return _program(ways)


def neighbours() -> bytes:
    """Lets through ICMPv6 alone, out of IPv6; for a socket that begins at the Ethernet header."""
    return _program([(Look(_BYTE, 14 + 6, ICMP6),)])


def attach(to: socket.socket, program: bytes) -> None:
    """Have the kernel run the filter; raises `OSError`."""
    lines = ctypes.create_string_buffer(program, len(program))
    # struct sock_fprog: how many, and where; the kernel copies them
    told = struct.pack("@HP", len(program) // _LINE.size, ctypes.addressof(lines))
    to.setsockopt(socket.SOL_SOCKET, _ATTACH, told)


def _program(ways: Sequence[Way]) -> bytes:
    lines = [_LINE.pack(_BEHIND_IPV4[0], 0, 0, _BEHIND_IPV4[1])]
    for way in ways:
        for place, look in enumerate(way):
            lines.append(_LINE.pack(look.code, 0, 0, look.at))
            # on to the next way, past what is left of this one and its end
            left = (len(way) - place - 1) * 2 + 1
            lines.append(_LINE.pack(_EQUAL, 0, left, look.wanted))
        lines.append(_LINE.pack(_RETURN, 0, 0, _WHOLE))
    lines.append(_LINE.pack(_RETURN, 0, 0, 0))
    return b"".join(lines)
