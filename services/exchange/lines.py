# SPDX-License-Identifier: Apache-2.0
"""The lines of a foreign file, and the list of those that were not understood.

What is read may be hostile or the wrong file altogether: the number of lines and their length
are bounded, and a line is quoted only through `services.model.base.cleaned`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from operator import attrgetter

from services.errors import Refused
from services.model import Layer4Service
from services.model.base import Address, cleaned

MOST_LINES = 200_000
"""Beyond, a file is refused: 5,000 services of ten servers in the wordiest format have 100,000."""
LONGEST = 4096
"""Signs of a line that is read; no setting is that long."""
QUOTED = 120
"""Signs of a line that are quoted."""

_SECRET = re.compile(r"(\b\w*(?:auth_pass|passwd|password|secret)\w*[\s=]+).*", re.IGNORECASE)
"""What is not shown to everybody who looks over a shoulder."""

Marks = Mapping[int, Sequence[Address]]
"""Addresses of services that are known by a firewall mark, which the files do not say."""


@dataclass(frozen=True)
class Line:
    """One line as it stands, without its end."""

    number: int
    """From 1."""
    text: str


@dataclass(frozen=True, order=True)
class Leftover:
    """Lines that say something we did not take, or not as it stands."""

    first: int
    last: int
    """The same as `first`, or the last line of a block."""
    text: str
    """The first line, fit for a terminal."""
    why: str

    def __str__(self) -> str:
        place = (
            f"line {self.first}" if self.first == self.last else f"lines {self.first}-{self.last}"
        )
        return f"{place}: {self.text}: {self.why}"


@dataclass(frozen=True)
class Imported:
    """What a file came to."""

    services: tuple[Layer4Service, ...]
    leftovers: tuple[Leftover, ...]
    """In the order of the file."""


@dataclass
class Left:
    """Gathers what is left over while a file is read."""

    found: set[Leftover] = field(default_factory=set)

    def add(self, line: Line, why: str, *, last: int = 0) -> None:
        """Leave a line, or the block that begins there and ends with line `last`."""
        text = cleaned(_SECRET.sub(r"\1…", line.text.strip()), QUOTED)
        self.found.add(Leftover(line.number, last or line.number, text, why))

    def add_all(self, lines: Iterable[Line], why: str) -> None:
        """Leave several lines for one reason."""
        for line in lines:
            self.add(line, why)

    def sorted(self) -> tuple[Leftover, ...]:
        """In the order of the file."""
        return tuple(sorted(self.found, key=attrgetter("first", "last", "text", "why")))


def text_of(data: bytes, name: str) -> str:
    """A foreign file as text; a byte that is no UTF-8 stays visible as its escape.

    Raises `Refused` for what is no text.
    """
    if b"\0" in data:
        raise Refused(f"{name} is no text but binary data.", do="Name a configuration file.")
    return data.decode("utf-8-sig", errors="backslashreplace")


def lines_of(text: str, left: Left) -> Iterator[Line]:
    """The lines that may say something; one that is too long is left over."""
    lines = text.split("\n")
    if len(lines) > MOST_LINES:
        raise Refused(
            f"The file has {len(lines):,} lines, more than {MOST_LINES:,}.",
            do="Name a configuration file, or split it.",
        )
    for number, whole in enumerate(lines, start=1):
        line = Line(number, whole.rstrip("\r"))
        if len(line.text) > LONGEST:
            left.add(line, f"It is longer than {LONGEST} signs.")
        else:
            yield line
