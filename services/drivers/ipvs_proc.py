# SPDX-License-Identifier: Apache-2.0
"""/proc/net/ip_vs: the cheap first look at the table.

A whole look asks the kernel once for each service; this one is a single file, read ten times
as fast. It does not tell everything (no thresholds, no tunnels, no switches of a service), and
some of what it tells cannot be used: persistence is in the kernel's ticks, a mark has no IP
version. So both sides are brought to what can be compared, a sketch. Equal sketches mean that
nobody has added, removed, moved or weighed anything; a whole look now and then finds the rest.

In a kernel where other network namespaces have services, too, some of ours may be missing: the
file is read a page at a time, and where the next page begins is counted without theirs and walked
with them (ip_vs_info_array and ip_vs_info_seq_next, Linux 6.12). That costs a whole look.
"""

from __future__ import annotations

import socket
from pathlib import Path

from services.plan.ipvs import Dest, DestKey, Entry, Forwarding, Protocol, ServiceKey, Table

PROC = Path("/proc/net/ip_vs")

Sketch = frozenset[tuple[str, frozenset[str]]]
"""A line for each service, with a line for each of its destinations, as the file has them."""

_HEADINGS = 3
_PERSISTENT = "persistent"
_WAYS = {
    Forwarding.NAT: "Masq",
    Forwarding.LOCAL: "Local",
    Forwarding.TUN: "Tunnel",
    Forwarding.DR: "Route",
    Forwarding.BYPASS: "Bypass",
}


def read_sketch() -> Sketch | None:
    """What the kernel shows; None: it has no IPVS. Raises `OSError`."""
    try:
        return parsed(PROC.read_text(encoding="ascii", errors="replace"))
    except FileNotFoundError:
        return None


def parsed(text: str) -> Sketch:
    """The file as a sketch."""
    found: list[tuple[str, list[str]]] = []
    for line in text.splitlines()[_HEADINGS:]:
        words = line.split()
        if words[0] == "->":
            found[-1][1].append(" ".join(words[1:4]))
        else:
            kept = [*words[:3], *((_PERSISTENT,) if _PERSISTENT in words else ())]
            found.append((" ".join(kept), []))
    return frozenset((service, frozenset(dests)) for service, dests in found)


def sketched(table: Table) -> Sketch:
    """What the file would show of a table."""
    return frozenset(
        (
            _service(key, entry),
            frozenset(_dest(place, dest) for place, dest in entry.dests.items()),
        )
        for key, entry in table.items()
    )


def _service(key: ServiceKey, entry: Entry) -> str:
    where = (
        f"FWM {key.mark:08X}"
        if key.protocol is Protocol.MARK
        else f"{key.protocol.upper()} {_socket(key.address, key.port)}"
    )
    kept = f" {_PERSISTENT}" if entry.service.persistence_s else ""
    return f"{where} {entry.service.scheduler}{kept}"


def _dest(key: DestKey, dest: Dest) -> str:
    return f"{_socket(key.address, key.port)} {_WAYS[dest.forwarding]} {dest.weight}"


def _socket(address: str, port: int) -> str:
    if ":" not in address:
        return f"{socket.inet_aton(address).hex().upper()}:{port:04X}"
    return f"[{socket.inet_pton(socket.AF_INET6, address).hex(':', 2)}]:{port:04X}"
