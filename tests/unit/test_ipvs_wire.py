# SPDX-License-Identifier: Apache-2.0
"""IPVS messages byte by byte, as linux/ip_vs.h has them on a machine whose low byte comes first."""

from __future__ import annotations

import ast
import struct
from collections.abc import Mapping

import pytest
from pyroute2.ipvs import AsyncIPVS, IPVSDest, IPVSService  # type: ignore[import-untyped]

from services.drivers import ipvs_sync, ipvs_wire
from services.drivers.ipvs_sync import Info, Role, SyncDaemon
from services.drivers.ipvs_wire import Command, Counters
from services.drivers.netlink import attribute, attributes
from services.plan.ipvs import (
    IRREGULAR,
    Checksum,
    Dest,
    DestKey,
    Encapsulation,
    Flags,
    Forwarding,
    Live,
    Protocol,
    Service,
    ServiceKey,
    Timeouts,
    Tunnel,
)
from tests.tree import name, python_files

WEB = ServiceKey(4, Protocol.TCP, "192.0.2.100", 80)
DNS6 = ServiceKey(6, Protocol.UDP, "2001:db8::100", 53)
MARK6 = ServiceKey(6, Protocol.MARK, mark=0x0A0B0C0D)
SERVER = DestKey("192.0.2.101", 8080)


def packed(text: str) -> bytes:
    """Bytes from lines of hexadecimal, blanks and comments between them."""
    return bytes.fromhex("".join(line.partition("#")[0] for line in text.splitlines()))


WEB_KEY = """
    0600 0100 0200 0000                                     # family: IPv4
    0600 0200 0600 0000                                     # protocol: TCP
    1400 0300 c0000264 00000000 00000000 00000000           # address
    0600 0400 0050 0000                                     # port, big endian
"""


def test_a_service_is_told_whole() -> None:
    service = Service("wlc", Flags.NONE, persistence_s=300, granularity=24)
    assert ipvs_wire.service_request(Command.NEW_SERVICE, WEB, service) == packed(
        f"""
        01 01 0000                                          # command, version, unused
        5400 0100 {WEB_KEY}
        0800 0600 776c6300                                  # scheduler
        0c00 0700 01000000 ffffffff                         # flags: persistent; mask
        0800 0800 2c010000                                  # timeout
        0800 0900 ffffff00                                  # netmask, big endian
        """
    )


def test_of_ipv6_the_granularity_is_a_prefix_length_in_the_machines_order() -> None:
    service = Service("mh", Flags.FALLBACK | Flags.ONE_PACKET, persistence_s=60, granularity=64)
    assert ipvs_wire.service_request(Command.SET_SERVICE, DNS6, service) == packed(
        """
        02 01 0000
        5400 0100
        0600 0100 0a00 0000                                 # family: IPv6
        0600 0200 1100 0000                                 # protocol: UDP
        1400 0300 20010db8 00000000 00000000 00000100
        0600 0400 0035 0000
        0700 0600 6d680000
        0c00 0700 0d000000 ffffffff                         # persistent, one packet, fallback
        0800 0800 3c000000
        0800 0900 40000000                                  # 64
        """
    )


@pytest.mark.parametrize(("key", "mask"), [(WEB, "ffffffff"), (DNS6, "80000000")])
def test_without_persistence_the_mask_is_whole(key: ServiceKey, mask: str) -> None:
    request = ipvs_wire.service_request(Command.NEW_SERVICE, key, Service("rr"))
    assert request.endswith(packed(f"0800 0800 00000000 0800 0900 {mask}"))


def test_a_mark_has_neither_address_nor_protocol() -> None:
    assert ipvs_wire.service_request(Command.DEL_SERVICE, MARK6) == packed(
        "03 01 0000  1400 0100  0600 0100 0a00 0000  0800 0500 0d0c0b0a"
    )


def test_a_persistence_engine_is_told_last() -> None:
    service = Service("rr", persistence_s=60, granularity=32, engine="sip")
    request = ipvs_wire.service_request(Command.NEW_SERVICE, WEB, service)
    assert request.endswith(packed("0800 0b00 73697000"))


def test_a_destination_is_told_whole() -> None:
    dest = Dest(Forwarding.TUN, 100, 5, 2, Encapsulation(Tunnel.GUE, 6080, Checksum.FULL))
    assert ipvs_wire.dest_request(Command.NEW_DEST, WEB, SERVER, dest) == packed(
        f"""
        05 01 0000
        3000 0100 {WEB_KEY}
        6000 0200
        1400 0100 c0000265 00000000 00000000 00000000       # address
        0600 0200 1f90 0000                                 # port, big endian
        0800 0300 02000000                                  # forwarding: tunnel
        0800 0400 64000000                                  # weight
        0800 0500 05000000                                  # upper threshold
        0800 0600 02000000                                  # lower threshold
        0600 0b00 0200 0000                                 # family of the address
        0500 0d00 01 000000                                 # tunnel: GUE
        0600 0e00 17c0 0000                                 # its port, big endian
        0600 0f00 0100 0000                                 # its checksum
        """
    )


def test_to_remove_a_destination_only_its_key_is_told() -> None:
    key = DestKey("2001:db8::5", 53)
    assert ipvs_wire.dest_request(Command.DEL_DEST, DNS6, key) == packed(
        """
        07 01 0000
        3000 0100
        0600 0100 0a00 0000  0600 0200 1100 0000
        1400 0300 20010db8 00000000 00000000 00000100  0600 0400 0035 0000
        2800 0200
        1400 0100 20010db8 00000000 00000000 00000005
        0600 0200 0035 0000
        0600 0b00 0a00 0000
        """
    )


def test_timeouts_are_three_numbers_without_a_nest() -> None:
    assert ipvs_wire.timeouts_request(Timeouts(900, 120, 300)) == packed(
        "0c 01 0000  0800 0400 84030000  0800 0500 78000000  0800 0600 2c010000"
    )
    assert ipvs_wire.read_timeouts(
        packed("0c 01 0000  0800 0400 84030000  0800 0500 78000000  0800 0600 2c010000")
    ) == Timeouts(900, 120, 300)


def test_a_flush_is_its_head_alone() -> None:
    assert ipvs_wire.plain_request(Command.FLUSH) == packed("11 01 0000")


def test_a_sync_daemon_is_told_and_read() -> None:
    daemon = SyncDaemon(Role.BACKUP, "eth0", 7, "ff02::81", 8849, 2, 1400)
    body = packed(
        """
        09 01 0000
        4c00 0300
        0800 0100 02000000                                  # backup
        0900 0200 65746830 00 000000                        # eth0
        0800 0300 07000000                                  # sync id
        1400 0600 ff020000 00000000 00000000 00000081       # group, IPv6
        0600 0700 9122 0000                                 # port, in the machine's order
        0500 0800 02 000000                                 # hops
        0600 0400 7805 0000                                 # longest message
        """
    )
    assert ipvs_sync.daemon_request(daemon) == body
    assert ipvs_sync.read_daemon(body) == daemon
    assert ipvs_sync.no_daemon_request(Role.MASTER) == packed(
        "0a 01 0000  0c00 0300  0800 0100 01000000"
    )


def test_ipvs_tells_its_version_and_the_chains_of_its_table() -> None:
    body = packed("0e 01 0000  0800 0100 01020100  0800 0200 00000400")
    assert ipvs_sync.read_info(body) == Info("1.2.1", 262144)


SERVICE_ANSWER = packed(
    f"""
    01 01 0000
    0000 0100 {WEB_KEY}
    0800 0600 776c6300
    0c00 0700 07000000 ffffffff                             # persistent, hashed, one packet
    0800 0800 2c010000
    0800 0900 ffffff00
    """
)
SERVER_ANSWER = packed(
    """
    05 01 0000
    0000 0200
    1400 0100 20010db8 00000000 00000000 00000005
    0600 0200 0050 0000
    0800 0300 02000000
    0800 0400 07000000
    0500 0d00 02 000000  0600 0e00 17c0 0000  0600 0f00 0100 0000
    0800 0500 05000000  0800 0600 02000000
    0800 0700 0b000000  0800 0800 0c000000  0800 0900 0d000000
    0600 0b00 0a00 0000
    """
)


def test_a_service_is_read_without_the_kernels_own_flag() -> None:
    found = ipvs_wire.service_attributes(SERVICE_ANSWER)
    service = Service("wlc", Flags.ONE_PACKET, persistence_s=300, granularity=24)
    assert ipvs_wire.read_service(found) == (WEB, service)


def test_a_mask_with_holes_is_no_prefix() -> None:
    found = dict(ipvs_wire.service_attributes(SERVICE_ANSWER))
    found[9] = bytes([255, 0, 255, 0])
    read = ipvs_wire.read_service(found)
    assert read is not None
    assert read[1].granularity == IRREGULAR


def test_a_service_of_a_protocol_that_nobody_can_want_is_nobodys() -> None:
    found = dict(ipvs_wire.service_attributes(SERVICE_ANSWER))
    found[2] = struct.pack("=H", 47)
    assert ipvs_wire.read_service(found) is None


SERVER_TOLD = (
    DestKey("2001:db8::5", 80),
    Dest(Forwarding.TUN, 7, 5, 2, Encapsulation(Tunnel.GRE, 0, Checksum.FULL)),
    Live(11, 12, 13),
)


def test_a_destination_is_read_with_what_it_carries() -> None:
    assert ipvs_wire.read_told(SERVER_ANSWER) == SERVER_TOLD


def test_a_destination_is_read_in_any_order_of_its_attributes() -> None:
    head, answer = SERVER_ANSWER[:8], SERVER_ANSWER[8:]
    parts = [attribute(kind, value) for kind, value in attributes(answer, 0).items()]
    for turned in (
        parts[::-1],
        parts[5:] + parts[:5],
        [*parts[:-1], attribute(20, b""), *parts[-1:]],
    ):
        assert ipvs_wire.read_told(head + b"".join(turned)) == SERVER_TOLD


def test_a_destination_that_was_read_before_is_read_with_its_new_figures() -> None:
    other_load = SERVER_ANSWER.replace(b"\x0b\0\0\0", b"\x0f\0\0\0")
    other_weight = SERVER_ANSWER.replace(b"\x08\0\x04\0\x07", b"\x08\0\x04\0\x09")
    other_family = SERVER_ANSWER.replace(b"\x06\0\x0b\0\x0a", b"\x06\0\x0b\0\x02")
    key, dest, live = SERVER_TOLD
    for _ in range(2):
        assert ipvs_wire.read_told(SERVER_ANSWER) == SERVER_TOLD
        assert ipvs_wire.read_told(other_load) == (key, dest, live._replace(active=15))
        assert ipvs_wire.read_told(other_weight) == (key, dest._replace(weight=9), live)
        assert ipvs_wire.read_told(other_family).key == DestKey("32.1.13.184", 80)


def test_only_a_tunnel_is_wrapped_whatever_the_kernel_keeps() -> None:
    found = dict(ipvs_wire.dest_attributes(SERVER_ANSWER))
    found[3] = struct.pack("=I", Forwarding.DR)
    assert ipvs_wire.read_dest(found) == Dest(Forwarding.DR, 7, 5, 2)


def test_statistics_are_those_of_64_bits() -> None:
    large = tuple(2**40 + number for number in range(10))
    nest = b"".join(
        attribute(kind, struct.pack("=Q", value)) for kind, value in enumerate(large, 1)
    )
    found = {12: nest, 10: attribute(1, struct.pack("=I", 1))}
    assert ipvs_wire.read_service_counters(found) == Counters(*large)
    assert ipvs_wire.read_dest_counters(found) == Counters(*large)


def test_what_is_written_of_a_destination_is_what_is_read_of_it() -> None:
    for dest in (
        Dest(Forwarding.NAT, 65535, 2**32 - 1, 2**31),
        Dest(Forwarding.TUN, 0, encapsulation=Encapsulation(Tunnel.GUE, 65535, Checksum.REMOTE)),
    ):
        body = ipvs_wire.dest_request(Command.NEW_DEST, MARK6, SERVER, dest)
        whole = attributes(body, 4)
        assert ipvs_wire.read_dest(attributes(whole[2], 0)) == dest


class Asked:
    """In the place of the library's socket: tells the command that would be sent."""

    async def _do_request(self, msg: Mapping[str, int], msg_flags: int) -> int:
        return msg["cmd"]


async def test_the_librarys_verb_update_deletes() -> None:
    # should this fail, the library was mended: then take the words about it out of drivers.ipvs
    service = IPVSService(addr="192.0.2.100", port=80, protocol=6)
    server = IPVSDest(addr="192.0.2.101", port=80)
    assert await AsyncIPVS.service(Asked(), "update", service) == Command.DEL_SERVICE
    assert await AsyncIPVS.dest(Asked(), "update", service, server) == Command.DEL_DEST


def test_the_librarys_ipvs_is_used_nowhere() -> None:
    users = [
        name(path)
        for path in python_files("services", "console", "image")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Import | ast.ImportFrom)
        and "pyroute2" in (text := ast.unparse(node))
        and "ipvs" in text.lower()
    ]
    assert users == []
