# SPDX-License-Identifier: Apache-2.0
"""One server of 10,000 is taken out by its health and comes back, and one of 100.

That is the change that must be quick: traffic goes to a dead server until it is written. The
appliance is asked as its book of health asks it (`Keeping.share`): from what health says now to
the kernel's answer. A person's drain, which is a revision, a plan and a proof by looking at the
whole table besides, stands beside it.

Each side is a process with a network of its own, and they take turns.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import time
from multiprocessing.connection import Connection

from services.drivers.ipvs import KernelIpvs
from services.drivers.nft import KernelNft
from services.health.shares import FULL
from services.model import ServerState
from services.plan.state import ServerKey
from tests.bench.guest.tables import NEVER, SERVERS, SERVICES, Samples, document, entries
from tests.netns import Namespace
from tests.peers.looked_after import World, looked_after

FEW = 10
"""Services of the small table."""
TURNS = 5
CHANGES = 20
"""In a turn."""
READY_S = 180.0
CHOSEN = FEW // 2
"""Which service, and which of its servers."""


def measure() -> Samples:
    """Both sides in turns, then a drain each."""
    sides = {"many": _Side(SERVICES), "few": _Side(FEW)}
    found: Samples = {name: [] for name in sides}
    for _ in range(TURNS):
        for name, side in sides.items():
            found[name] += side.told("turn")
    for name, side in sides.items():
        found[f"drain_{name}"] = side.told("drain")
        side.end()
    return found


class _Side:
    """A process that does what it is told, and answers with how long it took."""

    def __init__(self, services: int) -> None:
        fork = multiprocessing.get_context("fork")
        self._pipe, theirs = fork.Pipe()
        self._process = fork.Process(target=_stand, args=(services, theirs), daemon=True)
        self._process.start()
        self.told("ready")

    def told(self, word: str) -> list[float]:
        """The seconds it took; raises `RuntimeError` if it does not answer."""
        self._pipe.send(word)
        if not self._pipe.poll(READY_S):
            raise RuntimeError(f"no answer to {word!r}")
        answer: list[float] = self._pipe.recv()
        return answer

    def end(self) -> None:
        """Let it go."""
        self._pipe.send("end")
        self._process.join()


def _stand(services: int, pipe: Connection) -> None:
    with Namespace().entered():
        asyncio.run(_serve(services, pipe))


async def _serve(services: int, pipe: Connection) -> None:
    async with looked_after(KernelIpvs(), KernelNft()) as world:
        await world.apply(document(services, SERVERS, NEVER))
        while (word := pipe.recv()) != "end":
            match word:
                case "turn":
                    answer = await _turn_s(world)
                case "drain":
                    answer = [await _drained_s(world)]
                case _:
                    answer = []
            pipe.send(answer)


async def _turn_s(world: World) -> list[float]:
    """A server goes and comes back, again and again; the seconds of each.

    The last time that it goes and the last that it comes are proved by the table. Proved every
    time, what is measured would be how the next change follows a look at 11,000 lines.
    """
    changes = [await _turned_s(world, out=at % 2 == 0) for at in range(CHANGES - 1)]
    _require(0)
    changes.append(await _turned_s(world, out=False))
    _require(100)
    return changes


async def _turned_s(world: World, *, out: bool) -> float:
    running = world.appliance.running.document
    shares = {_server(world): 0} if out else FULL
    begun = time.perf_counter()
    await world.keeping.share(running, shares)
    return time.perf_counter() - begun


async def _drained_s(world: World) -> float:
    begun = time.perf_counter()
    await world.changing.set_servers(
        [_server(world)], state=ServerState.DRAIN, weight=None, who="bench", why=""
    )
    spent = time.perf_counter() - begun
    _require(0)
    return spent


def _server(world: World) -> ServerKey:
    service = world.appliance.running.document.cluster.layer4[CHOSEN]
    return service.id, service.servers[CHOSEN].id


def _require(weight: int) -> None:
    """Raise `RuntimeError` unless that server, and it alone, has this weight."""
    lines = entries()
    others = [line for line in lines if line.split()[0] == "->" and line.split()[3] != "100"]
    if len(others) != (weight != 100):
        raise RuntimeError(f"{len(others)} of {len(lines)} lines of the table have another weight")
