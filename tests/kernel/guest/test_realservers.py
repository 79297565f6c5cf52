# SPDX-License-Identifier: Apache-2.0
"""A real server on which nothing was done: the doctor says so, its set-up cures it, and is undone.

Every part is run as it is given to people, by a shell on the server; a client is answered when
the part Verify and the doctor say that it will be, and not when they say it will not.
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from ipaddress import ip_address
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from services.agent.doctor import Doctor
from services.api import FindingView, Verdict
from services.drivers.wire import KernelWire
from services.model import Document
from services.render.ipvs import ipvs_wanted
from services.render.setup import server_setup
from services.systems import System
from tests.kernel.guest.calls import Answer, Call
from tests.kernel.guest.lan import CLIENTS, OWN, VIP, rip, set_switches
from tests.kernel.guest.site import PORT, Site, on_site
from tests.kernel.guest.wishes import follow, seen
from tests.netns import Namespace, ip

SERVER = 1
"""The one that is bare; tests of tunnels leave the others able to unwrap."""
_PREFIX = {4: 32, 6: 128}
_LEFT_BEHIND = (
    "/etc/ballast-vip.before",
    "/etc/ballast-gateway.before",
    "/etc/sysctl.d/90-ballast*",
)


class Case(NamedTuple):
    """A way to reach a server, and a system on it."""

    system: System
    forwarding: str
    version: int
    outer: int = 4
    tunnel: str = "ipip"

    def __str__(self) -> str:
        wrapped = f"-{self.tunnel}-in-IPv{self.outer}" if self.forwarding == "tun" else ""
        return f"{self.forwarding}-{self.system}-IPv{self.version}{wrapped}"


CASES = [
    *(
        Case(system, "dr", version, outer=version)
        for system in (System.LINUX, System.LINUX_NFT)
        for version in VIP
    ),
    *(
        Case(System.LINUX, "tun", version, outer, tunnel)
        for tunnel in ("ipip", "gre", "gue")
        for version in VIP
        for outer in VIP
    ),
    *(Case(System.LINUX, "nat", version, outer=version) for version in VIP),
]


def document(*servers: int, version: int = 4, outer: int = 4, **service: Any) -> Document:
    """The unit of the LAN with one service at the VIP."""
    return Document.model_validate(
        {
            "cluster": {
                "layer4": [
                    {
                        "id": 1,
                        "label": "web",
                        "addresses": [VIP[version]],
                        "ports": PORT,
                        "persistence_s": 0,
                        "scheduler": "rr",
                        "servers": [
                            {"id": n, "label": f"web{n}", "address": rip(n, outer)} for n in servers
                        ],
                        **service,
                    }
                ]
            },
            "local": {
                "interfaces": [{"name": "eth0", "addresses": [f"{OWN[4]}/24", f"{OWN[6]}/64"]}]
            },
        }
    )


async def examined(whole: Document) -> tuple[FindingView, ...]:
    """What the doctor finds about the real servers."""
    report = await Doctor(KernelWire(), lambda: whole).examine()
    return tuple(each for each in report.findings if each.server)


@contextmanager
def bare(site: Site) -> Iterator[Namespace]:
    """The server as it came from the factory: no VIP, and it answers ARP for all it has."""
    machine = site.lan.servers[SERVER - 1]
    with machine.entered():
        ip(*(f"addr del {VIP[v]}/{_PREFIX[v]} dev lo" for v in VIP))
        set_switches({"ipv4/conf/all/arp_ignore": 0, "ipv4/conf/all/arp_announce": 0})
    try:
        yield machine
    finally:
        with machine.entered():
            set_switches({"ipv4/conf/all/arp_ignore": 1, "ipv4/conf/all/arp_announce": 2})
            ip(
                f"addr replace {VIP[4]}/32 dev lo",
                f"addr replace {VIP[6]}/128 dev lo nodad",
            )


def on(machine: Namespace, commands: str) -> subprocess.CompletedProcess[str]:
    """Have a shell on the server run them, as somebody would who was sent them."""
    with machine.entered():
        return subprocess.run(
            ["sh"], check=False, input=commands, capture_output=True, text=True, timeout=30
        )


def state(machine: Namespace) -> str:
    """Everything that a set-up may leave behind on a server."""
    with machine.entered():
        addresses = ip("-o addr show scope global")
        routes = [ip("route show"), ip("-6 route show table main")]
        rules = subprocess.run(
            ["nft", "list", "ruleset"], check=True, capture_output=True, text=True, timeout=30
        ).stdout
        switches = [
            Path("/proc/sys/net/ipv4/conf/all", name).read_text()
            for name in ("arp_ignore", "arp_announce")
        ]
    redirects = [line for line in rules.splitlines() if "ballast" in line]
    files = sorted(str(found) for name in _LEFT_BEHIND for found in Path("/").glob(name[1:]))
    kept = [line for line in routes[1].splitlines() if "fe80" not in line]
    return "\n".join([addresses, routes[0], *sorted(kept), *redirects, *switches, *files])


@pytest.fixture(scope="module")
def tunnels() -> None:
    """The kernel makes devices of its own in every namespace when these are loaded."""
    modules = ("ipip", "sit", "ip6_tunnel", "ip_gre", "ip6_gre", "fou", "fou6")
    subprocess.run(["modprobe", "-a", *modules], check=True, timeout=30)


@pytest.mark.usefixtures("tunnels")
@pytest.mark.parametrize("case", CASES, ids=str)
@on_site()
async def test_a_server_is_set_up_and_undone(site: Site, case: Case) -> None:
    whole = document(
        SERVER,
        version=case.version,
        outer=case.outer,
        forwarding=case.forwarding,
        tunnel=case.tunnel,
    )
    setup = server_setup(whole, ip_address(rip(SERVER, case.outer)), case.system)
    with bare(site) as machine:
        before = state(machine)
        await follow(ipvs_wanted(whole).table)
        # silence, or a word by ICMP that it unwraps nothing
        with pytest.raises((TimeoutError, ConnectionRefusedError)):
            await site.call(version=case.version, within_s=1.2)
        [found] = await examined(whole)
        assert (found.verdict, found.setup) == (Verdict.FAULT, "web"), found.what
        assert found.what.startswith("web1 ")
        assert on(machine, setup.verify).returncode == 1

        applied = on(machine, setup.apply)
        assert (applied.returncode, applied.stderr) == (0, "")
        judged = on(machine, setup.verify)
        assert "NO:" not in judged.stdout
        assert judged.stdout.count("yes:") >= 1
        assert judged.returncode == 0
        redirected = case.system is not System.LINUX or case.forwarding == "nat"
        where = rip(SERVER, case.outer) if redirected else VIP[case.version]
        answer = await site.answer(version=case.version)
        assert answer == Answer("web1", CLIENTS[case.version][0], where, PORT)
        [found] = await examined(whole)
        assert found.verdict is Verdict.GOOD, found.what
        again = on(machine, setup.apply)
        assert (again.returncode, again.stderr) == (0, ""), "applied twice"

        undone = on(machine, setup.undo)
        assert (undone.returncode, undone.stderr) == (0, "")
        assert state(machine) == before
        assert on(machine, setup.verify).returncode == 1


@on_site()
async def test_the_doctor_leaves_live_traffic_alone(site: Site) -> None:
    whole = document(1, 2, forwarding="dr")
    with bare(site):
        await follow(ipvs_wanted(whole).table)
        call = await _served(site)
        table, known = await seen(), connections()
        found = await examined(whole)
        assert {each.server: each.verdict for each in found} == {
            "web1": Verdict.FAULT,
            "web2": Verdict.GOOD,
        }
        assert await seen() == table
        assert connections() == known
        await call.echo()


def connections() -> set[tuple[str, ...]]:
    """What the kernel remembers: protocol, client, VIP and server of each, with ports."""
    lines = Path("/proc/net/ip_vs_conn").read_text().splitlines()[1:]
    return {tuple(line.split()[:7]) for line in lines}


async def _served(site: Site) -> Call:
    """A call that came to the server which is well: every other one does."""
    for _ in range(2):
        try:
            return await site.call(within_s=1.5)
        except TimeoutError:
            continue
    raise AssertionError("neither server answers")
