# SPDX-License-Identifier: Apache-2.0
"""One run of knocks: packets out by each server's own path, answers back by a filtered socket.

Packets are built whole and leave through packet and raw sockets, answers are seen by a packet
socket as the card gives them, before the kernel judges them: so it does not matter that an
answer from the VIP bears an address of our own as its source, which the kernel takes for
forged without `accept_local`. The port we ask from is kept by a socket that does not listen,
so that nobody else gets it and the kernel ends at once what we opened. What is opened at a
server and not answered here is ended by us.
"""

from __future__ import annotations

import asyncio
import errno
import secrets
import socket
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from typing import Self

from services.doctor.asked import (
    Frame,
    Heard,
    Kind,
    Knock,
    Reply,
    Routed,
    WhoHas,
    Wrapped,
)
from services.drivers import packet_filter, packets
from services.model.base import Address
from services.model.layer4 import Tunnel

ROUNDS = 3
INTERVAL_S = 0.5
BURST = 64
BURST_S = 0.005
"""Packets sent in one go, and the rest after: a switch's and a server's queues are short."""
_TRACEROUTE = 33_434
"""Where traceroute begins to look for ports without anybody."""
_ETH = {4: 0x0800, 6: 0x86DD}
_OTHERS, _OUTGOING = 3, 4
"""PACKET_OTHERHOST, PACKET_OUTGOING."""
_NOT_SENT = {
    errno.ENETDOWN, errno.ENETUNREACH, errno.EHOSTUNREACH, errno.ENODEV, errno.ENXIO,
    errno.ENOBUFS, errno.EAGAIN, errno.EINVAL, errno.EADDRNOTAVAIL, errno.EMSGSIZE,
}  # fmt: skip
"""What a single packet may meet; it then counts as unanswered."""

Macs = Mapping[WhoHas, str]
"""Hardware addresses of neighbours, where one is known."""


@dataclass
class Knocking:
    """One run of knocks."""

    knocks: tuple[Knock, ...]
    macs: Macs
    heard: dict[Knock, Heard] = field(default_factory=dict)

    def __enter__(self) -> Self:
        self._left = ExitStack()
        with ExitStack() as made:
            kept = made.enter_context(_kept_port())
            self._port: int = kept.getsockname()[1]
            self._begin = secrets.randbits(32)
            self._expected = dict(self._expectations())
            self._frames = made.enter_context(socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, 0))
            self._raw = {
                version: made.enter_context(socket.socket(family, socket.SOCK_RAW, 255))
                for version, family in self._families()
            }
            self._ears = [
                made.enter_context(self._ear(version))
                for version in sorted({knock.target.version for knock in self.knocks})
            ]
            for sending in (self._frames, *self._raw.values()):
                sending.settimeout(0)
            self._left = made.pop_all()
        return self

    def __exit__(self, *error: object) -> None:
        self._left.close()

    async def through(self) -> Mapping[Knock, Heard]:
        """Knock until all have answered, three times at most."""
        loop = asyncio.get_running_loop()
        all_heard = asyncio.Event()
        for ear in self._ears:
            loop.add_reader(ear.fileno(), self._hear, ear, all_heard)
        try:
            for _ in range(ROUNDS):
                await self._send_all(packets.SYN)
                with suppress(TimeoutError):
                    async with asyncio.timeout(INTERVAL_S):
                        await all_heard.wait()
                if all_heard.is_set():
                    break
        finally:
            for ear in self._ears:
                loop.remove_reader(ear.fileno())
            await self._send_all(packets.RST)
        return self.heard

    def _families(self) -> Iterator[tuple[int, socket.AddressFamily]]:
        """Those of packets that the kernel is to route."""
        outer = set()
        for knock in self.knocks:
            match knock.path:
                case Routed():
                    outer.add(knock.target.version)
                case Wrapped():
                    outer.add(knock.path.rip.version)
        for version in sorted(outer):
            yield version, socket.AF_INET if version == 4 else socket.AF_INET6

    def _ear(self, version: int) -> socket.socket:
        ear = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(_ETH[version]))
        ear.settimeout(0)
        packet_filter.attach(ear, packet_filter.answers(version, self._port))
        return ear

    # -- what is sent -------------------------------------------------------------------------

    async def _send_all(self, flags: int) -> None:
        """Every knock that is still unanswered; with RST, what ends every opened connection."""
        sent = 0
        for number, knock in enumerate(self.knocks):
            heard = self.heard.get(knock)
            if flags == packets.RST:
                ended = heard is not None and heard.reply is Reply.REFUSED
                if knock.kind is not Kind.TCP or ended:
                    continue
            elif heard is not None:
                continue
            self._send(knock, self._packet(number, knock, flags))
            sent += 1
            if sent % BURST == 0:
                await asyncio.sleep(BURST_S)

    def _packet(self, number: int, knock: Knock, flags: int) -> bytes:
        source, target = knock.source.packed, knock.target.packed
        match knock.kind:
            case Kind.TCP:
                # what ends a connection comes after what opened it
                place = self._begin + number + (flags == packets.RST)
                return packets.tcp(source, target, (self._port, knock.port), place, flags)
            case Kind.UDP:
                return packets.udp(source, target, (self._port, _TRACEROUTE + number))
            case Kind.ECHO:
                return packets.echo(source, target, self._port, number)

    def _send(self, knock: Knock, packet: bytes) -> None:
        try:
            match knock.path:
                case Frame(device, rip):
                    mac = self.macs.get(WhoHas(device, rip))
                    if mac:
                        card = bytes.fromhex(mac.replace(":", ""))
                        kind = _ETH[knock.target.version]
                        self._frames.sendto(packet, (device, kind, 0, 0, card))
                case Routed():
                    self._route(packet, knock.target)
                case Wrapped():
                    self._route(self._wrapped(knock.path, packet), knock.path.rip)
        except OSError as error:
            if error.errno not in _NOT_SENT:
                raise

    def _route(self, packet: bytes, to: Address) -> None:
        self._raw[to.version].sendto(packet, (str(to), 0))

    def _wrapped(self, path: Wrapped, packet: bytes) -> bytes:
        source, target = path.source.packed, path.rip.packed
        match path.tunnel:
            case Tunnel.IPIP:
                return packets.in_ip(source, target, packet)
            case Tunnel.GRE:
                return packets.in_gre(source, target, packet)
            case Tunnel.GUE:
                return packets.in_gue(source, target, (self._port, path.port), packet)

    # -- what is heard ------------------------------------------------------------------------

    def _expectations(self) -> Iterator[tuple[tuple[bytes, bytes, int, int], tuple[int, Knock]]]:
        """Each knock by what its answer says."""
        for number, knock in enumerate(self.knocks):
            addresses = knock.target.packed, knock.source.packed
            yield (*addresses, *self._token(number, knock)), (number, knock)

    def _token(self, number: int, knock: Knock) -> tuple[int, int]:
        """The protocol of an answer, and what it repeats of the question."""
        match knock.kind:
            case Kind.TCP:
                return packets.TCP, (self._begin + number + 1) & 0xFFFFFFFF
            case Kind.UDP:
                return packets.UDP, _TRACEROUTE + number
            case Kind.ECHO:
                return packets.ICMP if knock.target.version == 4 else packets.ICMP6, number

    def _hear(self, ear: socket.socket, all_heard: asyncio.Event) -> None:
        try:
            packet, (device, _, whose, _, card) = ear.recvfrom(2048)
        except OSError:
            return  # nothing there after all; a card that went is no news
        if whose in {_OTHERS, _OUTGOING}:
            return
        answer = packets.read(packet)
        if answer is None or answer.port != self._port:
            return
        number, knock = self._expected.get((*answer[:3], answer.token), (0, None))
        if knock is None or knock in self.heard:
            return
        reply = _reply(answer)
        if reply is not None:
            self.heard[knock] = Heard(reply, device, card.hex(":"))
            if reply is Reply.OPEN:
                self._send(knock, self._packet(number, knock, packets.RST))
            if len(self.heard) == len(self.knocks):
                all_heard.set()


def _reply(answer: packets.Answer) -> Reply | None:
    if answer.protocol != packets.TCP:
        return Reply.ALIVE
    if answer.flags & packets.RST:
        return Reply.REFUSED
    return Reply.OPEN if answer.flags == packets.SYN | packets.ACK else None


def _kept_port() -> socket.socket:
    """A port that is ours in both families while this socket is open."""
    with suppress(OSError):
        both = socket.socket(socket.AF_INET6, socket.SOCK_STREAM)
        try:
            both.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
            both.bind(("::", 0))
        except OSError:
            both.close()
            raise
        return both
    one = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    one.bind(("0.0.0.0", 0))  # noqa: S104  it never listens
    return one
