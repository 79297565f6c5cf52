# SPDX-License-Identifier: Apache-2.0
"""/proc/net/ip_vs_conn: every connection that IPVS keeps, whatever its forwarding method.

SNAT's are here like the others; conntrack would only add the port of ours that a server sees.

The kernel has no other way to list them, and none to ask for some of them only. It hands the
file out in pieces of 4 KiB, about 60 lines, and for each walks its table from the beginning
(`ip_vs_conn_array`), so that the time grows with the square of the entries: with Linux 6.12 in
an emulated guest 20,000 took 0.8 s, 79,000 took 13 s. A table of a million cannot be read to its
end. So reading has a budget of time, and whoever asks is told when that was not enough. What
was read until then is as good as drawn by lot, since the table's order is a hash of the client.

Lines go to whoever asked in slices, from a thread, and are kept nowhere: what a million of them
costs is time, not memory. One reading goes on at a time.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, NamedTuple, Protocol, TypeVar

from services.drivers.ipvs import LOAD
from services.errors import Refused, Unable

PROC = Path("/proc/net/ip_vs_conn")

BUDGET_S = 10.0
"""Longer no person waits, and no unit works for a look."""

QUEUE = 4
"""Questions that may wait for their turn; each may take the whole budget."""

SLICE = 1 << 16
"""Bytes asked for at once; between two slices other threads have their turn."""

LONGEST = 512
"""Bytes of a line: 168 hold any but those with a persistence engine's data, at most 272 more."""

_HEADING = b"Pro "

Result = TypeVar("Result")
Slices = Iterator[Sequence[bytes]]
"""Lines, some at a time, without their ends."""


@dataclass(frozen=True)
class Reading(Generic[Result]):
    """What was made of the lines, and whether those were all."""

    result: Result
    whole: bool
    took_s: float


class ConnectionTable(Protocol):
    """The kernel's connections."""

    async def read(self, digest: Callable[[Slices], Result]) -> Reading[Result]:
        """Give all lines to `digest`, in a thread, as long as the budget lasts.

        Raises `Unable` without IPVS, `Refused` if too many ask at once, and what `digest` raises.
        """


class KernelConnections:
    """The kernel's, in the network namespace of this process."""

    def __init__(self, path: Path = PROC, *, budget_s: float = BUDGET_S) -> None:
        self._path = path
        self._budget_s = budget_s
        self._turn = asyncio.Lock()
        self._asking = 0

    async def read(self, digest: Callable[[Slices], Result]) -> Reading[Result]:
        if self._asking > QUEUE:
            raise Refused(
                "The connections are being read for others already.", do="Try again in a while."
            )
        self._asking += 1
        try:
            async with self._turn:
                return await asyncio.to_thread(self._read, digest)
        finally:
            self._asking -= 1

    def _read(self, digest: Callable[[Slices], Result]) -> Reading[Result]:
        begun = time.monotonic()
        slices = _Slices(self._path, until=begun + self._budget_s)
        try:
            result = digest(iter(slices))
        except FileNotFoundError as error:
            raise Unable("This kernel has no IPVS.", do=LOAD) from error
        except OSError as error:
            raise Unable(
                f"The kernel's connections cannot be read: {error.strerror or error}.",
                do="Look in the kernel's log.",
            ) from error
        return Reading(result, slices.whole, time.monotonic() - begun)


class _Slices:
    """The file's lines; `whole` once its end was reached."""

    def __init__(self, path: Path, *, until: float) -> None:
        self._path = path
        self._until = until
        self.whole = False

    def __iter__(self) -> Slices:
        begun = b""
        with self._path.open("rb", buffering=0) as file:
            while time.monotonic() < self._until:
                data = file.read(SLICE)
                if not data:
                    self.whole = True
                    break
                lines = (begun + data).split(b"\n")
                begun = lines.pop()[:LONGEST]
                if lines and lines[0].startswith(_HEADING):
                    del lines[0]
                yield lines


class Line(NamedTuple):
    """An entry, still in the kernel's writing."""

    client: bytes
    client_port: bytes
    shared: tuple[bytes, ...]
    """Protocol, VIP, port, destination, port and state: all that entries may have in common."""
    expires_s: int


def read_line(line: bytes) -> Line | None:
    """An entry; None: it is none that we understand.

    What a persistence engine adds, e.g. a SIP call's name, comes from the network; it is left
    out.
    """
    words = line[:LONGEST].split(None, 9)
    if len(words) < 9 or not words[8].isdigit():
        return None
    protocol, client, client_port, vip, vport, rip, rport, state, expires = words[:9]
    shared = (protocol, vip, vport, rip, rport, state)
    return Line(client, client_port, shared, int(expires))


def packed(address: bytes) -> bytes | None:
    """An address as bytes: `C0000201`, or `2001:0db8:…` with all of its digits; None: neither."""
    found = _hex(address.replace(b":", b""))
    return found if len(found) in {4, 16} else None


def number(port: bytes) -> int | None:
    """A port, four hexadecimal digits; None: it is none."""
    found = _hex(port)
    return int.from_bytes(found, "big") if len(found) == 2 else None


def _hex(digits: bytes) -> bytes:
    try:
        return bytes.fromhex(digits.decode("ascii"))
    except ValueError:
        return b""
