# SPDX-License-Identifier: Apache-2.0
"""A unit at a switch with a router and two real servers, as the doctor may find them.

The child's own network namespace is the unit.
"""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from services.agent.doctor import Doctor
from services.api import FindingView
from services.drivers.wire import KernelWire
from services.model import Document
from tests.netns import Namespace, cable, ip
from tests.poll import eventually

VIP, VIP6 = "192.0.2.10", "2001:db8:2::10"
OWN, OWN6 = "192.0.2.1", "2001:db8:2::1"
ELSEWHERE = "203.0.113.1"
"""The unit's address on its other card."""
ROUTER = "192.0.2.254"
PORT = 80
QUIET = {"ipv6/conf/all/accept_dad": 0, "ipv6/conf/default/accept_dad": 0}


def rip(number: int, version: int = 4) -> str:
    return f"192.0.2.{10 + number}" if version == 4 else f"2001:db8:2::{10 + number}"


def mac(number: int) -> str:
    return f"02:00:00:00:00:{number:02x}"


def set_switches(switches: dict[str, int]) -> None:
    for name, value in switches.items():
        Path("/proc/sys/net", name).write_text(str(value))


class Lan:
    """The unit with eth0 at a switch, eth1 elsewhere, a router, and two servers."""

    def __init__(self) -> None:
        self.left = ExitStack()
        self.switch, self.servers = Namespace(), (Namespace(), Namespace())
        set_switches(QUIET)
        cable("eth0", "unit", self.switch)
        cable("eth1", "other", self.switch)
        with self.switch.entered():
            set_switches(QUIET | {"ipv4/ip_forward": 1})
            ip("link add lan type bridge mcast_snooping 0", "link set unit master lan")
            for number, machine in enumerate(self.servers, start=1):
                ip(
                    f"link add web{number} type veth peer name eth0 address {mac(number)} "
                    f"netns {machine.path}",
                    f"link set web{number} master lan up",
                )
            ip(
                f"addr add {ROUTER}/24 dev lan",
                "addr add 203.0.113.254/24 dev other",
                "link set lan up",
            )
        ip(
            "link set eth0 up",
            "link set eth1 up",
            f"addr add {OWN}/24 dev eth0",
            f"addr add {OWN6}/64 dev eth0 nodad",
            f"addr add {VIP}/32 dev eth0",
            f"addr add {VIP6}/128 dev eth0 nodad preferred_lft 0",
            f"addr add {ELSEWHERE}/24 dev eth1",
        )
        for number in (1, 2):
            with self.servers[number - 1].entered():
                set_switches(QUIET)
                ip(
                    "link set eth0 up",
                    f"addr add {rip(number)}/24 dev eth0",
                    f"addr add {rip(number, 6)}/64 dev eth0 nodad",
                    f"route add default via {ROUTER}",
                )

    @contextmanager
    def on(self, number: int) -> Iterator[None]:
        """Stand on a server."""
        with self.servers[number - 1].entered():
            yield

    def set_up(self, number: int) -> None:
        """As the real servers' help has it."""
        with self.on(number):
            set_switches({"ipv4/conf/all/arp_ignore": 1, "ipv4/conf/all/arp_announce": 2})
            ip(f"addr add {VIP}/32 dev lo", f"addr add {VIP6}/128 dev lo nodad")

    def listens(self, number: int, *addresses: str, kind: int = socket.SOCK_STREAM) -> None:
        """Something listens at the port of these addresses, `::` for all."""
        for address in addresses:
            with self.on(number):
                family = socket.AF_INET6 if ":" in address else socket.AF_INET
                made = self.left.enter_context(socket.socket(family, kind))
                made.bind((address, PORT))
                if kind == socket.SOCK_STREAM:
                    made.listen(8)

    async def examine(self, **service: Any) -> tuple[FindingView, ...]:
        """What the doctor finds."""
        eventually(lambda: all(_carrier(card) for card in ("eth0", "eth1")))
        return (await Doctor(KernelWire(), lambda: self.document(**service)).examine(7)).findings

    def document(self, **service: Any) -> Document:
        """A service with both servers, by DR unless told otherwise."""
        return Document.model_validate(
            {
                "cluster": {
                    "layer4": [
                        {
                            "id": 7,
                            "label": "web",
                            "addresses": [VIP],
                            "ports": PORT,
                            "servers": [
                                {"id": n, "label": f"web{n}", "address": rip(n)} for n in (1, 2)
                            ],
                            **service,
                        }
                    ]
                },
                "local": {
                    "interfaces": [
                        {"name": "eth0", "addresses": [f"{OWN}/24", f"{OWN6}/64"]},
                        {"name": "eth1", "addresses": [f"{ELSEWHERE}/24"]},
                    ]
                },
            }
        )


def _carrier(card: str) -> bool:
    return "LOWER_UP" in ip(f"-o link show dev {card}")
