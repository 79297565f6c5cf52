# SPDX-License-Identifier: Apache-2.0
"""The documents that the benchmarks run: as many services as the goals name, all alike."""

from __future__ import annotations

from ipaddress import IPv4Address
from typing import Any

from tests.lab.layout import APPLIANCE_ADDRESSES, GATEWAY

FIRST_VIP = IPv4Address("10.20.0.1")
"""Each service has an address of its own, routed to the appliance."""

Document = dict[str, Any]


def fleet(
    services: int, servers: int, *, address: str, first_port: int, ports: int | None = None
) -> Document:
    """`services` of `servers` each; all servers are ports of one `address`, from `first_port`.

    With `ports` given, they take turns on so many.
    """
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
                            "address": address,
                            "port": first_port + (each if ports is None else each % ports),
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


def with_limit(document: Document, position: int, limit: int) -> Document:
    """The document with one service's limit of connections changed: only a reload does that."""
    layer7 = list(document["cluster"]["layer7"])
    layer7[position] = layer7[position] | {"max_connections": limit}
    return document | {"cluster": document["cluster"] | {"layer7": layer7}}
