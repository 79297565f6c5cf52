# SPDX-License-Identifier: Apache-2.0
"""The machine's own screen and its serial lines: all show the same page, any may answer.

A serial line of a server may be a cable to a pair's other appliance, over which heartbeat speaks.
So a line takes no part until a carriage return has come over it: that is what a person's terminal
sends for Enter, and what heartbeat, which ends its lines with a line feed, never sends.
"""

from __future__ import annotations

import os
import select
import termios
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from image.installer.pages import Page

SCREEN = "tty1"
SERIAL = ("ttyS0", "ttyS1")
INVITATION = b"\r\nBallast installer: press Enter to use it on this line.\r\n"
ESCAPE_S = 0.2
"""So long after Esc the rest of an arrow key may take on a slow line."""

_SEQUENCES = {
    b"\x1b[A": "up",
    b"\x1bOA": "up",
    b"\x1b[B": "down",
    b"\x1bOB": "down",
}
_SINGLE = {b"\r": "enter", b"\x1b": "escape", b"\x7f": "backspace", b"\x08": "backspace"}


def keys_of(data: bytes) -> list[str]:
    """The keys behind what a terminal has sent; sequences nobody here needs are left out."""
    keys = []
    while data:
        if data[:1] == b"\x1b" and data[1:2] in {b"[", b"O"}:
            end = next((n for n, byte in enumerate(data) if n > 1 and 0x40 <= byte < 0x7F), None)
            sequence = data[: len(data) if end is None else end + 1]
            keys += [_SEQUENCES[sequence]] if sequence in _SEQUENCES else []
            data = data[len(sequence) :]
            continue
        first, data = data[:1], data[1:]
        if first in _SINGLE:
            keys.append(_SINGLE[first])
        elif b" " <= first <= b"~":
            keys.append(first.decode("ascii"))
    return keys


def painted(page: Page) -> bytes:
    """A page as a VT100 paints it: over the last one, so that nothing flickers."""
    top, *middle, bottom = page.lines()
    rows = [f"\x1b[7m{top}\x1b[0m\x1b[K", *(f"{line}\x1b[K" for line in middle)]
    rows.append(f"\x1b[7m{bottom}\x1b[0m\x1b[K\x1b[J")
    return ("\x1b[H" + "\r\n".join(rows)).encode("ascii", "replace")


@dataclass
class Line:
    """One terminal."""

    name: str
    fd: int
    awake: bool
    """Whether it takes part."""
    shown: bytes = field(default=b"")

    def heard(self, data: bytes) -> bytes:
        """What counts of what came; a line that sleeps wakes at a carriage return."""
        if self.awake:
            return data
        _, found, rest = data.partition(b"\r")
        self.awake = bool(found)
        return rest

    def show(self, picture: bytes) -> None:
        """Paint, unless it stands there already. A line nobody reads must not stop the others."""
        if self.awake and picture != self.shown:
            fresh = b"" if self.shown else b"\x1b[2J"
            with suppress(OSError):
                os.write(self.fd, fresh + picture)
            self.shown = picture


class Terminals:
    """All of them together; `open_all` opens them."""

    def __init__(self, lines: Sequence[Line]) -> None:
        self._lines = list(lines)
        self._picture = b""

    def show(self, page: Page) -> None:
        """Paint a page everywhere."""
        self._picture = painted(page)
        for line in self._lines:
            line.show(self._picture)

    def keys(self, *, within_s: float | None) -> list[str]:
        """What was pressed within the time; None waits for as long as it takes."""
        ready, _, _ = select.select([line.fd for line in self._lines], [], [], within_s)
        found: list[str] = []
        for line in [each for each in self._lines if each.fd in ready]:
            data = self._read(line)
            was_awake = line.awake
            found += keys_of(line.heard(data))
            if line.awake and not was_awake:
                line.show(self._picture)
        return found

    def _read(self, line: Line) -> bytes:
        """What has come, with the rest of a key whose first byte has."""
        data = _now(line.fd)
        if data is None:
            # gone: a USB serial adapter was pulled out
            self._lines.remove(line)
            return b""
        give_up_at = time.monotonic() + ESCAPE_S
        while data.endswith((b"\x1b", b"\x1b[", b"\x1bO")):
            left_s = give_up_at - time.monotonic()
            if left_s <= 0 or not select.select([line.fd], [], [], left_s)[0]:
                break
            data += _now(line.fd) or b""
        return data


def _now(fd: int) -> bytes | None:
    try:
        return os.read(fd, 1024) or None
    except BlockingIOError:
        return b""
    except OSError:
        return None


@contextmanager
def open_all(devices: Path = Path("/dev")) -> Iterator[Terminals]:
    """The screen and every serial line this machine has; put back as they were afterwards."""
    lines: list[Line] = []
    before: list[tuple[int, list[Any]]] = []
    try:
        for name in (SCREEN, *SERIAL):
            # a serial port that is not there has a name all the same, and no settings
            with suppress(OSError, termios.error):
                fd = os.open(devices / name, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
                line = Line(name, fd, awake=name == SCREEN)
                lines.append(line)
                try:
                    before.append((fd, termios.tcgetattr(fd)))
                    _settle(fd)
                except (OSError, termios.error):
                    lines.remove(line)
                    os.close(fd)
                    raise
        for line in lines:
            if not line.awake:
                with suppress(OSError):
                    os.write(line.fd, INVITATION)
        yield Terminals(lines)
    finally:
        for fd, settings in before:
            with suppress(OSError, termios.error):
                termios.tcsetattr(fd, termios.TCSANOW, settings)
        for line in lines:
            os.close(line.fd)


def _settle(fd: int) -> None:
    """Every key as it comes, unechoed; 115200 bits without waiting for a carrier or for RTS."""
    settings = termios.tcgetattr(fd)
    settings[0] = 0
    settings[1] = 0
    settings[2] = termios.CS8 | termios.CREAD | termios.CLOCAL
    settings[3] = 0
    settings[4] = settings[5] = termios.B115200
    settings[6][termios.VMIN], settings[6][termios.VTIME] = 1, 0
    termios.tcsetattr(fd, termios.TCSANOW, settings)
