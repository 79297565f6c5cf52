# SPDX-License-Identifier: Apache-2.0
"""What a Linux text console can draw, and nothing else.

Debian's console fonts have no half, eighth or quadrant blocks and the kernel's own font has
few letters beyond ASCII, so the set is small and everything that reaches the screen goes
through `cells`: one sign for one cell, whatever the text held. That also makes foreign text
harmless: no control character, no wide sign and no markup survives it.
"""

from __future__ import annotations

LINES = "─│┌┐└┘├┤┬┴┼"
BLOCKS = "█▒░"
MARKS = "▲▼•"

ASCII = frozenset(map(chr, range(0x20, 0x7F)))
LATIN = frozenset(map(chr, range(0xA1, 0x100))) - {"\xad"}
"""Letters of western Europe: in every Debian console font, so names and comments may use them."""

DRAWABLE = ASCII | frozenset(LINES + BLOCKS + MARKS)
"""What our own words, frames and marks are made of."""

UNKNOWN = "?"
CUT = "~"

_PLAIN = str.maketrans("…–—‘’“”→←↑↓×", "~--''\"\"><^vx")
"""Signs of good print that have a plain neighbour."""


def cells(text: str) -> str:
    """Foreign text as it may be drawn: as many cells as it has signs, each of them drawable."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(
        sign if sign in DRAWABLE or sign in LATIN else UNKNOWN for sign in text.translate(_PLAIN)
    )


def fit(text: str, width: int, *, right: bool = False) -> str:
    """`text` in exactly `width` cells; what had to go is marked with `~`."""
    clean = cells(text)
    if len(clean) > width:
        clean = clean[: max(0, width - 1)] + CUT if width else ""
    return clean.rjust(width) if right else clean.ljust(width)


def bar(percent: float, width: int = 10) -> str:
    """A gauge like `[####......]`, `width` signs inside the brackets."""
    full = round(max(0.0, min(100.0, percent)) / 100 * width)
    return f"[{'#' * full}{'.' * (width - full)}]"


def wrap(text: str, width: int) -> list[str]:
    """`text` in lines of at most `width` cells, broken at blanks where there are any."""
    lines: list[str] = []
    for paragraph in text.splitlines() or [""]:
        line = ""
        for word in cells(paragraph).split(" "):
            rest = word
            while len(rest) > width:
                if line:
                    lines.append(line)
                    line = ""
                lines.append(rest[:width])
                rest = rest[width:]
            if line and len(line) + 1 + len(rest) > width:
                lines.append(line)
                line = rest
            else:
                line = f"{line} {rest}" if line else rest
        lines.append(line)
    return lines
