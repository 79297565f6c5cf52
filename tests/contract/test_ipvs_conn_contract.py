# SPDX-License-Identifier: Apache-2.0
"""What a list of connections gives, the kernel's file or the one in memory."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from services.drivers.ipvs_conn import ConnectionTable, KernelConnections, Slices
from services.errors import NotFound, Unable
from tests.fakes.ipvs_conn import FakeConnections, entry, file_of

Made = Callable[[Sequence[bytes]], ConnectionTable]

LINES = [
    entry(f"192.0.2.{n}:5000", "198.51.100.1:80", "10.0.0.1:80", "ESTABLISHED", n)
    for n in range(100)
]


@pytest.fixture(params=["kernel", "fake"])
def made(request: pytest.FixtureRequest, tmp_path: Path) -> Made:
    def kernel(lines: Sequence[bytes]) -> ConnectionTable:
        path = tmp_path / "ip_vs_conn"
        path.write_bytes(file_of(lines))
        return KernelConnections(path)

    return kernel if request.param == "kernel" else FakeConnections


def joined(slices: Slices) -> list[bytes]:
    return [line for lines in slices for line in lines]


async def test_every_line_comes_once_in_its_order_without_the_heading(made: Made) -> None:
    reading = await made(LINES).read(joined)
    assert reading.result == LINES
    assert reading.whole


async def test_an_empty_list_is_no_error(made: Made) -> None:
    reading = await made([]).read(joined)
    assert (reading.result, reading.whole) == ([], True)


async def test_what_the_digest_raises_reaches_who_asked(made: Made) -> None:
    def refuse(_: Slices) -> None:
        raise NotFound("There is no such thing.", do="Look again.")

    with pytest.raises(NotFound):
        await made(LINES).read(refuse)


@pytest.mark.parametrize(
    "without", [KernelConnections(Path("/nonexistent")), FakeConnections(loaded=False)]
)
async def test_a_kernel_without_ipvs_is_told_as_such(without: ConnectionTable) -> None:
    with pytest.raises(Unable, match="no IPVS"):
        await without.read(joined)
