# SPDX-License-Identifier: Apache-2.0
"""The same page by DR and by NAT: what forwarding costs the appliance.

All machines of the guest share its processors, so the appliance's part must be told apart: its
card's packets are taken in by a thread of the kernel's own (threaded NAPI), which does all there
is to do for them, up to handing them to the switch, whose side has a thread as well. The CPU time
of that thread is the appliance's. As a control the same load goes to a server directly: then the
thread must have nothing to do.

A packet is one of the wire's: nobody sends larger ones for the card to cut.
"""

from __future__ import annotations

import re
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from services.plan.ipvs import Forwarding
from tests.bench.guest.programs import running, written
from tests.bench.guest.tables import Samples
from tests.kernel.guest.lan import CLIENTS, OWN, ROUTER, VIP, Lan, rip
from tests.kernel.guest.site import Site
from tests.kernel.guest.wishes import dest, follow, service
from tests.netns import Namespace, ip, mount
from tests.poll import eventually

PAGE_BYTES = 10 * 1024
TURNS = 4
LOAD_S = 4
AT_ONCE = 8
LAN = "192.0.2.0/24"
MACHINE_PROC = Path("/run/proc")
"""All processes: a child of `tests.netns` has a /proc that shows no threads of the kernel's."""
MACHINE_SYS = Path("/run/sys")
"""Where /sys is mounted anew: each mount shows the cards of one network."""
CARD, SWITCH_PORT = "eth0", "lb"
WAYS = {"dr": (Forwarding.DR, ROUTER), "nat": (Forwarding.NAT, OWN)}
"""A method, and whom the servers send their answers to."""
_REQUESTS = re.compile(r"(\d+) requests in ")
_ERRORS = re.compile(r"(?m)^\s*(Socket errors: .*|Non-2xx .*)$")


@dataclass(frozen=True)
class Count:
    """What the appliance's card has seen and its thread has spent, since they were made."""

    cpu_s: float
    packets_in: int
    packets_out: int
    handled: int
    """What IPVS saw of it, in both directions: segments that came together are one to it."""

    def __sub__(self, before: Count) -> Count:
        """What came since."""
        return Count(
            self.cpu_s - before.cpu_s,
            self.packets_in - before.packets_in,
            self.packets_out - before.packets_out,
            self.handled - before.handled,
        )


async def measure() -> Samples:
    """DR and NAT in turns, then the control."""
    found: Samples = {}
    with tempfile.TemporaryDirectory() as name:
        async with Site(Lan(through=False), ()) as site:
            prepare(site.lan)
            with serving(site.lan, Path(name)):
                clients = _Clients(site.lan.clients)
                for _ in range(TURNS):
                    for way, (method, gateway) in WAYS.items():
                        answer_by(site.lan, gateway[4])
                        await follow(service(*(dest(each, 1, method) for each in (1, 2, 3))))
                        take(found, way, clients, VIP[4])
                answer_by(site.lan, ROUTER[4])
                take(found, "past", clients, rip(1))
    return found


def prepare(at: Lan) -> None:
    """Give the card and the switch's side of its cable threads, and let nobody cut packets."""
    _wire_sized(CARD)
    _threaded(CARD)
    for number, machine in enumerate(at.servers, start=1):
        with machine.entered():
            _wire_sized("eth0")
        with at.clients.entered():
            _wire_sized(f"web{number}")
    with at.clients.entered():
        _wire_sized(SWITCH_PORT)
        _threaded(SWITCH_PORT)


def _wire_sized(card: str) -> None:
    # "gro on" is what gives a veth device a NAPI of its own
    switches = ("tso", "off", "gso", "off", "gro", "on")
    subprocess.run(["ethtool", "-K", card, *switches], check=True, capture_output=True)


def _threaded(card: str) -> None:
    """Give a card of the network where this thread stands a thread for its packets."""
    where = MACHINE_SYS / card
    where.mkdir(parents=True, exist_ok=True)
    mount(b"sysfs", bytes(where), b"sysfs", 0)
    (where / "class" / "net" / card / "threaded").write_text("1")


def counted() -> Count:
    """The appliance's figures now. Raises `RuntimeError` if its card has no thread."""
    threads = [
        path.parent
        for path in MACHINE_PROC.glob("[0-9]*/comm")
        if path.read_text().startswith(f"napi/{CARD}-")
    ]
    if not threads:
        raise RuntimeError("the kernel gives the card no thread of its own")
    spent_ns = sum(int((each / "schedstat").read_text().split()[0]) for each in threads)
    [line] = [line for line in Path("/proc/net/dev").read_text().splitlines() if f"{CARD}:" in line]
    columns = line.partition(":")[2].split()
    total = Path("/proc/net/ip_vs_stats").read_text().splitlines()[2].split()
    handled = int(total[1], 16) + int(total[2], 16)
    return Count(spent_ns / 1e9, int(columns[1]), int(columns[9]), handled)


class _Clients:
    """Who asks: another address each time, for the kernel remembers connections by their ends."""

    def __init__(self, machine: Namespace) -> None:
        self._machine = machine
        self._sources = iter(CLIENTS[4])

    def load(self, address: str) -> int:
        """Requests that were answered, each on a connection of its own."""
        argv = ["wrk", "-t1", f"-c{AT_ONCE}", f"-d{LOAD_S}s", "-H", "Connection: close"]
        with self._machine.entered():
            # behind the router, or the servers would answer a neighbour past the appliance
            ip(f"route replace {LAN} dev lan src {next(self._sources)}")
            done = subprocess.run(
                [*argv, f"http://{address}/"], check=True, capture_output=True, text=True
            )
        answered = _REQUESTS.search(done.stdout)
        if answered is None or _ERRORS.search(done.stdout):
            raise RuntimeError(f"the load failed: {done.stdout}")
        return int(answered[1])


def take(found: Samples, way: str, clients: _Clients, address: str) -> None:
    """Load it once: requests, CPU seconds, packets."""
    before = counted()
    requests = clients.load(address)
    spent = counted() - before
    for name, value in (
        ("requests", requests),
        ("cpu_s", spent.cpu_s),
        ("in", spent.packets_in),
        ("out", spent.packets_out),
        ("handled", spent.handled),
    ):
        found.setdefault(f"{way}_{name}", []).append(float(value))


def answer_by(at: Lan, gateway: str) -> None:
    """Let the servers send what they say to the clients by way of this gateway."""
    for machine in at.servers:
        with machine.entered():
            ip(f"route replace default via {gateway}")


def _listens() -> bool:
    with socket.socket() as asking:
        return asking.connect_ex(("127.0.0.1", 80)) == 0


@contextmanager
def serving(at: Lan, folder: Path) -> Iterator[None]:
    """A web server on every real server, with one page."""
    page = written(folder, "page", "x" * PAGE_BYTES)
    config = written(
        folder,
        "web.cfg",
        "defaults\n    mode http\n    timeout client 5s\n    option httpclose\nfrontend web\n"
        f"    bind :80\n    http-request return status 200 content-type text/plain file {page}\n",
    )
    with ExitStack() as left:
        for machine in at.servers:
            with machine.entered():
                left.enter_context(running(["haproxy", "-db", "-f", str(config)]))
                eventually(_listens)
        yield
