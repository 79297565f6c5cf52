# SPDX-License-Identifier: Apache-2.0
"""Packets of our own making, and the kernel's filter, run here by a reader of its language."""

from __future__ import annotations

import struct
from ipaddress import ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.drivers import packet_filter, packets

HERE = {4: ip_address("192.0.2.1").packed, 6: ip_address("2001:db8::1").packed}
THERE = {4: ip_address("192.0.2.9").packed, 6: ip_address("2001:db8::9").packed}
PORT = 40_000
versions = pytest.mark.parametrize("version", [4, 6])


def summed(packet: bytes) -> int:
    """The transport's checksum over what arrives: 0 if it is right (RFC 1071)."""
    if packet[0] >> 4 == 4:
        source, target, protocol, body = packet[12:16], packet[16:20], packet[9], packet[20:]
        assert packets.checksum(packet[:20]) == 0
    else:
        source, target, protocol, body = packet[8:24], packet[24:40], packet[6], packet[40:]
    if protocol == packets.ICMP:
        return packets.checksum(body)
    return packets.checksum(source + target + struct.pack("!II", len(body), protocol) + body)


@versions
def test_checksums_are_right(version: int) -> None:
    here, there = HERE[version], THERE[version]
    for packet in (
        packets.tcp(here, there, (PORT, 80), 7, packets.SYN),
        packets.udp(here, there, (PORT, 53), b"odd"),
        packets.echo(here, there, PORT, 3),
    ):
        assert summed(packet) == 0


def unreachable(version: int, code: int, *, by: bytes | None = None) -> bytes:
    """Word from a host about our datagram."""
    ours = packets.udp(HERE[version], THERE[version], (PORT, 33_440))
    kind, protocol = (3, packets.ICMP) if version == 4 else (1, packets.ICMP6)
    body = struct.pack("!BBHI", kind, code, 0, 0) + ours
    return packets.ip_packet(by or THERE[version], HERE[version], protocol, body)


def answers(version: int) -> list[tuple[bytes, packets.Answer]]:
    here, there = HERE[version], THERE[version]
    ping = packets.ICMP if version == 4 else packets.ICMP6
    reply = 0 if version == 4 else 129
    greeting = struct.pack("!HHIIBBHHH", 80, PORT, 1, 8, 5 << 4, packets.SYN | packets.ACK, 9, 0, 0)
    pong = struct.pack("!BBHHH", reply, 0, 0, PORT, 3)
    port_code = 3 if version == 4 else 4
    return [
        (
            packets.ip_packet(there, here, packets.TCP, greeting),
            packets.Answer(there, here, packets.TCP, PORT, 8, packets.SYN | packets.ACK),
        ),
        (packets.ip_packet(there, here, ping, pong), packets.Answer(there, here, ping, PORT, 3)),
        (
            unreachable(version, port_code),
            packets.Answer(there, here, packets.UDP, PORT, 33_440),
        ),
    ]


@versions
def test_answers_are_understood(version: int) -> None:
    for packet, answer in answers(version):
        assert packets.read(packet) == answer


@versions
def test_a_routers_word_about_our_datagram_is_no_answer(version: int) -> None:
    router = ip_address("192.0.2.254" if version == 4 else "2001:db8::fe").packed
    assert packets.read(unreachable(version, 3 if version == 4 else 4, by=router)) is None
    assert packets.read(unreachable(version, 1)) is None


@given(st.binary(max_size=80))
def test_rubbish_is_no_answer_and_no_fault(data: bytes) -> None:
    packets.read(data)
    packets.read(b"\x45" + data)
    packets.read(b"\x60" + data)


def passes(program: bytes, packet: bytes) -> bool:
    """What the kernel would decide: classic BPF, as far as our filters go."""
    lines = list(struct.iter_unpack("=HBBI", program))
    value = index = place = 0
    while True:
        code, true, false, number = lines[place]
        place += 1
        match code:
            case 0xB1:
                index = (packet[number] & 15) * 4
            case 0x28 | 0x48 | 0x30 | 0x50:
                at = number + (index if code in {0x48, 0x50} else 0)
                size = 2 if code in {0x28, 0x48} else 1
                if at + size > len(packet):
                    return False
                value = int.from_bytes(packet[at : at + size], "big")
            case 0x15:
                place += true if value == number else false
            case 0x06:
                return bool(number)
            case _:
                raise AssertionError(hex(code))


@versions
def test_the_filter_lets_through_what_may_answer_and_nothing_else(version: int) -> None:
    program = packet_filter.answers(version, PORT)
    for packet, _ in answers(version):
        assert passes(program, packet)
        other = packet.replace(struct.pack("!H", PORT), struct.pack("!H", PORT + 1))
        assert not passes(program, other)
    here, there = HERE[version], THERE[version]
    assert not passes(program, packets.udp(there, here, (80, PORT)))
    assert not passes(program, packets.echo(there, here, PORT, 3)), "somebody else's question"


def test_the_neighbours_filter_takes_icmp_of_ipv6_alone() -> None:
    ethernet, program = bytes(12) + b"\x86\xdd", packet_filter.neighbours()
    assert passes(program, ethernet + packets.echo(HERE[6], THERE[6], 1, 1))
    assert not passes(program, ethernet + packets.udp(HERE[6], THERE[6], (1, 2)))


@versions
@pytest.mark.parametrize("outer", [4, 6])
def test_tunnels_wrap_the_packet_whole(version: int, outer: int) -> None:
    inner = packets.tcp(HERE[version], THERE[version], (PORT, 80), 7, packets.SYN)
    head = 20 if outer == 4 else 40
    protocol = {4: 4, 6: 41}[version]
    bare = packets.in_ip(HERE[outer], THERE[outer], inner)
    assert (bare[9 if outer == 4 else 6], bare[head:]) == (protocol, inner)
    gre = packets.in_gre(HERE[outer], THERE[outer], inner)
    assert gre[head : head + 4].hex() == {4: "00000800", 6: "000086dd"}[version]
    assert gre[head + 4 :] == inner
    gue = packets.in_gue(HERE[outer], THERE[outer], (PORT, 6080), inner)
    assert summed(gue) == 0
    assert gue[head + 8 : head + 12] == bytes([0, protocol, 0, 0])
    assert gue[head + 12 :] == inner
