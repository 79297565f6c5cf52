# SPDX-License-Identifier: Apache-2.0
"""What every `Host` does, in memory and in a UTS namespace of the test's own."""

from __future__ import annotations

import ctypes
import os

import pytest

from services.drivers.host import Host, KernelHost
from services.errors import Unable
from tests.cases import Case, Cases
from tests.fakes.host import FakeHost
from tests.netns import inside

CLONE_NEWUTS = 0x04000000
case: Cases[Host] = Cases()


@case
async def a_name_set_is_the_name(host: Host) -> None:
    await host.set_hostname("lbmaster")
    assert await host.hostname() == "lbmaster"


@case
async def a_name_too_long_is_refused_and_the_old_one_stays(host: Host) -> None:
    await host.set_hostname("lbmaster")
    with pytest.raises(Unable, match="Invalid argument"):
        await host.set_hostname("x" * 65)
    assert await host.hostname() == "lbmaster"


@case.each
async def test_in_memory(case: Case[Host]) -> None:
    await case(FakeHost())


@pytest.mark.peers
@case.each
def test_in_the_kernel(case: Case[Host]) -> None:
    async def whole() -> None:
        assert ctypes.CDLL(None).unshare(CLONE_NEWUTS) == 0
        await case(KernelHost())

    inside(whole)


@pytest.mark.peers
def test_without_rights_it_says_so() -> None:
    async def whole() -> None:
        assert ctypes.CDLL(None).unshare(CLONE_NEWUTS) == 0
        os.setresuid(65534, 65534, 65534)
        with pytest.raises(Unable, match="Run the agent as root"):
            await KernelHost().set_hostname("lbmaster")

    inside(whole)
