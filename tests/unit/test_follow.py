# SPDX-License-Identifier: Apache-2.0
"""What the kernel refuses of layer 4 holds up what must not be done without it, and no more."""

from __future__ import annotations

import errno

import pytest

from services.apply import converge, transact
from services.errors import ApplyFailed
from services.follow import Incomplete, follow
from services.model import Layer4Service
from services.plan.changes import AddAddress, Change, DropAddress, SetRules, StartChecks
from services.plan.ipvs import ServiceKey
from services.plan.ipvs_changes import DropDest, DropService, PutDest, PutService
from services.plan.state import AddressKey, Wanted
from services.render.ipvs import service_keys
from services.wanted import wanted
from tests.fakes.ipvs import FakeIpvs
from tests.fakes.machine import PLACE, Machine
from tests.layer4 import document, rip, vip

EIGHT = ["203.0.113.18"]
ONE = vip(rip(1), rip(2))
OTHER = vip(rip(1), rip(2), id=8, label="other", addresses=EIGHT)
MARKED = vip(rip(1), rip(2), id=9, label="marked", ports="80,443", mark=65_536)


def refuse(machine: Machine, service: Layer4Service) -> ServiceKey:
    [key] = service_keys(service)
    machine.ipvs.refusing[key] = errno.ENOMEM
    return key


def asked(*services: Layer4Service) -> Wanted:
    return wanted(document(*services), PLACE)


async def nothing() -> None:
    """Neither a reason to refuse nor anything to keep."""


async def refused(machine: Machine, system: Wanted) -> Incomplete:
    """What is told of a pass in which the kernel refuses something."""
    with pytest.raises(Incomplete, match=r"cannot be .*no memory left") as told:
        await converge(machine.drivers, system)
    return told.value


async def test_a_refused_service_holds_up_neither_the_others_nor_their_checks() -> None:
    machine, system = Machine(), asked(ONE, OTHER)
    key = refuse(machine, ONE)
    told = await refused(machine, system)
    table = dict(system.ipvs.table)
    del table[key]
    assert {key: entry.dests for key, entry in table.items()} == machine.ipvs.dests
    assert StartChecks in {type(change) for change in told.done}
    assert PutDest in {type(change) for change in told.done}
    assert not any(isinstance(c, PutService) and c.key == key for c in told.done)

    # nothing is done twice, and it is told as long as it stands
    assert (await refused(machine, system)).done == ()
    machine.ipvs.refusing.clear()
    done = await converge(machine.drivers, system)
    assert {type(change) for change in done} == {PutService, PutDest}


async def test_nothing_goes_that_the_refused_one_may_come_in_the_stead_of() -> None:
    machine = Machine()
    await converge(machine.drivers, asked(ONE))
    moved = ONE.model_copy(update={"addresses": OTHER.addresses})
    before, links = dict(machine.ipvs.dests), dict(machine.links.marks)
    refuse(machine, moved)
    await refused(machine, asked(moved))
    assert machine.ipvs.dests == before
    assert links.items() <= machine.links.marks.items()
    machine.ipvs.refusing.clear()
    kinds = [type(change) for change in await converge(machine.drivers, asked(moved))]
    assert kinds.index(PutDest) < kinds.index(DropService)


async def test_a_destination_waits_for_those_of_its_own_service_only() -> None:
    machine = Machine()
    [one], [other] = service_keys(ONE), service_keys(OTHER)
    await converge(machine.drivers, asked(ONE, OTHER))
    new = rip(3)
    changed = asked(*(vip.model_copy(update={"servers": (new,)}) for vip in (ONE, OTHER)))
    refuse(machine, ONE)
    await refused(machine, changed)
    assert {str(key) for key in machine.ipvs.dests[one]} == {"198.51.100.1:80", "198.51.100.2:80"}
    assert {str(key) for key in machine.ipvs.dests[other]} == {"198.51.100.3:80"}


async def test_rules_that_are_there_wait_for_a_mark_and_the_first_ones_do_not() -> None:
    machine, system = Machine(), asked(MARKED, OTHER)
    refuse(machine, MARKED)
    await refused(machine, system)
    assert machine.rules.loaded == system.rules != ""

    machine.rules.loaded = "of before"
    await refused(machine, system)
    assert machine.rules.loaded == "of before"

    machine.ipvs.refusing.clear()
    refuse(machine, OTHER)
    machine.ipvs.dests[service_keys(OTHER)[0]].clear()
    await refused(machine, system)
    assert machine.rules.loaded == system.rules


async def test_a_change_as_a_whole_ends_at_what_is_refused_and_has_taken_nothing_away() -> None:
    machine = Machine()
    old = asked(ONE, OTHER)
    await converge(machine.drivers, old)
    machine.ipvs.written.clear()
    refuse(machine, ONE)
    fewer = OTHER.model_copy(update={"servers": (rip(1),)})
    new = asked(ONE.model_copy(update={"servers": (rip(1), rip(2), rip(3))}), fewer)
    with pytest.raises(ApplyFailed, match=r"198\.51\.100\.3:80 .*no memory left"):
        await transact(machine.drivers, old=old, new=new, ready=nothing, commit=nothing)
    assert machine.ipvs.written == []
    assert await converge(machine.drivers, old) == ()


async def test_what_the_machine_lacks_holds_up_nothing_else() -> None:
    machine, system = Machine(ipvs=FakeIpvs(loaded=False)), asked(ONE)
    with pytest.raises(Incomplete, match="gives the agent no IPVS") as told:
        await converge(machine.drivers, system)
    assert AddAddress in {type(change) for change in told.value.done}
    assert system.links.addresses.keys() == machine.links.marks.keys()


async def test_what_another_driver_refuses_ends_the_pass_and_both_are_told() -> None:
    machine = Machine()
    key = refuse(machine, ONE)
    put = PutService(key=key, service=asked(ONE).ipvs.table[key].service)
    gone = AddressKey("eth0", "203.0.113.10/32")
    changes: list[Change] = [put, SetRules(rules="new"), StartChecks(), SetRules(rules="newer")]
    with pytest.raises(Incomplete, match=r"no memory left.*no configuration of ours") as told:
        await follow(machine.drivers, [*changes, DropAddress(key=gone)])
    assert told.value.done == (SetRules(rules="new"),)


async def test_an_answer_that_is_lost_counts_as_a_refusal_of_all() -> None:
    machine = Machine(ipvs=FakeIpvs(loaded=False))
    [(key, entry)] = asked(ONE).ipvs.table.items()
    dest, *_ = entry.dests
    steps: list[Change] = [PutDest(service=key, key=dest, dest=entry.dests[dest])]
    with pytest.raises(Incomplete) as told:
        await follow(machine.drivers, [*steps, DropDest(service=key, key=dest), SetRules()])
    assert told.value.done == (SetRules(),)
