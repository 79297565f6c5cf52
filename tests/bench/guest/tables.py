# SPDX-License-Identifier: Apache-2.0
"""The tables that both sides make, and how large the kernel's is."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any, NamedTuple

from services.model import Document

SERVICES, SERVERS = 1000, 10
VIPS, RIPS = IPv4Address("198.18.0.1"), IPv4Address("198.19.0.1")
"""The first ones, of the network that RFC 2544 keeps for benchmarks."""
PORT = 80
POLL_S = 0.25
"""Seldom, for a look at a large table takes a third of that."""
HEADINGS = 3
_TABLE = Path("/proc/net/ip_vs")

Samples = dict[str, list[float]]


def document(services: int, servers: int, check: dict[str, Any]) -> Document:
    """So many services of so many servers, each with an address of its own.

    By TUN, whose servers need not be neighbours: nobody has to know ten thousand of them.
    """
    listed = [
        {
            "id": at + 1,
            "label": f"service-{at + 1}",
            "addresses": [str(VIPS + at)],
            "ports": str(PORT),
            "forwarding": "tun",
            "servers": [
                {
                    "id": number + 1,
                    "label": f"server-{number + 1}",
                    "address": str(RIPS + at * servers + number),
                }
                for number in range(servers)
            ],
            "check": check,
        }
        for at in range(services)
    ]
    return Document.model_validate({"cluster": {"layer4": listed}})


NEVER = {"kind": "always_on"}
"""The check of a benchmark that is of the table alone."""


def saved() -> list[str]:
    """The kernel's table as `ipvsadm -R` takes it."""
    said = subprocess.run(["ipvsadm", "-Sn"], check=True, capture_output=True, text=True)
    return said.stdout.splitlines()


def entries() -> list[str]:
    """The kernel's services and destinations, a line each."""
    return _TABLE.read_text().splitlines()[HEADINGS:]


def restored_s(lines: list[str]) -> float:
    """Empty the table and fill it as an engineer does; seconds for the second."""
    empty()
    text = "".join(f"{line}\n" for line in lines)
    begun = time.perf_counter()
    subprocess.run(["ipvsadm", "-R"], check=True, text=True, input=text)
    return time.perf_counter() - begun


def empty() -> None:
    """Take every service away."""
    subprocess.run(["ipvsadm", "-C"], check=True)


def require_same(found: list[str], wanted: list[str]) -> None:
    """Raise `RuntimeError` unless both sides made the same table."""
    if different := set(found) ^ set(wanted):
        raise RuntimeError(f"the tables differ in {len(different)} lines: {min(different)}")


class Filled(NamedTuple):
    """How long it took until the table had so many lines."""

    spent_s: float
    lines: int


def filled(begun: float, count: int, running: Callable[[], bool], *, within_s: float) -> Filled:
    """Wait until the table has `count` lines, or give up; raises `RuntimeError` if its maker ends.

    A look that finds all of them counts from when it began: that is to the other side's favour.
    """
    while True:
        spent_s = time.perf_counter() - begun
        if (there := len(entries())) >= count or spent_s > within_s:
            return Filled(spent_s, there)
        if not running():
            raise RuntimeError(f"it has ended with {there} of {count} lines")
        time.sleep(POLL_S)
