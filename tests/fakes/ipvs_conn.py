# SPDX-License-Identifier: Apache-2.0
"""The kernel's list of connections in memory, and its lines."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from ipaddress import ip_address
from typing import TypeVar

from services.drivers.ipvs import LOAD
from services.drivers.ipvs_conn import Reading, Slices
from services.errors import Unable

Result = TypeVar("Result")

HEADING = "Pro FromIP   FPrt ToIP     TPrt DestIP   DPrt State       Expires PEName PEData"
TOGETHER = 3
"""Lines in a slice."""


@dataclass
class FakeConnections:
    """A list of connections; `whole` off: there was no time for the rest of them."""

    lines: Sequence[bytes] = ()
    whole: bool = True
    loaded: bool = True

    async def read(self, digest: Callable[[Slices], Result]) -> Reading[Result]:
        if not self.loaded:
            raise Unable("This kernel has no IPVS.", do=LOAD)
        return Reading(digest(self._slices()), self.whole, 0.0 if self.whole else 10.0)

    def _slices(self) -> Iterator[Sequence[bytes]]:
        for at in range(0, len(self.lines), TOGETHER):
            yield self.lines[at : at + TOGETHER]


def entry(
    client: str, vip: str, rip: str, state: str, expires_s: int, *, protocol: str = "TCP"
) -> bytes:
    """An entry as the kernel writes it; addresses as `192.0.2.1:80` or `[2001:db8::1]:80`."""
    where = " ".join(f"{_address(each)} {_port(each):04X}" for each in (client, vip, rip))
    return f"{protocol:<3} {where} {state:<11} {expires_s:7d}".encode()


def file_of(lines: Iterable[bytes]) -> bytes:
    """The whole file."""
    return b"".join(line + b"\n" for line in (HEADING.encode(), *lines))


def _address(place: str) -> str:
    address = ip_address(place.rpartition(":")[0].strip("[]"))
    return address.packed.hex().upper() if address.version == 4 else address.exploded


def _port(place: str) -> int:
    return int(place.rpartition(":")[2])
