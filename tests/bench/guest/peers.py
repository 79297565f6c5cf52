# SPDX-License-Identifier: Apache-2.0
"""The set as keepalived and ldirectord make it: from their start to the complete table.

Neither looks after the servers here, so that what is measured is how a table is filled. Ours are
the same two sets from the start of the agent, with the document already on its disk.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from services.model import Document
from tests.bench.guest.agent import new_card, started
from tests.bench.guest.programs import running, written
from tests.bench.guest.tables import (
    NEVER,
    SERVERS,
    SERVICES,
    Samples,
    complete_s,
    document,
    empty,
    require_same,
    saved,
)

FEW = 20
"""Services for ldirectord, which starts a program to add a server, another to remove it and one
more to add it again, each after a look at the table: of 100 services that alone is minutes here."""
FOREGROUND = "supervised=yes"
"""To ldirectord."""
WITHIN_S = 240.0


def measure() -> Samples:
    """Both sides in turns; ldirectord once, since it takes as long as all the others."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        many, few = (document(count, SERVERS, NEVER) for count in (SERVICES, FEW))
        keepalived = written(folder, "keepalived.conf", keepalived_conf(many))
        ldirectord = written(folder, "ldirectord.cf", ldirectord_cf(few))
        foreground = ("keepalived", "--check", "--dont-fork", "--log-console", "-f")
        found: Samples = {"agent": [], "keepalived": [], "agent_few": [], "ldirectord": []}
        found["services"] = [float(SERVICES), float(FEW)]
        for _ in range(2):
            agent_s, lines = _agents(many, folder)
            peer_s = _peers([*foreground, str(keepalived)], lines, clean=True)
            found["agent"].append(agent_s)
            found["keepalived"].append(peer_s)
        agent_s, lines = _agents(few, folder)
        found["agent_few"].append(agent_s)
        started_by_hand = ("ldirectord", str(ldirectord), "start")
        found["ldirectord"].append(_peers(started_by_hand, lines, clean=False))
        return found


def _agents(wanted: Document, folder: Path) -> tuple[float, list[str]]:
    empty()
    new_card()
    count = len(wanted.cluster.layer4) * (1 + SERVERS)
    with started(wanted, folder) as agent:
        spent = complete_s(agent.begun, count, agent.lives, within_s=WITHIN_S)
        return spent, saved()


def _peers(argv: Sequence[str], lines: list[str], *, clean: bool) -> float:
    """Seconds; `clean`: it may empty the table when it ends, which of ldirectord takes minutes."""
    empty()
    begun = time.perf_counter()
    with running(argv) as child:
        lives: Callable[[], bool] = lambda: child.poll() is None  # noqa: E731
        spent = complete_s(begun, len(lines), lives, within_s=WITHIN_S)
        require_same(saved(), lines)
        if not clean:
            child.kill()
    return spent


def keepalived_conf(wanted: Document) -> str:
    """The services in the words of keepalived."""
    blocks = []
    for service in wanted.cluster.layer4:
        servers = "".join(
            f"    real_server {server.address} {service.ports} {{ weight {server.weight} }}\n"
            for server in service.servers
        )
        blocks.append(
            f"virtual_server {service.addresses[0]} {service.ports} {{\n"
            f"    lb_algo {service.scheduler}\n    lb_kind {service.forwarding.upper()}\n"
            f"    protocol {service.protocol.upper()}\n"
            f"    persistence_timeout {service.persistence_s}\n{servers}}}\n"
        )
    return "".join(blocks)


def ldirectord_cf(wanted: Document) -> str:
    """The services in the words of ldirectord."""
    blocks = [f"{FOREGROUND}\n"]
    for service in wanted.cluster.layer4:
        servers = "".join(
            f"    real={server.address}:{service.ports} ipip {server.weight}\n"
            for server in service.servers
        )
        blocks.append(
            f"virtual={service.addresses[0]}:{service.ports}\n{servers}"
            f"    protocol={service.protocol}\n    scheduler={service.scheduler}\n"
            f"    persistent={service.persistence_s}\n    checktype=on\n"
        )
    return "".join(blocks)
