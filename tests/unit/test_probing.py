# SPDX-License-Identifier: Apache-2.0
"""The probe follows the document, and what it finds becomes verdicts."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from services.agent.probing import REFRESH_S, START_AGAIN_S, Probing
from services.errors import Unable
from services.health.jobs import probed
from services.health.targets import Kind, Manner, Target
from services.health.verdict import Result, Verdict
from services.model import Document
from tests.fakes.probes import FakeProbes, ProbeProcess

PING: dict[str, Any] = {"kind": "ping"}
IMAP = {"kind": "negotiate", "protocol": "imap", "login": "anna", "password": "mail"}


def document(*checks: dict[str, Any]) -> Document:
    services = [
        {
            "id": number,
            "label": f"s{number}",
            "addresses": [f"192.168.2.{110 + number}"],
            "ports": "143",
            "check": check,
            "servers": [{"id": 1, "label": "one", "address": "192.168.2.101"}],
        }
        for number, check in enumerate(checks, start=1)
    ]
    return Document.model_validate({"cluster": {"layer4": services}})


class World:
    def __init__(self) -> None:
        self.process = ProbeProcess()
        self.secrets = {"mail": "one"}
        self.now = 0.0
        self.verdicts: dict[str, Verdict] = {}
        self.probing = self.agent()

    def agent(self) -> Probing:
        return Probing(FakeProbes(self.process), self.secrets.__getitem__, clock=lambda: self.now)

    async def follow(self, wanted: Document) -> None:
        await self.probing.follow(wanted, self.verdicts)
        self.probing.take(self.verdicts)

    def name(self, wanted: Document) -> str:
        [target] = probed(wanted)
        return target.name


async def test_it_runs_while_there_is_something_to_look_at() -> None:
    world = World()
    ran = []
    for wanted in (document({"kind": "connect"}), document(PING, PING), document()):
        await world.follow(wanted)
        ran.append((world.process.runs, len(world.process.jobs)))
    assert ran == [(False, 0), (True, 1), (False, 0)]


async def test_one_that_was_killed_is_started_again_and_no_server_turns() -> None:
    world, wanted = World(), document(PING)
    await world.follow(wanted)
    name = world.name(wanted)
    assert world.verdicts[name].up
    world.process.die()
    await world.follow(wanted)
    assert world.process.jobs[name].up is True
    assert world.verdicts[name].up


async def test_an_agent_that_begins_adopts_one_that_runs_and_starts_none() -> None:
    world, wanted = World(), document(PING)
    await world.probing.follow(wanted, world.verdicts, start=False)
    assert not world.process.runs
    await world.follow(wanted)
    name = world.name(wanted)
    world.process.find(name, Result(False, "no answer", 2.0))
    world.verdicts, world.probing = {}, world.agent()
    await world.probing.follow(wanted, world.verdicts, start=False)
    world.probing.take(world.verdicts)
    assert world.verdicts[name].against == 1


async def test_a_secret_that_was_replaced_reaches_it() -> None:
    world, wanted = World(), document(IMAP)
    await world.follow(wanted)
    world.secrets["mail"] = "two"
    world.now += REFRESH_S
    await world.follow(wanted)
    assert [job.secret for job in world.process.jobs.values()] == ["two"]


async def test_the_next_agent_adopts_its_count_and_a_failure_turns_nobody_too_soon() -> None:
    world, wanted = World(), document(PING)
    await world.follow(wanted)
    name = world.name(wanted)
    world.process.find(name, Result(False, "no answer", 2.0))
    world.verdicts, world.probing = {}, world.agent()
    await world.follow(wanted)
    assert (world.verdicts[name].up, world.verdicts[name].against) == (True, 1)
    world.process.find(name, Result(False, "no answer", 3.0))
    world.probing.take(world.verdicts)
    assert not world.verdicts[name].up
    assert world.verdicts[name].words == "no answer"


async def test_feedback_is_handed_on() -> None:
    world, wanted = World(), document({"kind": "always_on", "feedback": "http"})
    await world.follow(wanted)
    world.process.find(world.name(wanted), Result(True, "", 2.0, 1, 75))
    [look] = world.probing.take(world.verdicts)
    assert look.result.percent == 75


async def test_one_that_does_not_start_is_told() -> None:
    world = World()
    world.process.broken = "no such folder"
    with pytest.raises(Unable, match="no such folder"):
        await world.follow(document(PING))


HANDSHAKE = Target(Manner(Kind.TLS, 60, 3, fall=1, rise=1), "192.168.2.101", 443)


async def test_what_is_only_asked_for_is_looked_at_and_told_apart_from_the_documents() -> None:
    world, wanted = World(), document(PING)
    world.probing.ask((HANDSHAKE,))
    await world.probing.follow(wanted, world.verdicts)
    assert set(world.process.jobs) == {world.name(wanted), HANDSHAKE.name}
    assert [look.name for look in world.probing.take(world.verdicts)] == [HANDSHAKE.name]
    world.probing.ask(())
    await world.probing.follow(wanted, world.verdicts)
    assert set(world.process.jobs) == {world.name(wanted)}


async def test_nobody_waits_for_a_probe_that_starts_for_an_explanation_alone() -> None:
    world, wanted = World(), document()
    world.process.broken = "no memory"
    world.probing.ask((HANDSHAKE,))
    for _ in range(3):
        await world.follow(wanted)
        await asyncio.sleep(0)
    world.process.broken = ""
    runs = []
    for seconds in (0.0, START_AGAIN_S):
        world.now += seconds
        await world.follow(wanted)
        await asyncio.sleep(0)
        runs.append(world.process.runs)
    assert runs == [False, True], "it is tried again later"
    await world.follow(wanted)
    assert set(world.process.jobs) == {HANDSHAKE.name}
    world.probing.ask(())
    await world.follow(wanted)
    assert world.process.jobs == {}
