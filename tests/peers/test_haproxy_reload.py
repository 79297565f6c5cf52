# SPDX-License-Identifier: Apache-2.0
"""What a reload keeps, what it changes, and what it must never undo."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import socket
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from services.drivers.haproxy_answers import processes_from
from services.errors import Refused, Unable
from services.model import Check, CheckKind, Persistence, VirtualService
from services.plan.state import ServerKnobs
from tests.netns import mount_tmpfs
from tests.peers.dataplane import (
    CLIENT,
    OTHER_CLIENT,
    VIP,
    VIP6,
    Client,
    DataPlane,
    Load,
    Web,
    alone,
    ask,
    data_plane,
    document,
    rip,
    vip,
    webs,
    who,
)
from tests.poll import eventually_async

COOKIE = {"persistence": Persistence.HTTP_COOKIE}
ANOTHER = vip(id=8, label="other", addresses=["203.0.113.11"])


@alone
async def test_reloads_under_load_lose_no_request() -> None:
    async with webs(2), data_plane(document(vip(rip(1), rip(2)))) as plane, Load() as load:
        for round_ in range(10):
            extra = [ANOTHER] if round_ % 2 else []
            await plane.load(document(vip(rip(1), rip(2)), *extra))
            await load.next(50)
        assert load.failed == []
        assert set(load.answers) == {"web1", "web2"}


@alone
async def test_idle_clients_that_keep_their_connection_lose_nothing() -> None:
    async with webs(1), data_plane(document(vip(rip(1)))) as plane:
        client = await Client.to()
        await client.ask()
        await plane.load(document(vip(rip(1)), ANOTHER))
        assert (await client.ask()).who == "web1"


@alone
async def test_a_long_download_survives_reloads_and_counts_as_a_live_connection() -> None:
    async with webs(1) as (web,), data_plane(document(vip(rip(1)))) as plane:
        download = await Client.to()
        await download.send("/long")
        await download.head()
        for extra in ([ANOTHER], []):
            await plane.load(document(vip(rip(1)), *extra))
        assert (await plane.driver.seen()).connections[7, 1] == 1
        assert (await plane.driver.sample()).servers[7, 1].connections == 1
        assert (await plane.driver.sample()).services[7].connections == 1
        web.may_end.set()
        assert len(await download.read(10000)) == 10000


@alone
async def test_halt_cuts_a_download_that_an_old_worker_carries_and_no_other() -> None:
    both = [rip(1), rip(2)]
    async with webs(2) as servers, data_plane(document(vip(*both, **COOKIE))) as plane:
        downloads = {}
        for number in (1, 2):
            downloads[number] = await Client.to()
            await downloads[number].send("/long", cookie=f"SERVERID=s{number}")
            await downloads[number].head()
        await plane.load(document(vip(*both, **COOKIE), ANOTHER))
        await plane.driver.set_servers({(7, 1): ServerKnobs(100, halted=True)})
        with pytest.raises(asyncio.IncompleteReadError):
            await downloads[1].read(10000)
        servers[1].may_end.set()
        assert len(await downloads[2].read(10000)) == 10000


KNOBS = [
    ServerKnobs(0, halted=False),
    ServerKnobs(7, halted=False),
    ServerKnobs(100, halted=True),
]


def _as_saved(knobs: ServerKnobs) -> Any:
    return rip(1, weight=knobs.weight, state="halt" if knobs.halted else "online")


@pytest.mark.parametrize("knobs", KNOBS)
def test_knobs_turn_without_another_worker_and_survive_a_reload(knobs: ServerKnobs) -> None:
    @alone
    async def body() -> None:
        async with webs(2), data_plane(document(vip(rip(1), rip(2)))) as plane:
            worker = await plane.worker()
            await plane.driver.set_servers({(7, 1): knobs})
            assert await plane.worker() == worker
            assert (await plane.driver.seen()).servers[7, 1] == knobs
            await plane.load(document(vip(_as_saved(knobs), rip(2)), ANOTHER))
            # for a moment both hold the socket that is asked here
            await eventually_async(plane.worker, lambda now: now != worker)
            assert (await plane.driver.seen()).servers[7, 1] == knobs

    body()


@pytest.mark.parametrize("knobs", KNOBS)
def test_a_server_brought_online_stays_so_over_a_reload(knobs: ServerKnobs) -> None:
    @alone
    async def body() -> None:
        async with webs(2), data_plane(document(vip(_as_saved(knobs), rip(2)))) as plane:
            online = {(7, 1): ServerKnobs(100, halted=False)}
            await plane.driver.set_servers(online)
            assert "web1" in await who()
            await plane.load(document(vip(rip(1), rip(2)), ANOTHER))
            assert (await plane.driver.seen()).servers[7, 1] == online[7, 1]
            assert "web1" in await who()

    body()


EDITS: dict[str, tuple[VirtualService, set[str]]] = {
    "address": (vip(rip(1, address="198.51.100.3"), rip(2)), {"web3", "web2"}),
    "port": (vip(rip(1, port=8080), rip(2)), {"alt", "web2"}),
    "weight 0": (vip(rip(1, weight=0), rip(2)), {"web2"}),
    "drain": (vip(rip(1, state="drain"), rip(2)), {"web2"}),
    "halt": (vip(rip(1, state="halt"), rip(2)), {"web2"}),
    "limits": (vip(rip(1, max_connections=500, min_connections=5), rip(2)), {"web1", "web2"}),
    "label": (vip(rip(1, label="renamed"), rip(2)), {"web1", "web2"}),
    "added": (vip(rip(1), rip(2), rip(3)), {"web1", "web2", "web3"}),
    "removed": (vip(rip(2)), {"web2"}),
    "swapped": (
        vip(rip(1, address="198.51.100.2"), rip(2, address="198.51.100.1")),
        {"web1", "web2"},
    ),
}


@pytest.mark.parametrize("edit", EDITS)
def test_an_edited_server_is_what_answers_after_the_reload(edit: str) -> None:
    @alone
    async def body() -> None:
        after, answering = EDITS[edit]
        before = document(vip(rip(1), rip(2)))
        alt = Web("alt", "198.51.100.1", 8080)
        async with webs(3), alt, data_plane(before) as plane, Load() as load:
            await plane.up(1, 2)
            assert set(await load.next(40)) == {"web1", "web2"}
            wanted = await plane.load(document(after, ANOTHER))
            await load.next(8)  # those that were on their way
            assert set(await load.next(60)) == answering
            seen = await plane.driver.seen()
            assert seen.servers == wanted.servers
            assert seen.fingerprint == wanted.fingerprint
            assert load.failed == []

    body()


@alone
async def test_a_server_that_was_down_gets_nothing_after_a_reload() -> None:
    async with webs(2) as servers, data_plane(document(vip(rip(1), rip(2)))) as plane:
        servers[0].status = 503
        await plane.up(2)
        requests = servers[0].requests["/"]
        # not even one whose weight is edited at the same time
        await plane.load(document(vip(rip(1, weight=200), rip(2)), ANOTHER))
        assert await who(20) == {"web2"}
        assert servers[0].requests["/"] == requests
        assert (await plane.driver.seen()).servers[7, 1] == ServerKnobs(200, halted=False)
        servers[0].status = 200
        await plane.up(1, 2)


@alone
async def test_a_server_that_is_no_longer_checked_comes_up() -> None:
    async with webs(1) as (web,), data_plane(document(vip(rip(1)))) as plane:
        web.status = 503
        await plane.up()
        await plane.load(document(vip(rip(1), check=Check(kind=CheckKind.NONE))))
        # for a moment the worker before may answer too, with its own mind about web1
        await eventually_async(who, lambda answering: answering == {"web1"})


@alone
async def test_the_check_port_is_the_new_files_in_both_directions() -> None:
    elsewhere = Web("health", "198.51.100.1", 9000)
    aside = Check(kind=CheckKind.HTTP_GET, path="/health", port=9000, interval_s=1, timeout_s=1)
    async with webs(1) as (web,), elsewhere, data_plane(document(vip(rip(1)))) as plane:
        await plane.up(1)

        async def checks(of: Web, more_than: int) -> bool:
            return of.requests["/health"] > more_than

        await plane.load(document(vip(rip(1), check=aside)))
        await eventually_async(lambda: checks(elsewhere, 1))
        before = web.requests["/health"]
        await plane.load(document(vip(rip(1))))
        at_the_reload = elsewhere.requests["/health"]
        await eventually_async(lambda: checks(web, before + 1))
        assert elsewhere.requests["/health"] <= at_the_reload + 1


@alone
async def test_what_somebody_turned_by_hand_is_not_carried_over() -> None:
    async with webs(2), data_plane(document(vip(rip(1), rip(2)))) as plane:
        await plane.told("set server vs7/rs1 state drain;set server vs7/rs2 weight 3")
        assert (await plane.driver.seen()).servers == {
            (7, 1): ServerKnobs(0, halted=False),
            (7, 2): ServerKnobs(3, halted=False),
        }
        await plane.load(document(vip(rip(1), rip(2)), ANOTHER))
        assert set((await plane.driver.seen()).servers.values()) == {ServerKnobs(100, halted=False)}


@alone
async def test_source_ip_persistence_survives_reloads_and_a_rename_of_the_service() -> None:
    kept: dict[str, Any] = {"persistence": Persistence.SOURCE_IP, "balance": "roundrobin"}
    first = vip(rip(1), rip(2), **kept)
    with_ipv6 = vip(rip(1), rip(2), rip(3, port=81), **kept, addresses=[VIP, VIP6])
    renamed = vip(rip(1), rip(2), **kept, label="renamed")
    async with webs(2), data_plane(document(first)) as plane:
        chosen = {source: (await ask(source=source)).who for source in (CLIENT, OTHER_CLIENT)}
        assert set(chosen.values()) == {"web1", "web2"}
        await eventually_async(lambda: _may_teach(plane), within_s=12)
        for after in (document(first, ANOTHER), document(renamed), document(with_ipv6)):
            await plane.load(after)
            await eventually_async(
                lambda: plane.told("show table vs7"), lambda said: "used:2" in said
            )
            # the one first that a worker who knows nothing would send to the other server
            for source in (OTHER_CLIENT, CLIENT):
                assert await who(3, source=source) == {chosen[source]}


async def _may_teach(plane: DataPlane) -> bool:
    """Whether the worker has given up waiting to be taught itself, which takes it 5 s."""
    said = await plane.told("show peers")
    found = re.search(r"id=ballast disabled=0 flags=0x([0-9a-f]+)", said)
    finished = 0x03
    return found is not None and int(found[1], 16) & finished == finished


@alone
async def test_cookies_survive_renamed_and_reordered_servers() -> None:
    async with webs(3), data_plane(document(vip(rip(1), rip(2), rip(3), **COOKIE))) as plane:
        first = await ask()
        turned = [rip(3, label="z"), rip(1, label="y"), rip(2, label="x")]
        await plane.load(document(vip(*turned, **COOKIE, label="shop"), ANOTHER))
        assert {(await ask(cookie=first.cookie)).who for _ in range(9)} == {first.who}


def test_a_new_order_or_name_needs_no_reload() -> None:
    @alone
    async def body() -> None:
        async with webs(2), data_plane(document(vip(rip(1), rip(2)), ANOTHER)) as plane:
            before = await plane.driver.seen()
            renamed = document(ANOTHER, vip(rip(2, label="b"), rip(1, label="a"), label="shop"))
            after = await plane.load(renamed)
            assert after.fingerprint == before.fingerprint

    body()


@alone
async def test_a_port_that_is_held_fails_the_reload_and_the_old_worker_goes_on() -> None:
    async with webs(1), data_plane(document(vip(rip(1)))) as plane:
        held = socket.create_server(("203.0.113.11", 80))
        worker = await plane.worker()
        before = await plane.driver.seen()
        async with Load(clients=2) as load:
            with pytest.raises(Unable) as refused:
                await plane.load(document(vip(rip(1)), ANOTHER))
            await load.next(10)
        assert "203.0.113.11:80" in refused.value.what
        assert "other (vs8)" in refused.value.what
        assert "holds 203.0.113.11:80" in refused.value.do
        assert await plane.worker() == worker
        assert (await plane.driver.seen()).fingerprint == before.fingerprint
        assert load.failed == []
        held.close()
        await plane.load(document(vip(rip(1)), ANOTHER))


@alone
async def test_a_file_that_haproxy_refuses_fails_the_reload_and_says_why() -> None:
    async with webs(1), data_plane(document(vip(rip(1)))) as plane:
        good = plane.config.read_bytes()
        plane.write(good.replace(b"balance leastconn", b"balance nonsense"))
        with pytest.raises(Unable, match="balance only supports"):
            await plane.driver.reload()
        assert await who(3) == {"web1"}
        plane.write(good)
        await plane.driver.reload()
        assert await who(3) == {"web1"}


@alone
async def test_a_killed_worker_is_seen_and_a_start_brings_the_service_back() -> None:
    async with webs(1), data_plane(document(vip(rip(1)))) as plane:
        os.kill(await plane.worker(), signal.SIGKILL)

        async def running() -> bool:
            return (await plane.driver.seen()).running

        await eventually_async(running, lambda found: not found)
        await plane.driver.start()
        assert await who(2) == {"web1"}
        assert (await plane.driver.seen()).masters == 1


@alone
async def test_a_stray_master_is_ended_and_the_one_that_answers_stays() -> None:
    async with webs(1), data_plane(document(vip(rip(1)))) as plane:
        seen = await plane.units.seen("haproxy")
        # the door is taken over by the second one, so it is the first that nobody reaches
        stray = await asyncio.create_subprocess_exec(
            "haproxy", *plane.unit.argv[1:], stderr=asyncio.subprocess.DEVNULL
        )

        async def taken_over() -> bool:
            with suppress(OSError):
                said = await plane.told_by_master("show proc")
                return processes_from(said).master == stray.pid
            return False

        await eventually_async(taken_over)
        assert (await plane.driver.seen()).masters == 2
        await plane.driver.end_strays()
        assert (await plane.units.seen("haproxy")).pids == (stray.pid,)
        assert stray.pid not in seen.pids
        assert await who(2) == {"web1"}
        stray.terminate()
        await stray.wait()


@alone
async def test_a_start_with_a_held_port_fails_and_says_which() -> None:
    async with data_plane() as plane:
        held = socket.create_server((VIP, 80))
        with pytest.raises(Unable) as refused:
            await plane.load(document(vip(rip(1))))
        held.close()
        assert f"holds {VIP}:80" in refused.value.do
        assert not (await plane.driver.seen()).running


@alone
async def test_the_judge_speaks_haproxys_words_and_leaves_nothing_behind() -> None:
    async with data_plane(document(vip(rip(1)))) as plane:
        config = plane.config.read_bytes().replace(b"check weight", b"chekc weight")
        with pytest.raises(Refused) as refused:
            await plane.driver.judge(config)
        assert "chekc" in refused.value.what
        assert "haproxy.cfg:" in refused.value.what
        assert "web/web1 (vs7/rs1)" in refused.value.what
        assert list(plane.config.parent.glob("candidate*")) == []


@alone
async def test_a_full_run_folder_is_told_and_the_running_service_untouched() -> None:
    async with webs(1), data_plane() as plane:
        folder = Path(plane.place.haproxy)
        folder.mkdir()
        mount_tmpfs(folder, size_kib=64)
        await plane.load(document(vip(rip(1))))
        with suppress(OSError):
            (folder / "ballast").write_bytes(b"x" * (64 << 10))
        with pytest.raises(Unable, match="No space left"):
            await plane.driver.judge(plane.config.read_bytes())
        with pytest.raises(Unable, match="No space left"):
            await plane.driver.reload()
        assert list(folder.glob("candidate*")) == []
        assert await who(2) == {"web1"}
        await plane.driver.stop()
        unmounting = await asyncio.create_subprocess_exec("umount", folder)
        assert await unmounting.wait() == 0


@alone
async def test_an_overlong_log_is_cut() -> None:
    async with data_plane(document(vip(rip(1)))) as plane:
        log = Path(plane.place.log)
        os.truncate(log, 5 << 20)
        await plane.load(document(vip(rip(1)), ANOTHER))
        assert log.stat().st_size < 1 << 20
