# SPDX-License-Identifier: Apache-2.0
"""What every `Haproxy` does, in memory and in earnest.

Each case is a coroutine that gets a world: no file, nothing running, two web servers on
198.51.100.1 and .2. The real HAProxy runs in a network namespace of the case's own. What
only bytes can show stands in `tests/peers/test_haproxy_*.py`.
"""

from __future__ import annotations

import os
import signal
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

import pytest

from services.drivers.haproxy import Haproxy
from services.errors import Refused, Unable
from services.model import Document, ServerState
from services.plan.state import HaproxyWanted, ServerKey, ServerKnobs
from services.render import Place, haproxy_wanted
from tests.cases import Case, Cases
from tests.fakes.haproxy import FakeHaproxy
from tests.peers.dataplane import (
    Client,
    alone,
    data_plane,
    document,
    rip,
    vip,
    webs,
)
from tests.poll import eventually_async

KEY: ServerKey = (7, 1)
ONLINE = ServerKnobs(100, halted=False)
HALTED = ServerKnobs(100, halted=True)
DRAINED = ServerKnobs(0, halted=False)
PLAIN = document(vip(rip(1), rip(2)))
WITH_ANOTHER = document(
    vip(rip(1), rip(2)), vip(id=8, label="other", addresses=["203.0.113.11"], ports="8080")
)


@dataclass
class World:
    """HAProxy, and the hands of others at the same machine."""

    haproxy: Haproxy
    place: Place
    write: Callable[[bytes], object]
    hold: Callable[[str, int], object]
    kill: Callable[[], Awaitable[object]]
    connect: Callable[[], Awaitable[object]]
    """Open a connection that stays, to whichever server is next."""
    turn: Callable[[ServerKnobs], Awaitable[object]]
    """Somebody turns a knob of web1 by hand."""

    def put(self, wanted: Document) -> HaproxyWanted:
        """Put the document's file in place."""
        new = haproxy_wanted(wanted, self.place)
        self.write(new.config.data)
        return new


@asynccontextmanager
async def in_memory() -> AsyncIterator[World]:
    files: dict[str, bytes] = {}
    fake = FakeHaproxy(lambda: files.get("haproxy.cfg"))

    async def kill() -> None:
        fake.kill()

    async def connect() -> None:
        fake.connections[KEY] = 1

    async def turn(knobs: ServerKnobs) -> None:
        fake.turn(KEY, knobs)

    yield World(
        haproxy=fake,
        place=Place(),
        write=lambda data: files.update({"haproxy.cfg": data}),
        hold=lambda address, port: fake.held.add((address, port)),
        kill=kill,
        connect=connect,
        turn=turn,
    )


@asynccontextmanager
async def in_earnest() -> AsyncIterator[World]:
    held: list[socket.socket] = []
    clients: list[Client] = []
    async with webs(2), data_plane() as plane:

        async def kill() -> None:
            os.kill(await plane.worker(), signal.SIGKILL)

        async def connect() -> None:
            client = await Client.to()
            await client.send("/long")
            await client.head()
            clients.append(client)

        async def turn(knobs: ServerKnobs) -> None:
            state = "maint" if knobs.halted else "ready"
            name = "vs7/rs1"
            await plane.told(
                f"set server {name} weight {knobs.weight};set server {name} state {state}"
            )

        yield World(
            haproxy=plane.driver,
            place=plane.place,
            write=plane.write,
            hold=lambda address, port: held.append(socket.create_server((address, port))),
            kill=kill,
            connect=connect,
            turn=turn,
        )
        for listening in held:
            listening.close()
        for client in clients:
            client.close()


case: Cases[World] = Cases()


@case.each
async def test_in_memory(case: Case[World]) -> None:
    async with in_memory() as world:
        await case(world)


@pytest.mark.peers
@case.each
def test_in_earnest(case: Case[World]) -> None:
    @alone
    async def whole() -> None:
        async with in_earnest() as world:
            await case(world)

    whole()


@case
async def nothing_runs_and_nothing_lies_there_at_first(world: World) -> None:
    seen = await world.haproxy.seen()
    assert (seen.running, seen.config, seen.masters, seen.servers) == (False, None, 0, {})
    assert not (await world.haproxy.sample()).running


@case
async def a_good_file_passes_its_judge_and_changes_nothing(world: World) -> None:
    await world.haproxy.judge(haproxy_wanted(PLAIN, world.place).config.data)
    seen = await world.haproxy.seen()
    assert (seen.running, seen.config) == (False, None)


@case
async def a_file_without_any_service_passes_its_judge(world: World) -> None:
    await world.haproxy.judge(haproxy_wanted(Document(), world.place).config.data)


@case
async def a_bad_file_is_refused_with_the_word_that_is_wrong(world: World) -> None:
    config = haproxy_wanted(PLAIN, world.place).config.data
    with pytest.raises(Refused, match="balanse"):
        await world.haproxy.judge(config.replace(b"    balance", b"    balanse"))


@case
async def a_start_loads_the_file_and_is_seen(world: World) -> None:
    wanted = world.put(PLAIN)
    await world.haproxy.start()
    seen = await world.haproxy.seen()
    assert seen.running
    assert seen.config == wanted.config.data
    assert seen.fingerprint == wanted.fingerprint
    assert seen.servers == wanted.servers
    assert seen.connections == {(7, 1): 0, (7, 2): 0}
    assert seen.clients == {7: 0}
    assert seen.masters == 1


@case
async def a_second_start_starts_no_second_master(world: World) -> None:
    world.put(PLAIN)
    await world.haproxy.start()
    await world.haproxy.start()
    assert (await world.haproxy.seen()).masters == 1


@case
async def knobs_of_the_file_are_in_force_after_the_start(world: World) -> None:
    off = [rip(1, state=ServerState.DRAIN), rip(2, state=ServerState.HALT, weight=3)]
    world.put(document(vip(*off)))
    await world.haproxy.start()
    seen = (await world.haproxy.seen()).servers
    assert seen == {(7, 1): DRAINED, (7, 2): ServerKnobs(3, halted=True)}


@case
async def a_start_without_a_file_is_an_error(world: World) -> None:
    with pytest.raises(Unable):
        await world.haproxy.start()


@case
async def a_start_where_the_port_is_held_is_an_error_that_names_it(world: World) -> None:
    world.hold("203.0.113.10", 80)
    world.put(PLAIN)
    with pytest.raises(Unable, match=r"203\.0\.113\.10:80"):
        await world.haproxy.start()
    assert not (await world.haproxy.seen()).running


@case
async def a_stop_ends_it_and_a_second_one_is_no_error(world: World) -> None:
    world.put(PLAIN)
    await world.haproxy.start()
    await world.haproxy.stop()
    await world.haproxy.stop()
    seen = await world.haproxy.seen()
    assert (seen.running, seen.masters) == (False, 0)


@case
async def a_written_file_is_not_loaded_before_the_reload(world: World) -> None:
    first = world.put(PLAIN)
    await world.haproxy.start()
    second = world.put(WITH_ANOTHER)
    before = await world.haproxy.seen()
    assert (before.config, before.fingerprint) == (second.config.data, first.fingerprint)
    await world.haproxy.reload()
    assert (await world.haproxy.seen()).fingerprint == second.fingerprint


@case
async def a_reload_of_what_does_not_run_is_an_error(world: World) -> None:
    world.put(PLAIN)
    with pytest.raises(Unable):
        await world.haproxy.reload()


@case
async def a_reload_of_a_bad_file_is_an_error_and_the_old_one_goes_on(world: World) -> None:
    first = world.put(PLAIN)
    await world.haproxy.start()
    world.write(
        haproxy_wanted(WITH_ANOTHER, world.place).config.data.replace(b"balance", b"balanse")
    )
    with pytest.raises(Unable, match="balanse"):
        await world.haproxy.reload()
    seen = await world.haproxy.seen()
    assert (seen.running, seen.fingerprint) == (True, first.fingerprint)


@case
async def a_reload_onto_a_held_port_is_an_error_and_the_old_one_goes_on(world: World) -> None:
    first = world.put(PLAIN)
    await world.haproxy.start()
    world.hold("203.0.113.11", 8080)
    world.put(WITH_ANOTHER)
    with pytest.raises(Unable, match=r"203\.0\.113\.11:8080"):
        await world.haproxy.reload()
    assert (await world.haproxy.seen()).fingerprint == first.fingerprint


@case
async def knobs_turn_at_once_and_together(world: World) -> None:
    world.put(PLAIN)
    await world.haproxy.start()
    for knobs in (DRAINED, HALTED, ServerKnobs(256, halted=False), ONLINE):
        both = {(7, 1): knobs, (7, 2): knobs}
        await world.haproxy.set_servers(both)
        assert (await world.haproxy.seen()).servers == both


@case
async def a_knob_of_an_unknown_server_is_an_error(world: World) -> None:
    world.put(PLAIN)
    await world.haproxy.start()
    with pytest.raises(Unable, match="No such server"):
        await world.haproxy.set_servers({(7, 99): DRAINED})


@case
async def knobs_of_what_does_not_run_are_an_error(world: World) -> None:
    world.put(PLAIN)
    with pytest.raises(Unable):
        await world.haproxy.set_servers({KEY: DRAINED})


@case
async def what_the_file_says_wins_over_earlier_knobs_after_a_reload(world: World) -> None:
    world.put(PLAIN)
    await world.haproxy.start()
    await world.haproxy.set_servers({(7, 1): HALTED, (7, 2): DRAINED})
    await world.haproxy.reload()
    assert set((await world.haproxy.seen()).servers.values()) == {ONLINE}


@case
async def a_knob_turned_by_hand_is_seen(world: World) -> None:
    world.put(PLAIN)
    await world.haproxy.start()
    await world.turn(HALTED)
    assert (await world.haproxy.seen()).servers[KEY] == HALTED


@case
async def live_connections_outlive_a_reload_and_end_with_a_halt(world: World) -> None:
    world.put(document(vip(rip(1))))
    await world.haproxy.start()
    await world.connect()
    await world.haproxy.reload()
    seen = await world.haproxy.seen()
    assert (seen.connections, seen.clients) == ({KEY: 1}, {KEY[0]: 1})
    await world.haproxy.set_servers({KEY: HALTED})

    async def left() -> int:
        return (await world.haproxy.seen()).connections[KEY]

    await eventually_async(left, lambda found: found == 0)


@case
async def counters_name_every_service_and_server(world: World) -> None:
    world.put(PLAIN)
    await world.haproxy.start()
    sample = await world.haproxy.sample()
    assert sample.running
    assert set(sample.servers) == {(7, 1), (7, 2)}
    assert set(sample.services) == {7}
    assert all(counters.up for counters in sample.servers.values())


@case
async def a_killed_worker_is_seen_as_not_running_and_can_be_started(world: World) -> None:
    world.put(PLAIN)
    await world.haproxy.start()
    await world.kill()

    async def running() -> bool:
        return (await world.haproxy.seen()).running

    await eventually_async(running, lambda found: not found)
    await world.haproxy.start()
    assert (await world.haproxy.seen()).running
