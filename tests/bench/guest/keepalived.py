# SPDX-License-Identifier: Apache-2.0
"""1,000 services of 10 servers by keepalived, which is started without its part for VRRP."""

from __future__ import annotations

import tempfile
from pathlib import Path

from services.model import Document
from tests.bench.guest.against import agent_s, peer_filled
from tests.bench.guest.programs import written
from tests.bench.guest.tables import NEVER, SERVERS, SERVICES, Samples, document

TURNS = 2
START = ("keepalived", "--check", "--dont-fork", "--log-console", "-f")


def measure() -> Samples:
    """Both sides in turns."""
    found: Samples = {"agent": [], "keepalived": [], "missing": []}
    found["services"] = [float(SERVICES)]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        wanted = document(SERVICES, SERVERS, NEVER)
        config = written(folder, "keepalived.conf", keepalived_conf(wanted))
        for _ in range(TURNS):
            ours, lines = agent_s(wanted, folder)
            found["agent"].append(ours)
            came = peer_filled([*START, str(config)], lines, clean=True)
            found["keepalived"].append(came.spent_s)
            found["missing"].append(float(len(lines) - came.lines))
    return found


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
