# SPDX-License-Identifier: Apache-2.0
"""The kernel's list of connections is read within bounds, whatever stands in it."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.drivers.ipvs_conn import (
    LONGEST,
    QUEUE,
    SLICE,
    KernelConnections,
    Slices,
    number,
    packed,
    read_line,
)
from services.errors import Refused
from tests.fakes.ipvs_conn import HEADING, entry, file_of

# as Linux 6.12 writes them
SEEN = (
    b"TCP CB007109 C350 C000020A 0050 C000020B 0050 ESTABLISHED     899",
    b"UDP CB007109 C350 C000020A 0035 C000020B 0035 UDP             299 sip 12@198.51.100.1",
    b" ".join(
        (
            b"TCP 2001:0db8:0001:0001:0000:0000:0000:0001 C350",
            b"2001:0db8:0002:0000:0000:0000:0000:0010 0050",
            b"2001:0db8:0002:0000:0000:0000:0000:000b 0050 SYN_RECV         57",
        )
    ),
    b"IP  CB007109 0000 4C420001 0000 C000020B 0000 NONE             60",
)


def test_the_kernels_lines_are_understood() -> None:
    lines = [read_line(line) for line in SEEN]
    assert [line and line.expires_s for line in lines] == [899, 299, 57, 60]
    first, _, third, _ = lines
    assert first is not None
    assert third is not None
    assert first.shared == (b"TCP", b"C000020A", b"0050", b"C000020B", b"0050", b"ESTABLISHED")
    assert packed(first.client) == bytes([203, 0, 113, 9])
    assert number(first.client_port) == 50_000
    assert len(packed(third.client) or b"") == 16


def test_lines_as_our_tests_make_them_are_the_kernels() -> None:
    made = entry("203.0.113.9:50000", "192.0.2.10:80", "192.0.2.11:80", "ESTABLISHED", 899)
    assert made == SEEN[0]
    six = "[2001:db8:1:1::1]:50000", "[2001:db8:2::10]:80", "[2001:db8:2::b]:80"
    assert entry(*six, "SYN_RECV", 57) == SEEN[2]


@given(st.binary(max_size=600))
def test_no_bytes_break_the_reader(line: bytes) -> None:
    found = read_line(line)
    if found is not None:
        packed(found.client)
        number(found.client_port)


async def longest(path: Path) -> int:
    def measured(slices: Slices) -> int:
        return max(len(line) for lines in slices for line in lines)

    return (await KernelConnections(path).read(measured)).result


async def test_a_line_that_never_ends_takes_no_memory(tmp_path: Path) -> None:
    path = tmp_path / "ip_vs_conn"
    path.write_bytes(HEADING.encode() + b"\n" + b"x" * (40 * SLICE) + b"\n")
    assert await longest(path) <= LONGEST + SLICE


async def test_a_reading_that_takes_too_long_ends_and_says_so(tmp_path: Path) -> None:
    path = tmp_path / "ip_vs_conn"
    path.write_bytes(file_of([SEEN[0]] * 10))
    reading = await KernelConnections(path, budget_s=0).read(list)
    assert reading.result == []
    assert not reading.whole


async def test_only_so_many_may_wait_for_their_turn(tmp_path: Path) -> None:
    path = tmp_path / "ip_vs_conn"
    path.write_bytes(file_of([SEEN[0]]))
    table = KernelConnections(path)
    asked = [table.read(list) for _ in range(QUEUE + 2)]
    answers = await asyncio.gather(*asked, return_exceptions=True)
    assert [type(answer) for answer in answers].count(Refused) == 1
    assert (await table.read(list)).whole, "afterwards as before"


def test_what_is_no_address_or_port_is_none() -> None:
    assert packed(b"C00002") is None
    assert packed(b"zz") is None
    assert packed(b"\xff") is None
    assert number(b"00050") is None
    assert number(b"-001") is None


@pytest.mark.parametrize("line", [b"", b"Pro FromIP", SEEN[0][:-3] + b"-1"])
def test_what_is_no_entry_is_none(line: bytes) -> None:
    assert read_line(line) is None
