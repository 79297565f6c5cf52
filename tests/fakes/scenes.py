# SPDX-License-Identifier: Apache-2.0
"""Appliances to look at: the Overview of the console's design, and crowds of any size."""

from __future__ import annotations

from services.drivers.ipvs import Statistics
from services.drivers.ipvs_wire import Counters
from services.model import Document, Mode, RealServer, ServerState, VirtualService
from services.plan.ipvs import DestKey, Live, Protocol, ServiceKey
from tests.fakes.appliance import ScriptedAppliance
from tests.fakes.ipvs_conn import entry

WEB, RDS, SMTP, FTP = 101, 102, 103, 104
SHOP, NAMES = 201, 202


def small(**knobs: object) -> ScriptedAppliance:
    """Four services, one of each colour."""
    document = Document.model_validate(
        {
            "cluster": {
                "layer7": [
                    {
                        "id": WEB,
                        "label": "web-http",
                        "addresses": ["192.168.1.100"],
                        "ports": "80",
                        "servers": [
                            _server(1, "web1", "192.168.1.110", 80),
                            _server(2, "web2", "192.168.1.111", 80),
                            _server(3, "web3", "192.168.1.112", 80),
                        ],
                    },
                    {
                        "id": RDS,
                        "label": "rds",
                        "addresses": ["192.168.1.101"],
                        "ports": "3389",
                        "mode": Mode.TCP,
                        "servers": [
                            _server(4, "rds1", "192.168.1.120", 3389),
                            _server(5, "rds2", "192.168.1.121", 3389),
                            _server(6, "rds3", "192.168.1.122", 3389, ServerState.HALT),
                        ],
                    },
                    {
                        "id": SMTP,
                        "label": "smtp",
                        "addresses": ["192.168.1.102"],
                        "ports": "25",
                        "mode": Mode.TCP,
                        "servers": [_server(7, "mx1", "192.168.1.130", 25)],
                    },
                    {
                        "id": FTP,
                        "label": "ftp",
                        "addresses": ["192.168.1.103"],
                        "ports": "21,1000-1010",
                        "mode": Mode.TCP,
                        "servers": [_server(8, "ftp1", "192.168.1.140", 21, ServerState.DRAIN)],
                    },
                ]
            },
            "local": {
                "interfaces": [
                    {"name": "eth0", "addresses": ["192.168.2.21/24"]},
                    {"name": "eth1", "addresses": ["192.168.1.21/24"]},
                ],
                "gateway": "192.168.2.1",
            },
        }
    )
    fake = ScriptedAppliance(running=document)
    fake.connections = {(WEB, 1): 402, (WEB, 2): 401, (WEB, 3): 401, (RDS, 4): 88, (FTP, 8): 3}
    fake.bytes_per_s = {
        (WEB, 1): 700_000,
        (WEB, 2): 700_000,
        (WEB, 3): 700_000,
        (RDS, 4): 310_000,
        (FTP, 8): 1_000,
    }
    fake.down = {(RDS, 5): "connection refused", (SMTP, 7): "no answer within 3 s"}
    for name, value in knobs.items():
        setattr(fake, name, value)
    return fake


def layer4(**knobs: object) -> ScriptedAppliance:
    """A shop by direct routing, one of whose servers has the ARP problem, and names by NAT."""
    document = Document.model_validate(
        {
            "cluster": {
                "layer4": [
                    {
                        "id": SHOP,
                        "label": "shop",
                        "addresses": ["192.168.1.104"],
                        "persistence_s": 0,
                        "servers": [_layer4(1, "shop1", 150), _layer4(2, "shop2", 151)],
                    },
                    {
                        "id": NAMES,
                        "label": "names",
                        "addresses": ["192.168.1.105", "2001:db8:1::105"],
                        "ports": "53",
                        "protocol": "udp",
                        "forwarding": "nat",
                        "servers": [_layer4(3, "dns1", 160)],
                    },
                ]
            },
            "local": {
                "interfaces": [
                    {"name": "eth0", "addresses": ["192.168.2.21/24"]},
                    {"name": "eth1", "addresses": ["192.168.1.21/24", "2001:db8:1::21/64"]},
                ]
            },
        }
    )
    fake = ScriptedAppliance(running=document)
    shop = ServiceKey(4, Protocol.TCP, "192.168.1.104", 80)
    names = ServiceKey(4, Protocol.UDP, "192.168.1.105", 53)
    fake.counted = {
        shop: Statistics(
            Counters(81_240, 1_310_000, 0, 98_400_000, 0, 44, 700, 0, 51_000, 0),
            {
                DestKey("192.168.1.150", 80): Counters(40_620, 90_000, 0, 5_400_000, 0, 22, 60),
                DestKey("192.168.1.151", 80): Counters(
                    40_620, 1_220_000, 0, 93_000_000, 0, 22, 640, 0, 47_000, 0
                ),
            },
            {
                DestKey("192.168.1.150", 80): Live(0, 1_320),
                DestKey("192.168.1.151", 80): Live(402, 220),
            },
        ),
        names: Statistics(
            Counters(9_100, 9_100, 9_100, 640_000, 1_800_000, 5, 5, 5, 350, 990),
            {
                DestKey("192.168.1.160", 53): Counters(
                    9_100, 9_100, 9_100, 640_000, 1_800_000, 5, 5, 5, 350, 990
                )
            },
            {DestKey("192.168.1.160", 53): Live(0, 2)},
        ),
    }
    web, dns = "192.168.1.104:80", "192.168.1.105:53"
    fake.table.lines = [
        *(
            entry(f"203.0.113.{n}:{40_000 + n}", web, "192.168.1.150:80", "SYN_RECV", 60 - 3 * n)
            for n in range(1, 7)
        ),
        *(
            entry(f"203.0.113.{n}:{50_000 + n}", web, "192.168.1.151:80", "ESTABLISHED", 899 - n)
            for n in range(1, 21)
        ),
        entry("203.0.113.9:50100", web, "192.168.1.151:80", "FIN_WAIT", 118),
        *(
            entry(f"198.51.100.{n}:5353", dns, "192.168.1.160:53", "UDP", 290, protocol="UDP")
            for n in (7, 8)
        ),
    ]
    for name, value in knobs.items():
        setattr(fake, name, value)
    return fake


def crowd(rows: int, *, servers: int = 9) -> ScriptedAppliance:
    """`rows` rows on the Overview: services with `servers` real servers each, a few down."""
    services: list[VirtualService] = []
    number = 0
    while number < rows:
        service = len(services) + 1
        take = min(servers, rows - number - 1)
        services.append(
            VirtualService.model_validate(
                {
                    "id": service,
                    "label": f"service-{service:04}",
                    "addresses": [f"10.1.{service // 250}.{service % 250 + 1}"],
                    "ports": "80",
                    "servers": [
                        _server(
                            service * 1000 + n, f"web{n}", f"10.2.{service % 250}.{n + 1}", 8080
                        )
                        for n in range(take)
                    ],
                }
            )
        )
        number += 1 + take
    base = Document()
    document = base.model_copy(
        update={"cluster": base.cluster.model_copy(update={"layer7": tuple(services)})}
    )
    fake = ScriptedAppliance(running=document)
    for service_ in services:
        for n, server in enumerate(service_.servers):
            fake.connections[service_.id, server.id] = 10 * n + service_.id
    for service_ in services[::7]:
        if service_.servers:
            fake.down[service_.id, service_.servers[-1].id] = "connection refused"
    return fake


def _server(
    number: int, label: str, address: str, port: int, state: ServerState = ServerState.ONLINE
) -> RealServer:
    return RealServer.model_validate(
        {"id": number, "label": label, "address": address, "port": port, "state": state}
    )


def _layer4(number: int, label: str, last: int) -> dict[str, object]:
    return {"id": number, "label": label, "address": f"192.168.1.{last}"}
