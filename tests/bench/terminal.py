# SPDX-License-Identifier: Apache-2.0
"""A program on a terminal of 80 by 24, and a clock on what it paints.

A real pseudo terminal with TERM=linux, as on the appliance's own screen. Of the language
of terminals just as much is understood as it takes to know which text stands where: colours
are skipped. Nobody answers the questions a program asks its terminal, for the Linux console
does not answer most of them either.
"""

from __future__ import annotations

import codecs
import fcntl
import os
import pty
import re
import select
import signal
import struct
import termios
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Self

COLUMNS, ROWS = 80, 24

_TOKEN = re.compile(
    r"\x1b\[(?P<args>[0-?]*)[ -/]*(?P<final>[@-~])"
    r"|\x1b[\]P_^].*?(?:\x07|\x1b\\)"
    r"|\x1b[ -/]+[0-~]"
    r"|\x1b[0-OQ-Z\\`-~]"
    r"|(?P<control>[\x00-\x1a\x1c-\x1f\x7f])"
    r"|(?P<text>[^\x00-\x1f\x7f]+)",
    re.DOTALL,
)


class Picture:
    """What stands on the screen."""

    def __init__(self) -> None:
        self._rows = [[" "] * COLUMNS for _ in range(ROWS)]
        self._row = self._column = 0
        self._decode = codecs.getincrementaldecoder("utf-8")("replace").decode
        self._rest = ""

    @property
    def lines(self) -> list[str]:
        """The rows of text, from the top."""
        return ["".join(row) for row in self._rows]

    def feed(self, data: bytes) -> None:
        """Take on what the program wrote."""
        text = self._rest + self._decode(data)
        position = 0
        while found := _TOKEN.match(text, position):
            position = found.end()
            if found["text"]:
                self._write(found["text"])
            elif found["control"]:
                self._control(found["control"])
            elif found["final"]:
                self._move(found["final"], found["args"])
        self._rest = text[position:]

    def _write(self, text: str) -> None:
        for sign in text:
            if self._column >= COLUMNS:
                self._column = 0
                self._line_feed()
            self._rows[self._row][self._column] = sign
            self._column += 1

    def _line_feed(self) -> None:
        if self._row < ROWS - 1:
            self._row += 1
        else:
            self._rows = [*self._rows[1:], [" "] * COLUMNS]

    def _control(self, sign: str) -> None:
        if sign == "\r":
            self._column = 0
        elif sign == "\n":
            self._line_feed()
        elif sign == "\b":
            self._column = max(0, self._column - 1)

    def _move(self, final: str, args: str) -> None:
        if args[:1] in {"?", ">", "<", "="}:
            return
        numbers = [int(piece or 0) for piece in args.split(";")] if args else []
        first = numbers[0] if numbers else 0
        match final:
            case "H" | "f":
                self._row = min(max(first, 1), ROWS) - 1
                self._column = min(max(numbers[1] if len(numbers) > 1 else 1, 1), COLUMNS) - 1
            case "A":
                self._row = max(0, self._row - max(first, 1))
            case "B":
                self._row = min(ROWS - 1, self._row + max(first, 1))
            case "C":
                self._column = min(COLUMNS - 1, self._column + max(first, 1))
            case "D":
                self._column = max(0, self._column - max(first, 1))
            case "G":
                self._column = min(max(first, 1), COLUMNS) - 1
            case "J" if first == 2:
                self._rows = [[" "] * COLUMNS for _ in range(ROWS)]
            case "K" if first == 0:
                self._rows[self._row][self._column :] = [" "] * (COLUMNS - self._column)


class Terminal:
    """A program that runs on a terminal of its own until `close`."""

    def __init__(self, argv: Sequence[str], env: Mapping[str, str]) -> None:
        self.picture = Picture()
        self.begun = time.perf_counter()
        """When it was started, before the fork."""
        self.pid, self._fd = pty.fork()
        if self.pid == 0:
            try:
                os.execvpe(argv[0], list(argv), {**env, "TERM": "linux"})
            finally:
                os._exit(127)
        # the program takes longer to start Python than we to say how large its terminal is
        fcntl.ioctl(self._fd, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))

    def until(self, painted: Callable[[Sequence[str]], bool], *, timeout_s: float) -> float:
        """Seconds from the start until the screen satisfies `painted`.

        Raises `RuntimeError` with the screen when it does not in time.
        """
        give_up_at = time.perf_counter() + timeout_s
        while not painted(self.picture.lines):
            if not self._take(give_up_at - time.perf_counter()):
                shown = "\n".join(self.picture.lines)
                raise RuntimeError(f"the screen never shows what it should:\n{shown}")
        return time.perf_counter() - self.begun

    def settle(self, quiet_s: float, *, at_most_s: float = 5) -> None:
        """Wait until nothing has been painted for `quiet_s`."""
        give_up_at = time.perf_counter() + at_most_s
        while self._take(quiet_s) and time.perf_counter() < give_up_at:
            pass

    def pass_time(self, seconds: float) -> int:
        """Let it paint for a while; how often it did."""
        end, count = time.perf_counter() + seconds, 0
        while (left := end - time.perf_counter()) > 0:
            count += self._take(left)
        return count

    def key_s(self, key: bytes, *, timeout_s: float = 5) -> float:
        """Seconds from pressing a key to the first byte painted."""
        begun = time.perf_counter()
        os.write(self._fd, key)
        if not select.select([self._fd], [], [], timeout_s)[0]:
            raise RuntimeError(f"nothing is painted within {timeout_s:g} s of {key!r}")
        spent = time.perf_counter() - begun
        self._take(0)
        return spent

    def _take(self, timeout_s: float) -> bool:
        """Whether something was painted within so many seconds."""
        if not select.select([self._fd], [], [], max(0.0, timeout_s))[0]:
            return False
        try:
            data = os.read(self._fd, 1 << 16)
        except OSError:
            data = b""
        if not data:
            shown = "\n".join(self.picture.lines)
            raise RuntimeError(f"the program has ended:\n{shown}")
        self.picture.feed(data)
        return True

    def close(self) -> None:
        """End the program."""
        with suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)
        os.close(self._fd)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
