# SPDX-License-Identifier: Apache-2.0
"""100 services of 10 servers by ldirectord.

It starts a program to add a server, another to remove it and one more to add it again, each after
a look at the table: on emulated processors that is many minutes, and it is given up before.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

from services.model import Document
from tests.bench.guest.against import agent_s, peer_filled
from tests.bench.guest.programs import written
from tests.bench.guest.tables import NEVER, SERVERS, Samples, document

SERVICES = 100
FOREGROUND = "supervised=yes"
"""In its configuration."""


def measure() -> Samples:
    """Each once."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        wanted = document(SERVICES, SERVERS, NEVER)
        config = written(folder, "ldirectord.cf", ldirectord_cf(wanted))
        ours, lines = agent_s(wanted, folder)
        # it would empty its table server by server in the end
        theirs = peer_filled(["ldirectord", str(config), "start"], lines, clean=False)
    return {
        "agent": [ours],
        "ldirectord": [theirs.spent_s],
        "missing": [float(len(lines) - theirs.lines)],
        "services": [float(SERVICES)],
    }


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
