# SPDX-License-Identifier: Apache-2.0
"""`python -m tests.bench.arrivals PORT`: who is asked for a connection to PORT, and when.

It listens to the wire and not to a socket: a check that only connects goes away before there is
a connection to accept. Each request for a connection is a line, `TIME ADDRESS`.
"""

from __future__ import annotations

import socket
import sys
from collections.abc import Iterator

from tests.bench.farm import now

ETH_P_IP = 0x0800
TCP = 6
SYN, ACK = 0x02, 0x10
ROOM = 16 << 20
SO_RCVBUFFORCE = 33


def asked_for(packet: bytes, port: int) -> str | None:
    """The address that an IPv4 packet asks for a connection to `port`; None: it does not."""
    header = (packet[0] & 0x0F) * 4
    if packet[9] != TCP or len(packet) < header + 14:
        return None
    if int.from_bytes(packet[header + 2 : header + 4]) != port:
        return None
    if packet[header + 13] & (SYN | ACK) != SYN:
        return None
    return socket.inet_ntoa(packet[16:20])


def packets() -> Iterator[bytes]:
    """The beginnings of all IPv4 packets that reach this machine."""
    # without SOCK_RAW the kernel takes the Ethernet header away
    with socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(ETH_P_IP)) as wire:
        wire.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, ROOM)
        while True:
            yield wire.recv(128)


def main() -> None:
    """Tell until ended."""
    port = int(sys.argv[1])
    for packet in packets():
        if address := asked_for(packet, port):
            sys.stdout.write(f"{now():.4f} {address}\n")
            sys.stdout.flush()


if __name__ == "__main__":
    main()
