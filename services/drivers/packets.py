# SPDX-License-Identifier: Apache-2.0
"""IP packets built whole, and the answers to them read; pure.

TCP (RFC 9293), UDP, ping and "nobody is at that port" of both families (RFC 792, 4443), and
three tunnels: IP in IP, GRE (RFC 2784) and GUE (draft-ietf-intarea-gue, variant 0).
"""

from __future__ import annotations

import struct
from typing import NamedTuple

ICMP, TCP, UDP, GRE, ICMP6 = 1, 6, 17, 47, 58
SYN, RST, ACK = 0x02, 0x04, 0x10
FIN_SYN_RST_ACK = 0x17

_INNER = {4: 4, 16: 41}
"""Protocol number of a packet inside another, by the length of its addresses."""
_ETHERTYPE = {4: 0x0800, 16: 0x86DD}
_ECHO = {4: (8, 0), 16: (128, 129)}
"""ICMP types of ping and its answer."""
_NOBODY_AT_PORT = {4: (3, 3), 16: (1, 4)}
"""ICMP type and code."""
_HOPS = 64
_IPV4, _IPV6 = struct.Struct("!BBHHHBBH4s4s"), struct.Struct("!IHBB16s16s")
_TCP_HEAD = struct.Struct("!HHIIBBHHH")
_DONT_FRAGMENT = 0x4000


class Answer(NamedTuple):
    """What a packet says that may be the answer to one of ours."""

    source: bytes
    """Who answers."""
    target: bytes
    """Our address."""
    protocol: int
    """TCP, ICMP of the family, or UDP."""
    port: int
    """Our port, or the number of our ping."""
    token: int
    """TCP: what is acknowledged; ping: its sequence number; UDP: the port we had asked."""
    flags: int = 0
    """Of TCP."""


def ip_packet(source: bytes, target: bytes, protocol: int, body: bytes) -> bytes:
    """A packet of whichever family the packed addresses are."""
    if len(source) == 16:
        return _IPV6.pack(6 << 28, len(body), protocol, _HOPS, source, target) + body
    length = _IPV4.size + len(body)
    fields = (0x45, 0, length, 0, _DONT_FRAGMENT, _HOPS, protocol)
    bare = _IPV4.pack(*fields, 0, source, target)
    return _IPV4.pack(*fields, checksum(bare), source, target) + body


def tcp(source: bytes, target: bytes, ports: tuple[int, int], number: int, flags: int) -> bytes:
    """A TCP packet without data; `number` is its sequence number."""
    head = (*ports, number & 0xFFFFFFFF, 0, 5 << 4, flags, 64_240)
    total = _over(source, target, TCP, _TCP_HEAD.pack(*head, 0, 0))
    return ip_packet(source, target, TCP, _TCP_HEAD.pack(*head, total, 0))


def udp(source: bytes, target: bytes, ports: tuple[int, int], body: bytes = b"") -> bytes:
    """A datagram."""
    head = struct.pack("!HHH", *ports, 8 + len(body))
    total = _over(source, target, UDP, head + b"\0\0" + body) or 0xFFFF
    return ip_packet(source, target, UDP, head + struct.pack("!H", total) + body)


def echo(source: bytes, target: bytes, name: int, number: int) -> bytes:
    """A ping."""
    asked, _ = _ECHO[len(source)]
    protocol = ICMP if len(source) == 4 else ICMP6
    body = struct.pack("!BBHHH", asked, 0, 0, name, number) + b"ballast "
    total = checksum(body) if len(source) == 4 else _over(source, target, ICMP6, body)
    return ip_packet(source, target, protocol, body[:2] + struct.pack("!H", total) + body[4:])


def in_ip(source: bytes, target: bytes, packet: bytes) -> bytes:
    """A packet bare in another."""
    return ip_packet(source, target, _INNER[_family(packet)], packet)


def in_gre(source: bytes, target: bytes, packet: bytes) -> bytes:
    """A packet in GRE without checksum, key or sequence."""
    head = struct.pack("!HH", 0, _ETHERTYPE[_family(packet)])
    return ip_packet(source, target, GRE, head + packet)


def in_gue(source: bytes, target: bytes, ports: tuple[int, int], packet: bytes) -> bytes:
    """A packet in GUE: UDP, four bytes of header, the packet."""
    head = struct.pack("!BBH", 0, _INNER[_family(packet)], 0)
    return udp(source, target, ports, head + packet)


def read(packet: bytes) -> Answer | None:
    """What an IP packet answers; None: nothing of ours, or it is cut off."""
    try:
        return _read(packet)
    except (struct.error, IndexError):
        return None


def _read(packet: bytes) -> Answer | None:
    source, target, protocol, body = _opened(packet)
    if protocol == TCP:
        _, port, _, acknowledged, _, flags, *_ = _TCP_HEAD.unpack_from(body)
        return Answer(source, target, TCP, port, acknowledged, flags & FIN_SYN_RST_ACK)
    if protocol not in {ICMP, ICMP6}:
        return None
    kind, code, _, name, number = struct.unpack_from("!BBHHH", body)
    if kind == _ECHO[len(source)][1]:
        return Answer(source, target, protocol, name, number)
    if (kind, code) != _NOBODY_AT_PORT[len(source)]:
        return None
    ours, asked, inside, quoted = _opened(body[8:])
    if inside != UDP or asked != source:
        return None
    port, there = struct.unpack_from("!HH", quoted)
    return Answer(asked, ours, UDP, port, there)


def _opened(packet: bytes) -> tuple[bytes, bytes, int, bytes]:
    """Source, target, protocol and body; an IPv6 packet's extensions are not followed."""
    if packet[0] >> 4 == 4:
        *_, protocol, _, source, target = _IPV4.unpack_from(packet)
        return source, target, protocol, packet[(packet[0] & 15) * 4 :]
    _, _, protocol, _, source, target = _IPV6.unpack_from(packet)
    return source, target, protocol, packet[_IPV6.size :]


def _family(packet: bytes) -> int:
    return 4 if packet[0] >> 4 == 4 else 16


def _over(source: bytes, target: bytes, protocol: int, body: bytes) -> int:
    """The checksum of a body with its pseudo header, which is the same sum in both families."""
    return checksum(source + target + struct.pack("!II", len(body), protocol) + body)


def checksum(data: bytes) -> int:
    """The Internet checksum (RFC 1071)."""
    data += b"\0" * (len(data) % 2)
    total: int = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF
