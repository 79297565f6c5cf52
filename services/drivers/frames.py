# SPDX-License-Identifier: Apache-2.0
"""Frames about addresses, built whole: ARP (RFC 826, 5227) and IPv6 neighbours (RFC 4861); pure.

Announcements say "this address is mine"; questions ask "has anybody this one", in the form
that claims nothing, from nobody's address: so no neighbour learns anything from a question.
"""

from __future__ import annotations

import struct

ETH_ARP, ETH_IPV6 = 0x0806, 0x86DD
ALL_NODES = b"\x33\x33\x00\x00\x00\x01"
"""The Ethernet address that every IPv6 node listens to."""

_EVERYBODY = b"\xff" * 6
_ALL_NODES_IP = bytes.fromhex("ff020000000000000000000000000001")
_SOLICITED_IP = bytes.fromhex("ff0200000000000000000001ff")
_NOBODY_IP = bytes(16)
_SHORTEST = 60
_ICMPV6, _HOPS = 58, 255
_SOLICITATION, _ADVERTISEMENT, _TARGET_CARD = 135, 136, 2
_ROUTER, _OVERRIDE = 0x80000000, 0x20000000
_REQUEST, _REPLY = 1, 2


def arp_frames(mac: bytes, address: bytes) -> tuple[bytes, bytes]:
    """A gratuitous ARP request and reply for an IPv4 address, as Ethernet frames."""
    return (
        _arp(_REQUEST, mac, address, bytes(6), address),
        _arp(_REPLY, mac, address, mac, address),
    )


def arp_question(mac: bytes, address: bytes) -> bytes:
    """An ARP probe: the question who has this IPv4 address."""
    return _arp(_REQUEST, mac, bytes(4), bytes(6), address)


def arp_owner(frame: bytes, address: bytes) -> bytes:
    """The Ethernet address that an ARP frame says has `address`, or asks for it; else empty."""
    if len(frame) < 42 or frame[12:14] != struct.pack("!H", ETH_ARP):
        return b""
    head, sender, source, target = frame[14:20], frame[22:28], frame[28:32], frame[38:42]
    if head != struct.pack("!HHBB", 1, 0x0800, 6, 4):
        return b""
    asks = source == bytes(4) and target == address
    return sender if source == address or asks else b""


def advertisement_frame(mac: bytes, address: bytes, *, router: bool) -> bytes:
    """An unsolicited neighbour advertisement for an IPv6 address, as an Ethernet frame.

    `router` must say whether this unit forwards IPv6: hosts that hear otherwise stop using
    it as their router (RFC 4861, 7.2.5).
    """
    flags = _OVERRIDE | (_ROUTER if router else 0)
    card = struct.pack("!BB", _TARGET_CARD, 1) + mac
    message = struct.pack("!BBHI", _ADVERTISEMENT, 0, 0, flags) + address + card
    return _neighbour(ALL_NODES, mac, address, _ALL_NODES_IP, message)


def solicitation(mac: bytes, address: bytes) -> bytes:
    """The question who has this IPv6 address, as duplicates are looked for (RFC 4862, 5.4.2)."""
    message = struct.pack("!BBHI", _SOLICITATION, 0, 0, 0) + address
    return _neighbour(solicited(address), mac, _NOBODY_IP, _SOLICITED_IP + address[-3:], message)


def solicited(address: bytes) -> bytes:
    """The Ethernet address that questions for an IPv6 address are sent to."""
    return b"\x33\x33\xff" + address[-3:]


def neighbour_owner(frame: bytes, address: bytes) -> bytes:
    """The Ethernet address that advertises the IPv6 address, or asks for it; else empty."""
    if len(frame) < 78 or frame[12:14] != struct.pack("!H", ETH_IPV6):
        return b""
    source, kind = frame[22:38], frame[54]
    if frame[20] != _ICMPV6 or frame[21] != _HOPS or frame[62:78] != address:
        return b""
    if kind == _ADVERTISEMENT:
        option = frame[78:86]
        told = len(option) == 8 and option[:2] == bytes((_TARGET_CARD, 1))
        return option[2:] if told else frame[6:12]
    return frame[6:12] if kind == _SOLICITATION and source == _NOBODY_IP else b""


def _arp(operation: int, sender: bytes, source: bytes, target: bytes, asked: bytes) -> bytes:
    body = struct.pack("!HHBBH", 1, 0x0800, 6, 4, operation) + sender + source + target + asked
    return (_EVERYBODY + sender + struct.pack("!H", ETH_ARP) + body).ljust(_SHORTEST, b"\0")


def _neighbour(to: bytes, mac: bytes, source: bytes, target: bytes, message: bytes) -> bytes:
    pseudo = source + target + struct.pack("!II", len(message), _ICMPV6)
    message = message[:2] + _checksum(pseudo + message) + message[4:]
    header = struct.pack("!IHBB", 6 << 28, len(message), _ICMPV6, _HOPS) + source + target
    return to + mac + struct.pack("!H", ETH_IPV6) + header + message


def _checksum(data: bytes) -> bytes:
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return struct.pack("!H", ~total & 0xFFFF)
