# SPDX-License-Identifier: Apache-2.0
"""The far ends of tunnels, and a look at the wire before them.

A server unwraps by a device bound to its own address, of any partner. It would answer as well
what came without a tunnel, or in another one; so what tells a test is the wire.
"""

from __future__ import annotations

import socket
import struct
import subprocess
from typing import NamedTuple

from tests.kernel.guest.lan import OWN, rip
from tests.netns import Namespace, ip

GUE_PORT = 6080
_DEVICES = ("tun4in4", "tun6in4", "tunin6", "grein4", "grein6")
_EVERY_PROTOCOL = 0x0003
_NEIGHBOURS = (1, 58)
"""ICMP of both versions: how the appliance finds a server, not what it sends there."""


class Wrapped(NamedTuple):
    """How a packet from the appliance was wrapped."""

    version: int
    protocol: int
    """4 and 41 are IPv4 and IPv6, bare; 47 is GRE, 17 UDP."""
    port: int = 0
    summed: bool = False
    """Whether it has a checksum; of UDP and GRE."""


def unwrap(machine: Namespace, number: int, *, summed: bool) -> None:
    """Let server `number` unwrap whatever can come.

    A GRE device takes either what has a checksum (`summed`) or what has none.
    """
    check = " icsum" if summed else ""
    # nothing asks for these by name, as the other devices' modules are
    subprocess.run(["modprobe", "-a", "fou", "fou6"], check=True, timeout=30)
    here = {version: rip(number, version) for version in OWN}
    with machine.entered():
        ip(
            f"link add tun4in4 type ipip local {here[4]}",
            f"link add tun6in4 type sit local {here[4]}",
            f"link add tunin6 type ip6tnl mode any local {here[6]}",
            f"link add grein4 type gre local {here[4]}{check}",
            f"link add grein6 type ip6gre local {here[6]}{check}",
            *(f"link set {name} up" for name in _DEVICES),
            f"fou add port {GUE_PORT} gue",
        )
        ip(f"-6 fou add port {GUE_PORT} gue")


class Tap:
    """Listens to what a machine receives from the appliance, from now on."""

    def __init__(self, machine: Namespace) -> None:
        with machine.entered():
            self._socket = socket.socket(
                socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(_EVERY_PROTOCOL)
            )
            self._socket.bind(("eth0", _EVERY_PROTOCOL))
        self._socket.setblocking(False)

    def heard(self) -> set[Wrapped]:
        """How everything was wrapped; nothing more is listened to."""
        found: set[Wrapped] = set()
        with self._socket:
            while True:
                try:
                    packet = self._socket.recv(1 << 16)
                except BlockingIOError:
                    return found
                if (wrapped := _read(packet)) is not None:
                    found.add(wrapped)


def _read(packet: bytes) -> Wrapped | None:
    version = packet[0] >> 4
    if version == 4:
        source, protocol, inner = packet[12:16], packet[9], packet[(packet[0] & 15) * 4 :]
    elif version == 6:
        source, protocol, inner = packet[8:24], packet[6], packet[40:]
    else:
        return None  # ARP
    family = socket.AF_INET if version == 4 else socket.AF_INET6
    if socket.inet_ntop(family, source) != OWN[version] or protocol in _NEIGHBOURS:
        return None
    if protocol == socket.IPPROTO_UDP:
        _, port, _, checksum = struct.unpack_from("!HHHH", inner)
        return Wrapped(version, protocol, port, bool(checksum))
    if protocol == socket.IPPROTO_GRE:
        return Wrapped(version, protocol, summed=bool(inner[0] & 0x80))
    return Wrapped(version, protocol)
