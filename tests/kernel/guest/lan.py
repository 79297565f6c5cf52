# SPDX-License-Identifier: Apache-2.0
"""One LAN with a switch, clients and real servers; tests bring the appliance.

The clients' machine is the switch and the router at once: their addresses lie behind it, so
what a server answers goes where its gateway says, and a forwarding method whose answers must
come back through the appliance fails when they do not.

Wiring takes as long as several tests, so the machines stay for all of them. They keep nothing
of a test but their neighbours' hardware addresses, and those are always the same; the kernel's
connections, which nothing but time empties, are the appliance's, and that one is new each time.
"""

from __future__ import annotations

import functools
import socket
from collections.abc import Mapping
from pathlib import Path

from tests.netns import Namespace, ip
from tests.poll import eventually

SERVERS = 3
VIP = {4: "192.0.2.10", 6: "2001:db8:2::10"}
OWN = {4: "192.0.2.1", 6: "2001:db8:2::1"}
"""The appliance's address, and the gateway of servers whose answers come back through it."""
PARTNER = {4: "192.0.2.2", 6: "2001:db8:2::2"}
"""A second appliance's."""
ROUTER = {4: "192.0.2.254", 6: "2001:db8:2::fe"}
CLIENTS = {
    4: tuple(f"203.0.113.{last}" for last in range(1, 25)),
    6: ("2001:db8:1:1::1", "2001:db8:1:1::2", "2001:db8:1:2::1"),
}
_PREFIX = {4: "/24", 6: "/64 nodad"}
_HOST = {4: "/32", 6: "/128 nodad"}
_BEHIND = {4: "203.0.113.0/24", 6: "2001:db8:1::/48"}
_ALL = {4: "0.0.0.0/0", 6: "::/0"}

_EVERYONE = {
    # an address is there at once, and nobody learns a shorter way than the one under test
    "ipv6/conf/default/accept_dad": 0,
    "ipv6/conf/default/accept_redirects": 0,
    "ipv4/conf/all/accept_redirects": 0,
    "ipv4/conf/default/accept_redirects": 0,
}
_FORWARDS = {
    "ipv4/ip_forward": 1,
    "ipv6/conf/all/forwarding": 1,
    "ipv4/conf/all/send_redirects": 0,
    "ipv4/conf/default/send_redirects": 0,
}
_SILENT = {"ipv4/conf/all/arp_ignore": 1, "ipv4/conf/all/arp_announce": 2}
"""Of a server that has the VIP too: the LAN must not hear of it."""


def rip(number: int, version: int = 4) -> str:
    """The address of real server `number`."""
    return f"192.0.2.{10 + number}" if version == 4 else f"2001:db8:2::{10 + number}"


def set_switches(switches: Mapping[str, int]) -> None:
    """Write kernel parameters below `net`, where this thread stands."""
    for name, value in switches.items():
        Path("/proc/sys/net", name).write_text(str(value))


class Lan:
    """The machines; make it, and use it, in a process that may stand in any of them."""

    def __init__(self, *, through: bool) -> None:
        """`through`: servers answer through the appliance, and know nothing of the VIP."""
        self.through = through
        self.clients = Namespace()
        self.servers = tuple(Namespace() for _ in range(SERVERS))
        with self.clients.entered():
            set_switches(_EVERYONE | _FORWARDS)
            ip(
                # a bridge without an address of its own takes its ports', which come and go
                "link add lan address 02:00:00:00:01:00 type bridge mcast_snooping 0",
                *(f"addr add {ROUTER[v]}{_PREFIX[v]} dev lan" for v in VIP),
                *(f"addr add {each}{_HOST[v]} dev lo" for v in VIP for each in CLIENTS[v]),
                "link set lan up",
                *(
                    line
                    for number, machine in enumerate(self.servers, start=1)
                    for line in _cable(f"web{number}", machine.path)
                ),
            )
        for number, machine in enumerate(self.servers, start=1):
            with machine.entered():
                self._settle(number)

    def addresses(self, number: int) -> list[str]:
        """Where real server `number` may be called."""
        shared = [] if self.through else list(VIP.values())
        return [*(rip(number, version) for version in VIP), *shared]

    def plug_in(self, where: str, name: str, own: Mapping[int, str]) -> None:
        """Make the machine whose namespace is the file `where`, and in which this thread stands,
        an appliance with an `eth0` at the switch's port `name`.
        """
        set_switches(_EVERYONE | _FORWARDS)
        with self.clients.entered():
            # one whose test was killed goes when the kernel has buried its namespace
            eventually(lambda: name not in {each for _, each in socket.if_nameindex()})
            # the last to have a VIP may have been another appliance
            ip(*_cable(name, where), "neigh flush dev lan")
        lines = ["link set eth0 up"]
        for version in VIP:
            lines += [
                f"addr add {own[version]}{_PREFIX[version]} dev eth0",
                f"route add {_BEHIND[version]} via {ROUTER[version]}",
            ]
        ip(*lines)

    def unplug(self, name: str) -> None:
        """Take a machine away from the switch at once."""
        with self.clients.entered():
            ip(f"link del {name}")

    def _settle(self, number: int) -> None:
        set_switches(_EVERYONE | _SILENT)
        gateway = OWN if self.through else ROUTER
        lines = ["link set eth0 up"]
        for version, vip in VIP.items():
            lines += [
                f"addr add {rip(number, version)}{_PREFIX[version]} dev eth0",
                f"route add {_ALL[version]} via {gateway[version]}",
            ]
            if not self.through:
                lines.append(f"addr add {vip}{_HOST[version]} dev lo")
        ip(*lines)


def carry_vips() -> None:
    """Give the machine where this thread stands the VIPs, as the product holds floating ones.

    Of IPv6, masquerading takes the address most like the server's unless it is not preferred.
    """
    ip(
        f"addr add {VIP[4]}{_HOST[4]} dev eth0",
        f"addr add {VIP[6]}{_HOST[6]} dev eth0 preferred_lft 0",
    )


def hardware(port: str) -> str:
    """The address of the card at that port of the switch, the same in every test."""
    return f"02:00:00:00:00:{sum(port.encode()) % 256:02x}"


@functools.cache
def lan(*, through: bool) -> Lan:
    """The one LAN of its kind."""
    return Lan(through=through)


def _cable(port: str, where: str) -> list[str]:
    return [
        f"link add {port} type veth peer name eth0 address {hardware(port)} netns {where}",
        f"link set {port} master lan up",
    ]
