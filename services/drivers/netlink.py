# SPDX-License-Identifier: Apache-2.0
"""Netlink, packed by hand: one send for many requests, one quick look at thousands.

For what comes in thousands, addresses (`rtnetlink`) and the IPVS table (`ipvs_wire`), see there
for what that saves; all else goes through pyroute2. What is needed of the protocol is small and
has not changed in twenty years, so it stands here.

Every call opens a socket of its own: that costs some microseconds, and an answer that came
too late or overflowed can never be taken for another call's. Calls block; callers use a
thread, because the kernel's lock may be held by somebody else for long.
"""

from __future__ import annotations

import errno
import os
import socket
import struct
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

RTM_SETLINK = 19
RTM_NEWADDR, RTM_DELADDR, RTM_GETADDR = 20, 21, 22

REQUEST, ACK, REPLACE, CREATE = 0x1, 0x4, 0x100, 0x400
DUMP = 0x300
DUMP_INTERRUPTED = 0x10
"""In an answer: something changed between its parts."""

_ERROR, _DONE = 2, 3
_CAPPED, _ACK_TLVS = 0x100, 0x200
_SOL_NETLINK, _CAP_ACK, _EXT_ACK, _STRICT = 270, 10, 11, 12
_ATTR_MSG = 1

_HEADER = struct.Struct("=IHHII")
_ATTR = struct.Struct("=HH")
_NUMBER = struct.Struct("=i")

ROUTE, GENERIC = int(socket.NETLINK_ROUTE), 16
"""Whom a call speaks to: routing, or what registers a family of messages of its own."""

AT_ONCE = 64
"""Requests in one send: their answers must fit the socket's buffer, 212,992 bytes by default."""
ANSWER_S = 10.0
"""How long the kernel may take; longer means that its network lock hangs."""
TRIES = 5
"""Dumps that the kernel says were disturbed are taken again; the last one counts as it is."""


@dataclass(frozen=True)
class Request:
    """One request: its kind, its flags beyond REQUEST, and its packed body."""

    kind: int
    body: bytes
    flags: int = 0


@dataclass(frozen=True)
class Refusal:
    """The kernel's no: its number, and its own words if it gave any."""

    number: int
    said: str = ""

    @property
    def words(self) -> str:
        """The kernel's words, or the number's meaning, without a full stop."""
        return self.said.rstrip(".") or os.strerror(self.number)


def attribute(kind: int, data: bytes) -> bytes:
    """An attribute, padded to four bytes."""
    return _ATTR.pack(4 + len(data), kind) + data + bytes(-len(data) % 4)


def attributes(body: bytes, start: int) -> dict[int, bytes]:
    """The attributes of a message from `start` on; of a repeated one the last."""
    found: dict[int, bytes] = {}
    end = len(body)
    while start + 4 <= end:
        length, kind = _ATTR.unpack_from(body, start)
        if length < 4:
            break
        found[kind & 0x3FFF] = body[start + 4 : start + length]
        start += (length + 3) & ~3
    return found


def dump(kind: int, body: bytes, *, to: int = ROUTE) -> list[bytes]:
    """Everything of one kind, as message bodies. Raises `OSError`."""
    found: list[bytes] = []
    for _ in range(TRIES):
        with _channel(to) as channel:
            channel.send(_packed(kind, REQUEST | DUMP, 1, body))
            found, whole = _collect(channel)
        if whole:
            break
    return found


def dump_each(kind: int, bodies: Iterable[bytes], *, to: int) -> Iterator[list[bytes]]:
    """A dump for each of `bodies`, one after the other over one socket. Raises `OSError`.

    For kinds that the kernel never calls disturbed.
    """
    with _channel(to) as channel:
        for body in bodies:
            channel.send(_packed(kind, REQUEST | DUMP, 1, body))
            yield _collect(channel)[0]


def ask(kind: int, body: bytes, *, to: int) -> list[bytes]:
    """The answer to one question that is no dump, as message bodies. Raises `OSError`."""
    with _channel(to) as channel:
        channel.send(_packed(kind, REQUEST | ACK, 1, body))
        return _collect(channel)[0]


def send(requests: Sequence[Request], *, to: int = ROUTE) -> list[Refusal | None]:
    """Make all requests, many in one send; a refusal of one stops none of the others.

    Returns what the kernel answered to each. Raises `OSError` if it does not answer.

    It takes the requests of a send in their order, and tells of a refusal unasked: only the last
    one is to be acknowledged, for then all are done.
    """
    answers: list[Refusal | None] = []
    with _channel(to) as channel:
        for first in range(0, len(requests), AT_ONCE):
            batch = requests[first : first + AT_ONCE]
            last = len(batch) - 1
            channel.send(
                b"".join(
                    _packed(
                        request.kind,
                        REQUEST | (ACK if number == last else 0) | request.flags,
                        number,
                        request.body,
                    )
                    for number, request in enumerate(batch)
                )
            )
            answers += _answers(channel, len(batch))
    return answers


@contextmanager
def _channel(to: int) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, to) as channel:
        channel.settimeout(ANSWER_S)
        for option in (_CAP_ACK, _EXT_ACK, _STRICT):
            channel.setsockopt(_SOL_NETLINK, option, 1)
        channel.bind((0, 0))
        yield channel


def _packed(kind: int, flags: int, number: int, body: bytes) -> bytes:
    return _HEADER.pack(_HEADER.size + len(body), kind, flags, number, 0) + body


def _messages(data: bytes) -> Iterator[tuple[int, int, int, bytes]]:
    """Kind, flags, number and body of each message in what one read returned."""
    start = 0
    while start + _HEADER.size <= len(data):
        length, kind, flags, number, _ = _HEADER.unpack_from(data, start)
        yield kind, flags, number, data[start + _HEADER.size : start + length]
        start += (length + 3) & ~3


def _collect(channel: socket.socket) -> tuple[list[bytes], bool]:
    found: list[bytes] = []
    whole = True
    while True:
        for kind, flags, _, body in _messages(channel.recv(1 << 16)):
            if flags & DUMP_INTERRUPTED:
                whole = False
            if kind in {_DONE, _ERROR}:
                number = -_NUMBER.unpack_from(body)[0] if len(body) >= 4 else 0
                if number:
                    raise OSError(number, os.strerror(number))
                return found, whole
            found.append(body)


def _answers(channel: socket.socket, count: int) -> list[Refusal | None]:
    answers: list[Refusal | None] = [None] * count
    number = -1
    while number != count - 1:
        for kind, flags, number, body in _messages(channel.recv(1 << 16)):
            if kind != _ERROR or number >= count:
                raise OSError(errno.EPROTO, "the kernel answered something else")
            answers[number] = _refusal(flags, body)
    return answers


def _refusal(flags: int, body: bytes) -> Refusal | None:
    number = -_NUMBER.unpack_from(body)[0]
    if number == 0:
        return None
    said = b""
    if flags & _ACK_TLVS and flags & _CAPPED:
        said = attributes(body, 4 + _HEADER.size).get(_ATTR_MSG, b"")
    return Refusal(number, said.rstrip(b"\0").decode(errors="replace"))
