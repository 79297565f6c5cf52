# SPDX-License-Identifier: Apache-2.0
"""Servers of layer 4 services that are looked after in a lab, and some that vanish at a word.

The appliance is the real one but for the kernel's table (`tests.bench.health_agent`). Behind all
addresses stands one HAProxy, since what is measured is who looks and not who answers. Servers
vanish by routes into nowhere: nobody refuses, nobody says that there is no way, packets are gone.
"""

from __future__ import annotations

import sys
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.bench.fleets import FIRST_VIP, REAL_SERVERS, WEB_PORT, Document, fleet
from tests.bench.origin import HOME, Origin
from tests.lab import Lab
from tests.lab.agent import AGENT

POLL_S = 0.3
SILENCE_S = 3.0
"""Longer than the intervals at which somebody would look."""
NOWHERE = ("192.0.2.1", "eth1")
"""A gateway that nobody is, on a cable that leads to no bridge."""


@dataclass(frozen=True)
class Shape:
    """How many there are, and how they are looked at."""

    services: int
    servers: int
    """Of each service."""
    leaving: int = 0
    """Of each service those that will vanish, spread evenly over its list."""
    shared: bool = False
    """All services have the same servers."""
    interval_s: int = 2
    timeout_s: int = 1
    fall: int = 2
    rise: int = 2

    @property
    def vips(self) -> tuple[str, ...]:
        """Each service's address."""
        return tuple(str(FIRST_VIP + number) for number in range(self.services))

    def addresses(self, service: int) -> tuple[str, ...]:
        """The servers of a service, in the order of the document."""
        first = 0 if self.shared else service * self.servers
        return tuple(str(REAL_SERVERS[first + number + 1]) for number in range(self.servers))

    @property
    def everybody(self) -> frozenset[str]:
        """All servers, each once."""
        return frozenset(each for number in range(self.services) for each in self.addresses(number))

    @property
    def those_leaving(self) -> frozenset[str]:
        """Those that vanish."""
        return frozenset(
            address
            for service in range(self.services)
            for number, address in enumerate(self.addresses(service))
            if number * self.leaving % self.servers < self.leaving
        )

    def document(self) -> Document:
        """What the appliance runs."""
        check = {
            "interval_s": self.interval_s,
            "timeout_s": self.timeout_s,
            "fall": self.fall,
            "rise": self.rise,
        }
        layer4 = [
            {
                "label": f"service-{number + 1}",
                "addresses": [vip],
                "ports": str(WEB_PORT),
                "forwarding": "nat",
                "check": check,
                "servers": [
                    {"label": f"server-{at + 1}", "address": address}
                    for at, address in enumerate(self.addresses(number))
                ],
            }
            for number, vip in enumerate(self.vips)
        ]
        return fleet(0, 0) | {"cluster": {"layer4": layer4}}


NOBODY = Shape(services=0, servers=0)


def now() -> float:
    """Seconds since the machine was started, as /proc/uptime has them for shell scripts too."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


class Farm:
    """A lab with an appliance, its servers and a witness of the checks that reach them."""

    def __init__(self, lab: Lab) -> None:
        self._lab = lab
        self.appliance = lab.appliance
        self.folder = lab.folder
        Origin(lab)
        self._arrivals = lab.folder / "arrivals"
        self._arrivals.touch()
        argv = [sys.executable, "-m", "tests.bench.arrivals", str(WEB_PORT)]
        lab.place(HOME).spawn(argv, log=self._arrivals)
        gateway, card = NOWHERE
        neighbour = ("lladdr", "02:00:00:00:00:01", "dev", card, "nud", "permanent")
        self._ip("neigh", "replace", gateway, *neighbour)

    def start_agent(self, shape: Shape) -> float:
        """Start the appliance with a document of this shape; when that was."""
        argv = [sys.executable, "-m", "tests.bench.health_agent", str(self.folder)]
        self.appliance.define(AGENT, argv)
        begun = now()
        self._lab.start_agent(first=shape.document())
        return begun

    def apply(self, shape: Shape) -> float:
        """Let the appliance look after others; when that was."""
        begun = now()
        self._lab.agent.apply(shape.document(), why="benchmark")
        return begun

    def stop_agent(self) -> None:
        """End it, and the checks with it. Raises `RuntimeError` if somebody still looks."""
        self.apply(NOBODY)
        self._lab.agent.stop()
        begun = now()
        time.sleep(SILENCE_S)
        if looks := self.arrivals(since=begun):
            raise RuntimeError(f"nobody should look any more, but {looks[0].address} was asked")

    @property
    def agent_pid(self) -> int:
        """The agent, as numbered outside the lab."""
        return self._lab.agent.job.process.host_pid

    def vanish(self, shape: Shape) -> float:
        """Let the servers go that are to go; when that was."""
        begun = now()
        gateway, card = NOWHERE
        self._routes(shape, f"replace %s via {gateway} dev {card} onlink")
        return begun

    def come_back(self, shape: Shape) -> None:
        """Let them answer again."""
        self._routes(shape, "del %s")

    @property
    def weights(self) -> list[Weight]:
        """All writes to the table so far."""
        return told(self.folder / "weights")

    def arrivals(self, *, since: float = 0.0) -> list[Arrival]:
        """The checks that have reached a server."""
        lines = whole_lines(self._arrivals)
        found = (Arrival(float(at), address) for at, address in (line.split() for line in lines))
        return [one for one in found if one.at >= since]

    def await_looks(self, shape: Shape, *, since: float, looks: int, within_s: float) -> None:
        """Wait until so many checks have reached every server. Raises `RuntimeError`."""
        give_up_at = time.monotonic() + within_s
        while True:
            seen = Counter(one.address for one in self.arrivals(since=since))
            seldom = [each for each in shape.everybody if seen[each] < looks]
            if not seldom:
                return
            if time.monotonic() > give_up_at:
                raise RuntimeError(f"{len(seldom)} servers were not looked at {looks} times")
            time.sleep(POLL_S)

    def await_weights(self, shape: Shape, *, within_s: float) -> float:
        """Wait until every server gets clients; when that was. Raises `RuntimeError`."""
        give_up_at = time.monotonic() + within_s
        while True:
            weights = last_weights(self.weights)
            without = [each for each in shape.everybody if not weights.get(each)]
            if not without:
                return now()
            if time.monotonic() > give_up_at:
                raise RuntimeError(f"{len(without)} servers that answer get no clients")
            time.sleep(POLL_S)

    def _routes(self, shape: Shape, line: str) -> None:
        # in one go: 200 of them take the kernel a few milliseconds
        batch = "".join(f"route {line % each}\n" for each in shape.those_leaving)
        self.appliance.run(["ip", "-batch", "-"], stdin=batch, timeout_s=5)

    def _ip(self, *words: str) -> None:
        self.appliance.run(["ip", *words], timeout_s=5)


@dataclass(frozen=True)
class Arrival:
    """A connection that somebody opened to a server."""

    at: float
    address: str


@dataclass(frozen=True)
class Weight:
    """A server's weight, written into the kernel's table."""

    at: float
    address: str
    weight: int


def told(path: Path) -> list[Weight]:
    """The writes in a file of lines `TIME ADDRESS WEIGHT`."""
    words = (line.split() for line in whole_lines(path))
    return [Weight(float(at), address, int(weight)) for at, address, weight in words]


def whole_lines(path: Path) -> Sequence[str]:
    """The lines of a file that somebody is still writing."""
    content = path.read_text() if path.exists() else ""
    return content[: content.rfind("\n") + 1].splitlines()


def lost_after_s(weights: Iterable[Weight], *, since: float) -> dict[str, float]:
    """Seconds from a moment until each server's weight was 0, of those that got it."""
    found: dict[str, float] = {}
    for one in weights:
        if one.at >= since and one.weight == 0:
            found.setdefault(one.address, one.at - since)
    return found


def last_weights(weights: Iterable[Weight]) -> dict[str, int]:
    """Each server's weight as it is now."""
    return {one.address: one.weight for one in weights}
