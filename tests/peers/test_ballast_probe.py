# SPDX-License-Identifier: Apache-2.0
"""`ballast-probe` as a process, at a cable with a server at the other end and nobody beside it."""

from __future__ import annotations

import asyncio
import socket
import tempfile
from pathlib import Path, PurePath

import pytest

from services.drivers.probe_jobs import UNIT, SocketProbes, probe_unit
from services.drivers.units import ChildUnits
from services.health.jobs import Job, Look
from services.health.targets import Kind, Manner, Target, Way
from services.model.checks import CheckProtocol
from services.render import Place
from tests.netns import Namespace, cable, inside, ip

pytestmark = [pytest.mark.needs("root", "netns", "ip")]

SERVER, SERVER6 = "192.0.2.10", "2001:db8::10"
HOLE, HOLE6 = "192.0.2.66", "2001:db8::66"
"""Somebody has them, as far as the neighbour table knows, and never answers."""
NOBODY = "192.0.2.99"
ELSEWHERE = "198.51.100.1"
"""The server routes it, and says that there is no way."""
SCRIPT = "#!/bin/sh\ngrep -q 'CapAmb:.*0000000000000000' /proc/self/status || exit 9\n"


SELDOM_S = 8
"""A router says only once a second that there is no way, so there it is looked at once."""


def job(
    kind: Way,
    address: str,
    port: int = 0,
    *,
    interval_s: int = 1,
    timeout_s: int = 1,
    script: str = "",
) -> Job:
    manner = Manner(kind, interval_s, timeout_s, fall=2, rise=2, script=script)
    return Job(Target(manner, address, port))


def _wire() -> Namespace:
    far = Namespace()
    cable("near", "far", far)
    ip(
        "addr add 192.0.2.1/24 dev near",
        "addr add 2001:db8::1/64 dev near nodad",
        "link set near up",
        f"route add {ELSEWHERE} via {SERVER}",
        f"neigh add {HOLE} lladdr 02:00:00:00:00:66 dev near",
        f"neigh add {HOLE6} lladdr 02:00:00:00:00:66 dev near",
    )
    with far.entered():
        ip(
            f"addr add {SERVER}/24 dev far",
            f"addr add {SERVER6}/64 dev far nodad",
            f"route add unreachable {ELSEWHERE}",
        )
        settings = Path("/proc/sys/net/ipv4")
        (settings / "ip_forward").write_text("1")
        (settings / "icmp_ratelimit").write_text("0")  # this server refuses a lot
    return far


async def _found(jobs: list[Job]) -> dict[str, Look]:
    """The last look at each after all were looked at often enough to be certain."""
    with tempfile.TemporaryDirectory() as folder:
        scripts = Path(folder) / "scripts"
        scripts.mkdir()
        (scripts / "caps").write_text(SCRIPT)
        (scripts / "caps").chmod(0o755)
        place = Place(run=PurePath(folder) / "run")
        units = ChildUnits({UNIT: probe_unit(place, scripts)})
        probes = SocketProbes(place, units)
        found: dict[str, Look] = {}
        left = {job.name: 1 if job.target.manner.interval_s == SELDOM_S else 3 for job in jobs}
        try:
            await probes.start()
            await probes.replace(jobs)
            async with asyncio.timeout(40):
                while max(left.values()) > 0:
                    for look in await probes.news():
                        found[look.name] = look
                        left[look.name] -= 1
        finally:
            await probes.aclose()
            await units.stop(UNIT)
        return found


def _listening(far: Namespace, address: str) -> socket.socket:
    """A server over UDP in the other namespace that takes everything and says nothing."""
    with far.entered():
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        made = socket.socket(family, socket.SOCK_DGRAM)
        made.bind((address, 53))
        return made


def _story(jobs: dict[str, Job]) -> dict[str, tuple[bool, str]]:
    far = _wire()
    with _listening(far, SERVER), _listening(far, SERVER6):
        found = asyncio.run(_found(list(jobs.values())))
    looks = {what: found[each.name] for what, each in jobs.items()}
    return {what: (look.up, look.result.words) for what, look in looks.items()}


def test_what_is_there_is_well_and_what_is_not_is_told_apart() -> None:
    jobs = {
        "ping": job(Kind.PING, SERVER),
        "ping6": job(Kind.PING, SERVER6),
        "hole": job(Kind.PING, HOLE),
        "hole6": job(Kind.PING, HOLE6),
        "nobody": job(Kind.PING, NOBODY, timeout_s=10),
        "silent": job(CheckProtocol.UDP, SERVER, 53),
        "silent6": job(CheckProtocol.UDP, SERVER6, 53),
        "refused": job(CheckProtocol.UDP, SERVER, 54),
        "refused6": job(CheckProtocol.UDP, SERVER6, 54),
        "script": job(Kind.SCRIPT, SERVER, 80, script="caps"),
    }
    assert inside(_story, jobs, timeout_s=50) == {
        "ping": (True, ""),
        "ping6": (True, ""),
        "hole": (False, "no answer within 1.0 s"),
        "hole6": (False, "no answer within 1.0 s"),
        "nobody": (False, "no route to the server"),
        "silent": (True, ""),
        "silent6": (True, ""),
        "refused": (False, "connection refused"),
        "refused6": (False, "connection refused"),
        "script": (True, ""),
    }


def test_a_router_that_knows_no_way_is_believed() -> None:
    jobs = {
        "ping": job(Kind.PING, ELSEWHERE, interval_s=SELDOM_S),
        "udp": job(CheckProtocol.UDP, ELSEWHERE, 53, interval_s=SELDOM_S),
    }
    dead = (False, "no route to the server")
    assert inside(_story, jobs, timeout_s=50) == {"ping": dead, "udp": dead}
