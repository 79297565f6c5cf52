# SPDX-License-Identifier: Apache-2.0
"""A kernel that refuses all or loses its answers: a clear sentence, and the table is whole."""

from __future__ import annotations

import os
import subprocess

import pytest

from services.apply import converge, transact
from services.drivers.ipvs import KernelIpvs
from services.errors import Unable
from services.model import Document
from services.plan.ipvs import DestKey
from services.plan.ipvs_changes import DropDest, PutDest, PutService
from services.wanted import wanted
from tests.kernel.guest.whole import PLACE, drivers
from tests.kernel.guest.wishes import RR, dest, follow, key, seen, service
from tests.netns import inside

NOBODY = 65534
SMALLEST = 2304
"""Bytes: as small as the kernel lets a socket's buffer be; of 64 answers it holds a few."""
MANY = 200


async def without_rights() -> None:
    await follow(service(dest(1)))
    before, ipvs = await seen(), KernelIpvs()
    (one, _), (two, how) = dest(1), dest(2)
    changes = (
        PutDest(service=key(), key=two, dest=how),
        DropDest(service=key(), key=one),
        PutService(key=key(port=81), service=RR),
    )
    os.seteuid(NOBODY)
    try:
        refused = await ipvs.write(changes)
        assert await ipvs.seen() is None, "nor may it look"
    finally:
        os.seteuid(0)
    assert [each.change for each in refused] == list(changes)
    assert {each.do for each in refused} == {"Run the agent as root."}
    assert refused[0].what == (
        "192.0.2.12:80 of tcp 192.0.2.10:80 cannot be added: this process has not the right to."
    )
    assert await seen() == before


def test_without_the_right_to_nothing_changes_and_every_change_is_named() -> None:
    inside(without_rights)


def document(servers: int) -> Document:
    """One service of so many servers, by a method that asks nothing of the unit's networks."""
    rips = [
        {"id": at, "label": f"web{at}", "address": f"198.51.100.{at}"}
        for at in range(1, servers + 1)
    ]
    web = {"id": 1, "label": "web", "addresses": ["192.0.2.100"], "forwarding": "tun"}
    service = {**web, "servers": rips, "fallback_address": None}
    return Document.model_validate({"cluster": {"layer4": [service]}})


async def nothing() -> None:
    """Neither a reason to refuse nor anything to keep."""


async def without_room(network: int) -> str:
    def buffers(size: int) -> None:
        # a setting of the whole machine, which only its own network shows
        argv = ["nsenter", f"--net=/proc/self/fd/{network}", "sysctl", "-q", "-w"]
        subprocess.run(
            [*argv, f"net.core.rmem_default={size}"], check=True, pass_fds=[network], timeout=30
        )

    doors = drivers()
    old, new = (wanted(document(count), PLACE) for count in (3, MANY))
    await converge(doors, old)
    before = await seen()
    [service] = before.table
    # each is refused, and each refusal is an answer
    absent = [DropDest(service=service, key=DestKey(f"203.0.113.{at}", 80)) for at in range(MANY)]
    buffers(SMALLEST)
    try:
        with pytest.raises(Unable) as failed:
            await doors.ipvs.write(absent)
        assert await seen() == before
        # what is done needs one answer, however much it is
        await transact(doors, old=old, new=new, ready=nothing, commit=nothing)
    finally:
        buffers(212_992)
    [entry] = (await seen()).table.values()
    assert len(entry.dests) == MANY
    return failed.value.what


def test_answers_that_find_no_room_are_told_and_what_is_done_needs_little() -> None:
    network = os.open("/proc/self/ns/net", os.O_RDONLY)
    try:
        told = inside(without_room, network)
    finally:
        os.close(network)
    assert told == "The kernel's answers about layer 4 found no room in their buffer."
