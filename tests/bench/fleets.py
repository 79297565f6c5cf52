# SPDX-License-Identifier: Apache-2.0
"""The documents that the benchmarks run: as many services as the goals name, all alike."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network
from typing import Any

from tests.lab.layout import APPLIANCE_ADDRESSES, GATEWAY

FIRST_VIP = IPv4Address("10.20.0.1")
"""Each service has an address of its own, routed to the appliance."""

REAL_SERVERS = IPv4Network("10.30.0.0/16")
"""Each real server has one too; `tests.bench.origin` answers on all of them."""

WEB_PORT = 8080

Document = dict[str, Any]


def fleet(services: int, servers: int) -> Document:
    """`services` of `servers` each; no two have an address in common."""
    gateway, _ = (each.partition("/")[0] for each in GATEWAY)
    return {
        "cluster": {
            "layer7": [
                {
                    "label": f"service-{number + 1}",
                    "addresses": [str(FIRST_VIP + number)],
                    "ports": "80",
                    "servers": [
                        {
                            "label": f"server-{number + 1}-{each + 1}",
                            "address": str(REAL_SERVERS[number * servers + each + 1]),
                            "port": WEB_PORT,
                        }
                        for each in range(servers)
                    ],
                }
                for number in range(services)
            ]
        },
        "local": {
            "interfaces": [{"name": "eth0", "addresses": list(APPLIANCE_ADDRESSES)}],
            "gateway": gateway,
        },
    }


def at(document: Document, *vips: str) -> Document:
    """The document with these addresses for its first services, e.g. within a client's reach."""
    for service, vip in zip(document["cluster"]["layer7"], vips, strict=False):
        service["addresses"] = [vip]
    return document


def with_limit(document: Document, position: int, limit: int) -> Document:
    """The document with one service's limit of connections changed: only a reload does that."""
    layer7 = list(document["cluster"]["layer7"])
    layer7[position] = layer7[position] | {"max_connections": limit}
    return document | {"cluster": document["cluster"] | {"layer7": layer7}}
