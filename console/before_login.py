# SPDX-License-Identifier: Apache-2.0
"""The status screen on the machine's own terminal, before anybody has logged in.

It says what `console.screens.status` says, in the same words and colours, and is painted without
Textual: a person in front of a machine that starts waits for this screen, and it stands there for
as long as the machine runs. So it loads little, keeps little, and has little that can fail.
"""

from __future__ import annotations

import asyncio
import os
import re
import signal
import sys
import termios
import tty
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from time import monotonic
from typing import TYPE_CHECKING, NoReturn

from rich.color import ColorSystem
from rich.segment import Segment

from console import faults, status_words, terminal, theme
from console.glyphs import cells, wrap
from console.keymap import KEYS, explained
from console.picture import Picture
from console.watch import HOLD_S, Watch
from console.widgets import bars
from console.wording import NOTICE_S
from services.looking import Looker, socket_path

if TYPE_CHECKING:
    from pathlib import Path

    from console.watch import Watched

Line = Sequence[Segment]

_FUNCTION_KEYS = {
    **dict.fromkeys(("[A", "11~", "P"), "f1"),
    **dict.fromkeys(("[B", "12~", "Q"), "f2"),
    "18~": "f7",
    "21~": "f10",
    "24~": "f12",
}
"""What a Linux console, a VT220 and an xterm send, after Esc and `[` or `O`."""
_PRESSED = re.compile(r"\x1b[\[O](?P<function>\[?[0-9;]*[A-Za-z~])|\x1b|(?P<sign>.)", re.DOTALL)
_SIGNS = {"\r": "enter", "\n": "enter", "\x0c": "ctrl+l", "?": "question_mark"}

_ANSWERS = {
    "power": ("Restart and shut down need a login: F2 or Enter first, then F12.", theme.PLAIN),
    "quit": (
        "This is the appliance's own screen: it stays. F12 restarts or shuts down.",
        theme.PLAIN,
    ),
    "review": (status_words.LOGIN_FIRST, theme.WARNING),
}
_DOES = {
    key: name for name in ("log_in", "help", "repaint", *_ANSWERS) for key in KEYS[name].keys
} | dict.fromkeys("12345678", "review")


def pressed(typed: str) -> list[str]:
    """The keys in what a terminal sends, by the names that `console.keymap` has for them."""
    keys = []
    for found in _PRESSED.finditer(typed):
        if sign := found["sign"]:
            keys.append(_SIGNS.get(sign, sign))
        else:
            keys.append(_FUNCTION_KEYS.get(found["function"] or "", "escape"))
    return keys


def screenful(
    picture: Picture, size: os.terminal_size, notice: Line = (), *, helping: bool = False
) -> list[Line]:
    """Every line of the screen."""
    width, height = size
    if not terminal.fits(width, height):
        return [[Segment(terminal.TOO_SMALL, theme.WARNING)]]
    room = height - 4
    if helping:
        body = _help(width)
    elif picture.silent:
        body = status_words.calm(picture, width)
    elif picture.status is not None:
        body = status_words.facts(picture.status, width, room)
    else:
        body = []
    return [
        bars.title(picture, status_words.CRUMBS, width, named=False),
        bars.status(picture, width),
        *body[:room],
        *([[]] * (room - len(body))),
        notice,
        bars.footer(status_words.FOOTER, width),
    ]


def _help(width: int) -> list[list[Segment]]:
    lines = wrap(status_words.ABOUT, width - 4)
    lines += ["", *explained(("log_in", *status_words.FOOTER[2:], "help"), width - 4)]
    lines += ["", "Any key leads back."]
    return [[], *([Segment(f"  {line}", theme.PLAIN)] for line in lines)]


class Screen:
    """What stands on the terminal, and what a key does to it."""

    def __init__(self, appliance: Watched, painted: Callable[[], object]) -> None:
        """`painted` is called once, when the first figures stand there. Needs a running loop."""
        self.watch = Watch(appliance, self.paint)
        self.ended: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        """The status to end with, or a fault of ours."""
        self._painted: Callable[[], object] | None = painted
        self._rows: list[str] = []
        self._notice: Line = ()
        self._said_at = 0.0
        self._helping = False

    def end(self, status: int) -> None:
        """Leave the terminal."""
        if not self.ended.done():
            self.ended.set_result(status)

    def paint(self) -> None:
        """Bring the terminal up to date."""
        with self._ending_at_a_fault():
            self._paint()

    def paint_all(self) -> None:
        """Paint as if nothing stood there: something else may have written over it."""
        with self._ending_at_a_fault():
            self._wipe()
            self._paint()

    def listen(self) -> None:
        """A person has pressed keys."""
        with self._ending_at_a_fault():
            typed = os.read(0, 4096)
            if not typed:
                self.end(terminal.HUNG_UP)
            for key in pressed(typed.decode(errors="replace")):
                self._do(_DOES.get(key, ""))
            self._paint()

    def _do(self, action: str) -> None:
        self._helping = action == "help" and not self._helping
        if action == "log_in":
            self.end(terminal.EXIT_LOG_IN)
        elif action == "repaint":
            self._wipe()
        elif action in _ANSWERS:
            words, style = _ANSWERS[action]
            self._notice, self._said_at = [Segment(f" {words}", style)], monotonic()

    def _wipe(self) -> None:
        self._rows = []
        _write("\x1b[0m\x1b[2J")

    def _paint(self) -> None:
        size = os.get_terminal_size(1)
        notice = self._notice if monotonic() - self._said_at < NOTICE_S else ()
        lines = screenful(self.watch.picture, size, notice, helping=self._helping)
        rows = [_row(line, size.columns) for line in lines]
        before = self._rows if len(self._rows) == len(rows) else [""] * len(rows)
        both = enumerate(zip(rows, before, strict=True), 1)
        _write("".join(f"\x1b[{at};1H{row}" for at, (row, old) in both if row != old))
        self._rows = rows
        if self._painted is not None and self.watch.picture.status is not None:
            told, self._painted = self._painted, None
            told()

    @contextmanager
    def _ending_at_a_fault(self) -> Iterator[None]:
        """Otherwise the loop would go on with a broken screen."""
        try:
            yield
        except Exception as error:  # noqa: BLE001 - whatever it is, the screen is started anew
            if not self.ended.done():
                self.ended.set_exception(error)


def _row(line: Line, width: int) -> str:
    """A line as a terminal takes it; the last piece's background runs on to the edge."""
    rest = Segment(" " * width, line[-1].style if line else None)
    pieces = []
    for text, style, _ in (*line, rest):
        shown = cells(text)[:width]
        width -= len(shown)
        if shown:
            pieces.append((style or theme.PLAIN).render(shown, color_system=ColorSystem.STANDARD))
    return "".join(pieces)


def _write(text: str) -> None:
    data = text.encode()
    while data:
        data = data[os.write(1, data) :]


@contextmanager
def _second_screen() -> Iterator[None]:
    """The terminal's second screen, without a cursor; keys come one by one and unseen."""
    before = termios.tcgetattr(0)
    tty.setraw(0)
    _write("\x1b[?1049h\x1b[?25l\x1b[0m\x1b[2J")
    try:
        yield
    finally:
        with suppress(OSError, termios.error):
            _write("\x1b[0m\x1b[2J\x1b[H\x1b[?25h\x1b[?1049l")
            termios.tcsetattr(0, termios.TCSANOW, before)


async def show(appliance: Watched, painted: Callable[[], object]) -> int:
    """Show the status until somebody wants in (`EXIT_LOG_IN`), a signal comes or the line goes."""
    loop = asyncio.get_running_loop()
    screen = Screen(appliance, painted)
    for number in (signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, screen.end, 128 + number)
    loop.add_signal_handler(signal.SIGWINCH, screen.paint_all)
    terminal.on_hang_up(lambda: loop.call_soon_threadsafe(screen.end, terminal.HUNG_UP))
    with _second_screen():
        loop.add_reader(0, screen.listen)
        loop.call_later(HOLD_S, screen.paint)
        watching = asyncio.create_task(screen.watch.run())
        try:
            await asyncio.wait((screen.ended, watching), return_when=asyncio.FIRST_COMPLETED)
            return screen.ended.result()
        finally:
            loop.remove_reader(0)
            watching.cancel()


def main(socket: Path | None, painted: Callable[[], object]) -> NoReturn:
    """Show it on this terminal; exits with what `show` returns, or 3 after a fault."""
    terminal.scrub()
    try:
        status = asyncio.run(show(Looker(socket or socket_path()), painted))
    except Exception as error:  # noqa: BLE001 - the last door before the screen
        faults.record(error, "showing the status")
        status = faults.EXIT_FAULT
    sys.exit(status)
