# SPDX-License-Identifier: Apache-2.0
"""l7.throughput.ratio: what our generated file costs beside one written by hand.

Counted in CPU seconds of the worker per request and not in requests per second: client,
servers and whoever else is on the machine share its cores, and that must not decide. The
value is that of connections which are kept, where directives weigh most; opening one is
the kernel's work, and with a connection for each request the ratio stands beside. The file
written by hand does the same job: the servers learn the client's address from both.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.bench.fleets import Document, at, fleet
from tests.bench.haproxy import Silent, cpu_s, worker_pid
from tests.bench.load import Load
from tests.bench.origin import Origin
from tests.bench.results import Formula, Result
from tests.lab import Lab
from tests.lab.layout import VIP

LOAD_S = 1.3
SERVERS = 3
HAND_PORT = 81
KEPT, ONE_EACH = "kept", "one each"
PAIRS = {KEPT: 20, ONE_EACH: 6}


def by_hand(admin: Path, document: Document) -> str:
    """The least that does the same job: three servers behind one address, with time limits."""
    servers = "\n".join(
        f"    server {server['label']} {server['address']}:{server['port']}"
        for server in document["cluster"]["layer7"][0]["servers"]
    )
    return f"""\
global
    stats socket {admin} mode 600
defaults
    mode http
    timeout connect 5s
    timeout client 50s
    timeout server 50s
listen web
    bind {VIP}:{HAND_PORT}
    option forwardfor
{servers}
"""


@dataclass
class Side:
    """One of the two HAProxies and what was measured of it."""

    url: str
    host_pid: int
    cost_us: list[float] = field(default_factory=list)
    """CPU microseconds per request."""
    per_s: list[float] = field(default_factory=list)
    """Requests per second."""

    def take(self, lab: Lab, *, keep_alive: bool) -> None:
        """Load it once."""
        before = cpu_s(self.host_pid)
        with Load(lab, self.url, keep_alive=keep_alive) as load:
            time.sleep(LOAD_S)
            outcome = load.stop()
        if outcome.failed:
            raise RuntimeError(f"the load failed: {outcome}")
        self.cost_us.append((cpu_s(self.host_pid) - before) / outcome.answers * 1e6)
        self.per_s.append(outcome.answers / outcome.seconds)


def measure() -> Sequence[Result]:
    """Both ways of traffic, both sides taking turns."""
    with Lab(1, spares=0) as lab:
        Origin(lab)
        document = at(fleet(1, SERVERS), VIP)
        lab.start_agent(first=document)
        generated = lab.folder / "run" / "haproxy" / "admin.sock"
        written = start_by_hand(lab, document)
        found = {}
        for way, pairs in PAIRS.items():
            sides = (
                Side(f"http://{VIP}/", host_worker(lab, generated)),
                Side(f"http://{VIP}:{HAND_PORT}/", host_worker(lab, written)),
            )
            for pair in range(pairs):
                for side in sides if pair % 2 else sides[::-1]:
                    side.take(lab, keep_alive=way == KEPT)
            found[way] = sides
    return [judged(found)]


def judged(found: dict[str, tuple[Side, Side]]) -> Result:
    """The result for connections that are kept, with the other way beside it."""
    ratios = {
        way: statistics.median(hand.cost_us) / statistics.median(ours.cost_us)
        for way, (ours, hand) in found.items()
    }
    rates = ", ".join(
        f"{way}: {ratios[way]:.3f}, {statistics.median(ours.per_s):.0f} requests/s "
        f"(by hand {statistics.median(hand.per_s):.0f})"
        for way, (ours, hand) in found.items()
    )
    ours, hand = found[KEPT]
    return Result(
        "l7.throughput.ratio",
        Formula.PEER_TO_OURS,
        ours.cost_us,
        hand.cost_us,
        samples_unit="CPU microseconds per request",
        beside={
            way: {
                "ratio": ratios[way],
                "ours_us": ours.cost_us,
                "peer_us": hand.cost_us,
                "ours_requests_per_s": ours.per_s,
                "peer_requests_per_s": hand.per_s,
            }
            for way, (ours, hand) in found.items()
        },
        note=f"connections {rates}",
    )


def start_by_hand(lab: Lab, document: Document) -> Path:
    """Start it in the appliance, beside the other; its socket."""
    admin = lab.folder / "hand.sock"
    config = lab.folder / "hand.cfg"
    config.write_text(by_hand(admin, document))
    lab.appliance.spawn(["haproxy", "-db", "-f", str(config)], log=lab.folder / "log" / "hand.log")
    give_up_at = time.monotonic() + 10
    while True:
        try:
            worker_pid(admin)
            return admin
        except Silent:
            if time.monotonic() > give_up_at:
                raise
            time.sleep(0.01)


def host_worker(lab: Lab, admin: Path) -> int:
    """The worker behind a socket, as numbered outside the lab."""
    return lab.control.host_pid(worker_pid(admin))
