# SPDX-License-Identifier: Apache-2.0
"""What pyroute2 leaves to its user: a deadline, and dumps that were disturbed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from services.drivers import iproute
from services.drivers.netlink import TRIES


async def of_two(*, disturbed: bool) -> AsyncIterator[iproute.Message]:
    yield {"header": {"flags": 0x02}, "index": 1}
    yield {"header": {"flags": 0x12 if disturbed else 0x02}, "index": 2}


async def test_a_dump_that_was_disturbed_is_taken_again() -> None:
    disturbed = [True, True, False]

    async def asked() -> AsyncIterator[iproute.Message]:
        return of_two(disturbed=disturbed.pop(0))

    assert [message["index"] for message in await iproute._dumped(asked)] == [1, 2]
    assert disturbed == []


async def test_of_a_dump_that_is_always_disturbed_the_last_one_counts() -> None:
    asked_times = 0

    async def asked() -> AsyncIterator[iproute.Message]:
        nonlocal asked_times
        asked_times += 1
        return of_two(disturbed=True)

    assert len(await iproute._dumped(asked)) == 2
    assert asked_times == TRIES


def test_a_kernel_that_does_not_answer_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    async def silence(kernel: object) -> None:
        await asyncio.Event().wait()

    monkeypatch.setattr(iproute, "ANSWER_S", 0.05)
    with pytest.raises(OSError, match="timed out"):
        iproute._conversed(silence)
