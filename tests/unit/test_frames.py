# SPDX-License-Identifier: Apache-2.0
"""Announcements byte by byte, and addresses in the one form that plans compare."""

from __future__ import annotations

import ipaddress
import socket
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.drivers.frames import (
    advertisement_frame,
    arp_frames,
    arp_owner,
    arp_question,
    neighbour_owner,
    solicitation,
    solicited,
)
from services.drivers.netlink import attribute, attributes
from services.drivers.rtnetlink import Row, split

MAC = bytes.fromhex("020000000001")


def test_an_arp_announcement_is_a_request_and_a_reply_about_oneself() -> None:
    address = socket.inet_aton("192.0.2.100")
    request, reply = arp_frames(MAC, address)
    assert request.hex() == (
        "ffffffffffff020000000001080600010800060400010200000000"
        "01c0000264000000000000c0000264" + "00" * 18
    )
    assert reply[20:22] == b"\x00\x02"
    assert reply[32:38] == MAC
    assert len(request) == len(reply) == 60


@given(address=st.ip_addresses(v=6), router=st.booleans())
def test_an_advertisements_checksum_is_what_a_receiver_computes(
    address: ipaddress.IPv6Address, router: bool
) -> None:
    frame = advertisement_frame(MAC, address.packed, router=router)
    header, message = frame[14:54], frame[54:]
    pseudo = header[8:40] + struct.pack("!II", len(message), 58)
    words = struct.unpack(f"!{(len(pseudo) + len(message)) // 2}H", pseudo + message)
    total = sum(words)
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    assert total == 0xFFFF
    assert message[4] == (0xA0 if router else 0x20)
    assert message[8:24] == address.packed
    assert message[24:] == b"\x02\x01" + MAC


@given(address=st.ip_addresses(), prefix=st.integers(0, 32))
def test_an_address_is_told_as_the_model_writes_it(
    address: ipaddress.IPv4Address | ipaddress.IPv6Address, prefix: int
) -> None:
    text = f"{address}/{prefix}"
    assert split(text) == (address.packed, prefix)
    assert Row(1, address.packed, prefix, 0).text == text


@pytest.mark.parametrize(
    ("text", "link_local"),
    [("fe80::1", True), ("febf::1", True), ("fec0::1", False), ("169.254.0.1", False)],
)
def test_link_local_addresses_are_those_ipv6_makes_by_itself(text: str, link_local: bool) -> None:
    assert Row(1, ipaddress.ip_address(text).packed, 64, 0).link_local is link_local


@given(st.dictionaries(st.integers(1, 100), st.binary(max_size=40)))
def test_attributes_are_read_as_they_were_written(found: dict[int, bytes]) -> None:
    body = b"head" + b"".join(attribute(kind, data) for kind, data in found.items())
    assert attributes(body, 4) == found


@given(st.binary(max_size=200))
def test_no_garbage_makes_reading_attributes_hang_or_fail(body: bytes) -> None:
    attributes(body, 0)


OTHER = bytes.fromhex("0200000000ff")
V4, V6 = socket.inet_aton("192.0.2.100"), socket.inet_pton(socket.AF_INET6, "2001:db8::1:2:3:4")


def test_a_question_for_an_ipv4_address_claims_none() -> None:
    frame = arp_question(MAC, V4)
    assert frame[:6] == b"\xff" * 6
    assert frame[20:22] == b"\x00\x01"
    assert (frame[22:28], frame[28:32], frame[38:42]) == (MAC, bytes(4), V4)
    assert len(frame) == 60


def test_who_announces_or_asks_for_an_ipv4_address_owns_it() -> None:
    for frame in (*arp_frames(OTHER, V4), arp_question(OTHER, V4)):
        assert arp_owner(frame, V4) == OTHER
        assert arp_owner(frame, socket.inet_aton("192.0.2.101")) == b""


def test_a_question_for_an_ipv6_address_goes_from_nobody_to_those_whose_address_ends_so() -> None:
    frame = solicitation(MAC, V6)
    assert frame[:6] == solicited(V6) == bytes.fromhex("3333ff030004")
    assert frame[22:38] == bytes(16)
    assert frame[38:54] == socket.inet_pton(socket.AF_INET6, "ff02::1:ff03:4")
    assert frame[54] == 135
    assert frame[62:78] == V6


def test_who_advertises_or_asks_for_an_ipv6_address_owns_it() -> None:
    for frame in (advertisement_frame(OTHER, V6, router=False), solicitation(OTHER, V6)):
        assert neighbour_owner(frame, V6) == OTHER
        assert neighbour_owner(frame, V6[:-1] + b"\x05") == b""


def test_an_advertisement_without_its_option_is_known_by_who_sent_it() -> None:
    frame = advertisement_frame(OTHER, V6, router=False)[:78]
    assert neighbour_owner(frame, V6) == OTHER


@given(st.binary(max_size=120))
def test_any_bytes_on_the_wire_are_read_without_a_fault(data: bytes) -> None:
    assert len(arp_owner(data, V4)) in {0, 6}
    assert len(neighbour_owner(data, V6)) in {0, 6}


@given(st.integers(0, 119), st.integers(0, 255))
def test_a_frame_cut_or_changed_anywhere_is_read_without_a_fault(place: int, value: int) -> None:
    for frame in (arp_question(OTHER, V4), advertisement_frame(OTHER, V6, router=True)):
        changed = frame[:place] + bytes([value]) + frame[place + 1 :]
        for data in (frame[:place], changed):
            assert len(arp_owner(data, V4)) in {0, 6}
            assert len(neighbour_owner(data, V6)) in {0, 6}
