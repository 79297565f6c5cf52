# SPDX-License-Identifier: Apache-2.0
"""The one door to both streams: data on standard output, words for people on standard error.

Whatever is printed may come from outside (a server's answer in a health check's reason, a
comment, a key of somebody's document), so control characters are made visible here, on
every path to a terminal, and not where the strings come from.
"""

from __future__ import annotations

import errno
import os
import re
import sys
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from types import MappingProxyType
from typing import TextIO

from services.errors import ApplianceError, ConfigInvalid, Unable

LONGEST = 2000
"""Characters of one cell or line; what a hostile document can hold must not flood a terminal."""

PIPE_CLOSED = 141
"""Exit status when the reader, e.g. `head`, had enough: what SIGPIPE gives."""

NUMBER = r"([0-9]+(\.[0-9]+)?( [kMGT]?B)?)?"
"""What `table` puts to the right: a count, a rate, nothing; not an address."""

COLOURS: Mapping[str, str] = MappingProxyType(
    {"UP": "32", "WARN": "33", "DOWN": "31", "HALT": "34", "DRAIN": "34", "OFF": "34"}
)
"""The guide's colours of health, as SGR codes: green, yellow, red, blue."""


def visible(text: str, limit: int = LONGEST) -> str:
    """`text` in one line, control and invisible characters written as escapes."""
    cut = text if len(text) <= limit else text[:limit] + "…"
    if cut.isprintable():
        return cut
    return "".join(
        sign if sign.isprintable() else sign.encode("unicode_escape").decode("ascii")
        for sign in cut
    )


def paragraphs(text: str) -> str:
    """Several lines, each made visible; only a line feed ends one."""
    return "\n".join(visible(line) for line in text.split("\n"))


def data(text: str, *, as_it_is: bool = False) -> None:
    """Write what was asked for to standard output, and find out now if that fails.

    It ends with a line feed unless it is a file, to be copied `as_it_is`.
    """
    try:
        _write(sys.stdout, text if as_it_is or text.endswith("\n") else text + "\n")
    except BrokenPipeError as error:
        raise SystemExit(PIPE_CLOSED) from error
    except OSError as error:
        raise Unable(
            f"The output could not be written: {error.strerror}.",
            do="Look at where it goes: a full disk, or a terminal that is closed.",
        ) from error


def say(text: str) -> None:
    """Tell the person something; every line made visible."""
    _tell(paragraphs(text) + "\n")


def complain(error: ApplianceError) -> None:
    """Say what happened and what to do, and every problem in a line of its own."""
    lines = [f"ballast: {visible(error.what)} {visible(error.do)}"]
    if isinstance(error, ConfigInvalid):
        lines += [f"  {visible(str(problem))}" for problem in error.problems]
    _tell("\n".join(lines) + "\n")


def _tell(text: str) -> None:
    # words that reach nobody change nothing of what was done, nor of the exit status
    with suppress(OSError):
        _write(sys.stderr, text)


def _write(stream: TextIO | None, text: str) -> None:
    if stream is None:  # closed before we began
        raise OSError(errno.EBADF, os.strerror(errno.EBADF))
    try:
        stream.write(text)
        stream.flush()
    except OSError:
        # what is left in the buffer would fail once more when the interpreter ends
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
        raise


def as_json(value: object) -> str:
    """Messages, documents or lists of them as JSON that is ASCII only.

    A C1 control or a right-to-left override inside a string would reach the terminal as it
    is; escaped, it is the same JSON.
    """
    from pydantic_core import to_json

    text = to_json(value, indent=2).decode()
    return re.sub(r"[^\x20-\x7e\n]", _escaped, text)


def _escaped(found: re.Match[str]) -> str:
    units = found[0].encode("utf-16-be")
    return "".join(f"\\u{units[at : at + 2].hex()}" for at in range(0, len(units), 2))


def table(heads: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """An aligned plain table; a column whose every value is a number leans to the right.

    Health words carry their colour on a terminal only, and never under `NO_COLOR`.
    """
    cells = [[visible(str(cell)) for cell in row] for row in rows]
    columns = list(zip(heads, *cells, strict=True))
    widths = [max(map(_width, column)) for column in columns]
    right = [
        any(column[1:]) and all(re.fullmatch(NUMBER, cell) for cell in column[1:])
        for column in columns
    ]
    paint = _paints(sys.stdout)
    lines = []
    for line in [list(heads), *cells]:
        shown = []
        for cell, width, leans in zip(line, widths, right, strict=True):
            gap = " " * (width - _width(cell))
            text = f"\x1b[{COLOURS[cell]}m{cell}\x1b[0m" if paint and cell in COLOURS else cell
            shown.append(gap + text if leans else text + gap)
        lines.append("  ".join(shown).rstrip())
    return "\n".join(lines)


def _paints(stream: TextIO | None) -> bool:
    return (
        stream is not None
        and stream.isatty()
        and not os.environ.get("NO_COLOR")
        and os.environ.get("TERM", "dumb") != "dumb"
    )


def _width(text: str) -> int:
    """Terminal columns: wide letters take two, combining ones none."""
    if text.isascii():
        return len(text)
    return sum(
        0 if unicodedata.combining(sign) else 2 if unicodedata.east_asian_width(sign) in "WF" else 1
        for sign in text
    )


def clock(at: float) -> str:
    """A moment in the reader's own time zone, e.g. `2026-03-01 14:05:59`."""
    return f"{datetime.fromtimestamp(at, tz=UTC).astimezone():%Y-%m-%d %H:%M:%S}"


def span(seconds: int) -> str:
    """A duration in its two largest units, e.g. `3d 4h` or `12s`."""
    days, rest = divmod(max(0, seconds), 86_400)
    hours, rest = divmod(rest, 3600)
    minutes, left = divmod(rest, 60)
    parts = [f"{days}d", f"{hours}h", f"{minutes}m", f"{left}s"]
    first = next((at for at, count in enumerate((days, hours, minutes)) if count), 3)
    return " ".join(parts[first : first + 2])


def rate(per_s: float) -> str:
    """Bytes per second, e.g. `1.2 MB`."""
    for unit in ("B", "kB", "MB", "GB"):
        if per_s < 1000:
            return f"{per_s:.0f} {unit}" if unit == "B" else f"{per_s:.1f} {unit}"
        per_s /= 1000
    return f"{per_s:.1f} TB"
