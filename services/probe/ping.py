# SPDX-License-Identifier: Apache-2.0
"""Ping: ICMP echo for IPv4 and IPv6 (RFC 792, RFC 4443), all of it over one socket a family.

The sockets are made when the process starts, raw ones if it may (CAP_NET_RAW) and else those
for datagrams (icmp(7), net.ipv4.ping_group_range). An answer is ours if it repeats the number
and the random words that were sent to that address; a router's word that there is no way is
taken for what it is.
"""

from __future__ import annotations

import asyncio
import errno
import logging
import os
import secrets
import socket
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import ip_address

from services.health.jobs import Job
from services.probe.found import Failed, Found, Unlooked

log = logging.getLogger(__name__)

BUFFER = 4 << 20
"""Bytes of answers the kernel keeps for us while we are busy."""

MOST_AT_ONCE = 1000
"""Answers read before other work gets its turn."""

_SOL_RAW, _ICMP_FILTER, _SOL_ICMPV6, _ICMP6_FILTER = 255, 1, 58, 1
_HEAD = struct.Struct("!BBHHH")
"""Type, code, checksum, identifier, sequence."""
_TOKEN = 16


@dataclass(frozen=True)
class _Types:
    ask: int
    reply: int
    unreachable: int


_TYPES = {4: _Types(8, 0, 3), 6: _Types(128, 129, 1)}


@dataclass(frozen=True)
class _Waiting:
    address: str
    token: bytes
    found: asyncio.Future[None]


def checksum(data: bytes) -> int:
    """The Internet checksum (RFC 1071) of an even number of bytes."""
    total: int = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return 0xFFFF - total


class _Family:
    """One family's socket and who waits for what comes in there."""

    def __init__(self, version: int) -> None:
        self._types = _TYPES[version]
        self._version = version
        self._own = os.getpid() & 0xFFFF
        self._next = secrets.randbits(16)
        self._waiting: dict[int, _Waiting] = {}
        family = socket.AF_INET6 if version == 6 else socket.AF_INET
        protocol = socket.IPPROTO_ICMPV6 if version == 6 else socket.IPPROTO_ICMP
        try:
            self._socket = socket.socket(family, socket.SOCK_RAW, protocol)
            self._raw = True
            self._filter()
        except PermissionError:
            self._socket = socket.socket(family, socket.SOCK_DGRAM, protocol)
            self._raw = False
        self._socket.settimeout(0)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, BUFFER)

    def _filter(self) -> None:
        """Let the kernel drop what is of no use; a set bit drops that type."""
        welcome = (self._types.reply, self._types.unreachable)
        words = [0xFFFFFFFF] * (8 if self._version == 6 else 1)
        for number in welcome:
            words[number // 32] &= ~(1 << number % 32)
        option = struct.pack(f"={len(words)}I", *words)
        if self._version == 6:
            self._socket.setsockopt(_SOL_ICMPV6, _ICMP6_FILTER, option)
        else:
            self._socket.setsockopt(_SOL_RAW, _ICMP_FILTER, option)

    def listen(self, loop: asyncio.AbstractEventLoop) -> None:
        loop.add_reader(self._socket, self._read)

    def close(self, loop: asyncio.AbstractEventLoop) -> None:
        loop.remove_reader(self._socket)
        self._socket.close()

    async def ping(self, address: str) -> None:
        loop = asyncio.get_running_loop()
        number = self._free()
        waiting = _Waiting(address, secrets.token_bytes(_TOKEN), loop.create_future())
        self._waiting[number] = waiting
        try:
            await loop.sock_sendto(self._socket, self._request(number, waiting.token), (address, 0))
            await waiting.found
        finally:
            del self._waiting[number]

    def _free(self) -> int:
        for _ in range(1 << 16):
            self._next = (self._next + 1) & 0xFFFF
            if self._next not in self._waiting:
                return self._next
        raise Unlooked("65536 pings wait for an answer already")

    def _request(self, number: int, token: bytes) -> bytes:
        head = _HEAD.pack(self._types.ask, 0, 0, self._own, number)
        if self._version == 6:
            return head + token  # of IPv6 the kernel makes the checksum
        total = checksum(head + token)
        return _HEAD.pack(self._types.ask, 0, total, self._own, number) + token

    def _read(self) -> None:
        for _ in range(MOST_AT_ONCE):
            try:
                data, (address, *_) = self._socket.recvfrom(2048)
            except (BlockingIOError, InterruptedError):
                return
            except OSError as error:  # the kernel's word on some packet of before
                log.debug("ping: %s", error)
                continue
            self._heard(data, address)

    def _heard(self, data: bytes, address: str) -> None:
        if self._raw and self._version == 4:
            data = data[(data[0] & 0xF) * 4 :] if data else b""
        if len(data) < _HEAD.size:
            return
        kind, _, _, _, number = _HEAD.unpack_from(data)
        if kind == self._types.reply:
            waiting = self._waiting.get(number)
            same = waiting and (waiting.address, waiting.token) == (address, data[_HEAD.size :])
            if waiting and same and not waiting.found.done():
                waiting.found.set_result(None)
        elif kind == self._types.unreachable:
            for lost in self._lost(data[_HEAD.size :]):
                lost.found.set_exception(Failed("no route to the server"))

    def _lost(self, packet: bytes) -> Iterator[_Waiting]:
        """Whose request a router sends back: the beginning of the packet is repeated."""
        begin = 40 if self._version == 6 else (packet[0] & 0xF) * 4 if packet else 0
        if len(packet) < begin + _HEAD.size:
            return
        to = ip_address(packet[24:40] if self._version == 6 else packet[16:20])
        kind, _, _, own, number = _HEAD.unpack_from(packet, begin)
        waiting = self._waiting.get(number)
        ours = kind == self._types.ask and own == self._own
        if waiting and ours and waiting.address == str(to) and not waiting.found.done():
            yield waiting


class Pinger:
    """Pings, any number at once; make it before privileges are given up."""

    def __init__(self) -> None:
        self._families: dict[int, _Family] = {}
        self._why = ""
        for version in _TYPES:
            try:
                self._families[version] = _Family(version)
            except OSError as error:  # one family may be missing
                self._why = os.strerror(error.errno or errno.EPERM)
                log.warning("there will be no ping over IPv%d: %s", version, self._why)

    def listen(self) -> None:
        """Begin to hear answers, in the running loop."""
        for family in self._families.values():
            family.listen(asyncio.get_running_loop())

    def close(self) -> None:
        """End it."""
        for family in self._families.values():
            family.close(asyncio.get_running_loop())

    async def look(self, job: Job) -> Found:
        """One echo; raises `OSError` too."""
        address = job.target.address
        family = self._families.get(ip_address(address).version)
        if family is None:
            raise Unlooked(f"no ping: {self._why}")
        await family.ping(address)
        return Found()
