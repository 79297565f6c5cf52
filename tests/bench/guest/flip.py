# SPDX-License-Identifier: Apache-2.0
"""10,000 servers fall silent at once, come back, and fall silent again.

The agent and its checks are the appliance's own. All servers stand behind one cable; a route
there decides whether packets to them arrive or vanish, so they turn within microseconds, and each
check that fails has waited for its whole timeout. The clock starts when the route has turned and
ends when the kernel's table is right in every line; what is wrong at the end is lost.

The servers are looked at so seldom that checking and being checked fit on two emulated
processors; the interval is in the bound that the time is compared with.
"""

from __future__ import annotations

import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from services.health.targets import FAST_S
from services.model import Layer4Service
from tests.bench.guest.agent import Agent, new_card, started
from tests.bench.guest.programs import running, written
from tests.bench.guest.tables import (
    PORT,
    SERVERS,
    SERVICES,
    Samples,
    document,
    entries,
    restored_s,
    saved,
)
from tests.netns import Namespace, ip

CHECK = {"kind": "connect", "interval_s": 15, "timeout_s": 3, "fall": 2, "rise": 1}
FAR, NEAR = "10.0.0.1", "10.0.0.2"
NETWORK = "198.19.0.0/16"
ANSWERING = f"local {NETWORK} dev lo table local"
SILENT = f"blackhole {NETWORK} table local"
"""Routes of the far end: every address is its own, or whatever comes for them vanishes."""
START_S = 120.0
LOOK_S = 0.25
GIVE_UP = 4
"""Times the bound, until those that are wrong then are lost."""
SETTLED_S = 5.0
"""What is right stays right for so long."""


def bound_s(service: Layer4Service) -> float:
    """The longest that a silent server can go unnoticed by its check."""
    check = service.check
    return (
        check.interval_s
        + (check.fall - 1) * min(FAST_S, check.interval_s)
        + check.fall * check.timeout_s
    )


def measure() -> Samples:
    """Down, up, down; of both downs the time is taken, of all three the lost are counted."""
    wanted = document(SERVICES, SERVERS, CHECK)
    bound = bound_s(wanted.cluster.layer4[0])
    new_card()
    found: Samples = {"right": [], "lost": [], "bound": [bound]}
    with tempfile.TemporaryDirectory() as name, _servers(Path(name)) as network:
        with started(wanted, Path(name)) as agent:
            _require_right(agent, 100, within_s=START_S)
            lines = saved()
            time.sleep(bound)  # until each has been looked at
            for weight, route in ((0, SILENT), (100, ANSWERING), (0, SILENT)):
                with network.entered():
                    ip(f"route replace {route}")
                begun = time.perf_counter()
                wrong = _until_right(agent, weight, within_s=GIVE_UP * bound)
                if not weight:
                    found["right"].append(time.perf_counter() - begun)
                time.sleep(SETTLED_S)
                found["lost"].append(float(max(wrong, _wrong(weight))))
        # only now, when nobody looks after anything any more
        found["restored"] = [restored_s(lines) for _ in range(2)]
    return found


def _require_right(agent: Agent, weight: int, *, within_s: float) -> None:
    if wrong := _until_right(agent, weight, within_s=within_s):
        raise RuntimeError(f"{wrong} servers are wrong after {within_s:g} s")


def _until_right(agent: Agent, weight: int, *, within_s: float) -> int:
    """Look until every server has this weight or the time is up; how many have it not."""
    give_up_at = time.monotonic() + within_s
    while wrong := _wrong(weight):
        if not agent.lives():
            raise RuntimeError("the agent has ended")
        if time.monotonic() > give_up_at:
            break
        time.sleep(LOOK_S)
    return wrong


def _wrong(weight: int) -> int:
    """Servers that have another weight, or are not there. The page that answers is none."""
    weights = Counter(
        words[3]
        for words in (line.split() for line in entries())
        if words[0] == "->" and words[1].startswith("C613")
    )
    return SERVICES * SERVERS - weights[str(weight)]


@contextmanager
def _servers(folder: Path) -> Iterator[Namespace]:
    """The far end of the cable: every address there is local, and one program listens on all."""
    network = Namespace()
    ip(f"link set far netns {network.path}", f"addr add {NEAR}/24 dev eth0")
    ip(f"route add {NETWORK} via {FAR}")
    with ExitStack() as left:
        with network.entered():
            ip(
                "link set far up",
                f"addr add {FAR}/24 dev far",
                f"route add {ANSWERING}",
            )
            config = written(
                folder,
                "listener.cfg",
                "defaults\n    mode tcp\n    timeout client 1s\nfrontend all\n"
                f"    bind :{PORT}\n    maxconn 4000\n    tcp-request connection reject\n",
            )
            left.enter_context(running(["haproxy", "-db", "-f", str(config)]))
        yield network
