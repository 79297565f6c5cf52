# SPDX-License-Identifier: Apache-2.0
"""The real agent before a kernel in memory, whose connections are a file of any length.

    python -m tests.fakes.listing FOLDER

Everything is in FOLDER, the socket is `run/agent.sock` there.
"""

from __future__ import annotations

import asyncio
import random
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from services.agent import __main__ as agent
from services.drivers.ipvs_conn import KernelConnections
from services.follow import Drivers
from services.model import Document
from services.render import Place
from services.store import Store
from tests.fakes.checks import fake_checks
from tests.fakes.files import FakeFiles
from tests.fakes.haproxy import fake_haproxy
from tests.fakes.host import FakeHost
from tests.fakes.ipvs import FakeIpvs
from tests.fakes.ipvs_conn import HEADING
from tests.fakes.links import FakeLinks
from tests.fakes.sysctl import FakeSysctls
from tests.tree import ROOT

SERVICES, SERVERS = 10, 10
BUDGET_S = 120.0
"""Of a reading: this is about what it costs, not about when it ends."""
START_S = 30
_STATES = ("ESTABLISHED",) * 7 + ("FIN_WAIT", "TIME_WAIT", "SYN_RECV")


def document() -> Document:
    """The services and servers that the lines are of."""
    services = [
        {
            "id": at + 1,
            "label": f"service{at}",
            "addresses": [f"192.0.2.{at + 10}"],
            "forwarding": "nat",
            "servers": [
                {
                    "id": 100 + at * SERVERS + number,
                    "label": f"web{number}",
                    "address": f"198.51.100.{at * SERVERS + number + 1}",
                }
                for number in range(SERVERS)
            ],
        }
        for at in range(SERVICES)
    ]
    return Document.model_validate({"cluster": {"layer4": services}})


def write_lines(folder: Path, count: int) -> None:
    """So many connections of random clients, as the kernel lists them."""
    chance = random.Random(count)
    with (folder / "ip_vs_conn").open("w") as file:
        file.write(HEADING + "\n")
        for number in range(count):
            at, server = number % SERVICES, number // SERVICES % SERVERS
            client, port = chance.getrandbits(31), chance.randrange(1024, 65536)
            vip, rip = 0xC000020A + at, 0xC6336401 + at * SERVERS + server
            state, expires = chance.choice(_STATES), chance.randrange(1, 900)
            file.write(
                f"TCP {client:08X} {port:04X} {vip:08X} 0050 {rip:08X} 0050 "
                f"{state:<11} {expires:7d}\n"
            )


@contextmanager
def listing(folder: Path, count: int) -> Iterator[Path]:
    """The agent's socket, while it runs; the agent's words are in `said`."""
    write_lines(folder, count)
    socket = folder / "run" / "agent.sock"
    argv = [sys.executable, "-m", "tests.fakes.listing", str(folder)]
    with (folder / "said").open("wb") as said:
        child = subprocess.Popen(argv, cwd=ROOT, stdout=said, stderr=said)
        try:
            give_up_at = time.monotonic() + START_S
            while not socket.exists():
                assert child.poll() is None, (folder / "said").read_text()
                assert time.monotonic() < give_up_at, (folder / "said").read_text()
                time.sleep(0.05)
            yield socket
        finally:
            child.terminate()
            child.wait(timeout=START_S)


class _NoRules:
    """A firewall that nobody wants anything of."""

    async def seen(self) -> str:
        return ""

    async def replace(self, rules: str) -> None:
        raise AssertionError(f"nobody wants rules: {rules}")


def _drivers(_: agent.Settings, place: Place) -> Drivers:
    files = FakeFiles()

    return Drivers(
        files=files,
        links=FakeLinks(),
        haproxy=fake_haproxy(files, place),
        host=FakeHost(),
        sysctls=FakeSysctls(),
        ipvs=FakeIpvs(),
        nft=_NoRules(),
        checks=fake_checks(files, place),
    )


def main() -> None:
    """Serve until ended."""
    folder = Path(sys.argv[1])
    settings = agent.Settings(folder / "state", folder / "run", folder / "etc", "child")
    settings.state.mkdir(parents=True)
    Store(settings.state / "revisions").commit(document(), who="bench", why="", at=0)
    table = KernelConnections(folder / "ip_vs_conn", budget_s=BUDGET_S)
    asyncio.run(agent.serve(settings, _drivers, table))


if __name__ == "__main__":
    main()
