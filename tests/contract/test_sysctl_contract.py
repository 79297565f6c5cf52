# SPDX-License-Identifier: Apache-2.0
"""What every `Sysctls` does, in memory and in the kernel of a namespace."""

from __future__ import annotations

import pytest

from services.drivers.sysctl import KernelSysctls, Sysctls
from services.errors import Unable
from services.model import Document
from services.render.kernel import kernel_settings
from tests.cases import Case, Cases
from tests.fakes.sysctl import FakeSysctls
from tests.netns import inside

FORWARD, PORTS, ABSENT = "net/ipv4/ip_forward", "net/ipv4/ip_local_port_range", "net/ipv4/no/such"
OTHERS = "kernel/ostype"
"""There, and not to be written by anybody."""

case: Cases[Sysctls] = Cases()


@case.each
async def test_in_memory(case: Case[Sysctls]) -> None:
    await case(FakeSysctls({FORWARD: "0", PORTS: "32768 60999"}))


@pytest.mark.peers
@case.each
def test_in_the_kernel(case: Case[Sysctls]) -> None:
    inside(case, KernelSysctls())


@case
async def what_is_set_is_seen(sysctls: Sysctls) -> None:
    for value in ("1", "0", "1"):
        await sysctls.change({FORWARD: value})
        assert await sysctls.seen([FORWARD]) == {FORWARD: value}


@case
async def several_numbers_are_one_value_with_single_spaces(sysctls: Sysctls) -> None:
    await sysctls.change({PORTS: "1024 65535"})
    assert await sysctls.seen([PORTS]) == {PORTS: "1024 65535"}


@case
async def what_is_not_there_or_not_ours_is_seen_as_absent(sysctls: Sysctls) -> None:
    assert await sysctls.seen([ABSENT, OTHERS]) == {ABSENT: None, OTHERS: None}


@case
async def of_several_the_one_that_cannot_be_set_is_told_and_the_others_are_set(
    sysctls: Sysctls,
) -> None:
    await sysctls.change({FORWARD: "0"})
    with pytest.raises(Unable, match=r"net\.ipv4\.no\.such cannot be set to 1: "):
        await sysctls.change({ABSENT: "1", FORWARD: "1"})
    assert await sysctls.seen([FORWARD]) == {FORWARD: "1"}


@pytest.mark.peers
def test_the_appliances_settings_are_all_taken_and_stay() -> None:
    """Every value is in the form in which the kernel shows it, and none undoes another."""

    async def whole() -> dict[str, str | None]:
        sysctls, asked = KernelSysctls(), kernel_settings(Document())
        there = {name for name, value in (await sysctls.seen(asked)).items() if value}
        wanted = {name: value for name, value in asked.items() if name in there}
        for _ in range(2):
            await sysctls.change(wanted)
        seen = await sysctls.seen(wanted)
        assert len(seen) > 15
        return {name: value for name, value in seen.items() if value != wanted[name]}

    assert inside(whole) == {}
