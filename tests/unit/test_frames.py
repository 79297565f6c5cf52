# SPDX-License-Identifier: Apache-2.0
"""Announcements byte by byte, and addresses in the one form that plans compare."""

from __future__ import annotations

import ipaddress
import socket
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.drivers.announce import advertisement_frame, arp_frames
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
