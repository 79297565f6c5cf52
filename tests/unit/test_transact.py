# SPDX-License-Identifier: Apache-2.0
"""What only HAProxy has to load is decided from the look before, and proved by a new one."""

from __future__ import annotations

import time
from dataclasses import dataclass, field, replace

import pytest

from services.apply import FRESH_S, Found, transact
from services.drivers.haproxy_file import fingerprint_in
from services.errors import ApplyFailed, Unable
from services.model import Document
from services.plan.changes import AddAddress, Change, ReloadHaproxy, StartHaproxy, WriteFile
from services.plan.state import LinksSeen, Wanted
from services.wanted import wanted
from tests.fakes.links import FakeLinks
from tests.fakes.machine import PLACE, Machine


def system(limit: int = 10_000, address: str = "192.168.2.110") -> Wanted:
    web = {
        "id": 7,
        "label": "web",
        "addresses": [address],
        "ports": "80",
        "max_connections": limit,
        "servers": [{"id": 8, "label": "web1", "address": "192.168.2.101", "port": 80}],
    }
    cards = [{"name": "eth0", "addresses": ["192.168.2.21/24"]}]
    tree = {"cluster": {"layer7": [web]}, "local": {"interfaces": cards}}
    return wanted(Document.model_validate(tree), PLACE)


@dataclass
class CountedLinks(FakeLinks):
    """Cards that count who looks at them, as every look at the machine does."""

    looks: int = 0

    async def seen(self) -> LinksSeen:
        self.looks += 1
        return await super().seen()


@dataclass
class Looked(Machine):
    """A machine that knows how often it was looked at during a change."""

    links: CountedLinks = field(default_factory=CountedLinks)

    async def change(
        self, old: Wanted, new: Wanted, found: Found | None
    ) -> tuple[list[type[Change]], Found]:
        self.links.looks = 0
        done, last = await transact(
            self.drivers, old=old, new=new, ready=nothing, commit=nothing, found=found
        )
        return [type(step) for step in done], last


async def nothing() -> None:
    """Neither a reason to refuse nor anything to keep."""


EMPTY = wanted(Document(), PLACE)
OLD, NEW = system(), system(20_000)


async def started() -> tuple[Looked, Found]:
    machine = Looked()
    _, found = await machine.change(EMPTY, OLD, None)
    return machine, found


async def test_it_is_looked_once_and_what_was_found_serves_the_next_change() -> None:
    machine, found = await started()
    kinds, found = await machine.change(OLD, NEW, found)
    assert (kinds, machine.links.looks) == ([WriteFile, ReloadHaproxy], 1)
    assert fingerprint_in(machine.haproxy.read() or b"") == NEW.haproxy.fingerprint
    kinds, _ = await machine.change(NEW, OLD, found)
    assert (kinds, machine.links.looks) == ([WriteFile, ReloadHaproxy], 1)


async def test_what_is_old_or_of_another_system_or_too_little_is_not_trusted() -> None:
    machine, found = await started()
    stale = replace(found, at=time.monotonic() - FRESH_S - 1)
    for new, known in ((NEW, stale), (NEW, replace(found, wanted=system())), (NEW, None)):
        assert (await machine.change(OLD, new, known))[0] == [WriteFile, ReloadHaproxy]
        assert machine.links.looks == 2
        await machine.change(NEW, OLD, None)
    _, found = await machine.change(OLD, OLD, None)
    await machine.change(OLD, OLD, found)
    assert machine.links.looks == 1, "nothing is done, so that it is not proved either"
    kinds, _ = await machine.change(OLD, system(address="192.168.2.111"), found)
    assert kinds[0] is AddAddress
    assert machine.links.looks == 2


async def test_what_a_hand_changed_since_is_met_by_the_proof() -> None:
    machine, found = await started()
    [gone] = (key for key, floating in OLD.links.addresses.items() if floating)
    del machine.links.marks[gone]
    kinds, found = await machine.change(OLD, NEW, found)
    assert kinds == [WriteFile, ReloadHaproxy, AddAddress]
    assert gone in machine.links.marks
    assert found.seen.links.ours[gone]


async def test_a_step_that_fails_for_it_is_decided_anew() -> None:
    machine, found = await started()
    machine.haproxy.kill()
    kinds, _ = await machine.change(OLD, NEW, found)
    assert StartHaproxy in kinds
    assert machine.haproxy.running


async def test_a_step_that_fails_for_another_reason_is_not_tried_again() -> None:
    machine, found = await started()
    machine.haproxy.calls.clear()
    machine.haproxy.failing = Unable("No.", do="Do not.")
    with pytest.raises(ApplyFailed, match="No"):
        await machine.change(OLD, NEW, found)
    assert machine.haproxy.calls.count("reload") == 1
