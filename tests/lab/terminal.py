# SPDX-License-Identifier: Apache-2.0
"""Lending this terminal to a program, and getting it back whatever becomes of the program.

A console that is killed leaves the terminal in raw mode on the alternate screen, and a shell
that is killed leaves it with a process group that no longer exists. The person who typed
`make run` should notice neither.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import termios
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from types import FrameType

from tests.lab.control import ROOT

_NORMAL = (
    "\x1b[<u"  # the keyboard speaks plainly
    "\x1b[?1000l\x1b[?1002l\x1b[?1003l\x1b[?1006l\x1b[?1015l"  # the mouse is quiet
    "\x1b[?1004l\x1b[?2004l"  # so are focus and paste
    "\x1b[?1049l\x1b[?25h\x1b[0m\r"  # first screen, cursor, no colours
)
_UNTIL_OUR_DEATH = ("setpriv", "--pdeathsig", "TERM", "--")
"""A launcher that is killed cannot end the program, which would fight the shell for the keys."""
_ASKING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
END_S = 5


class Asked(SystemExit):
    """A signal asked this program to end; the status is the shell's for that signal."""


def end_by_exception() -> None:
    """Turn the signals that ask for an end into `Asked`, so that every `with` is left properly."""

    def raise_it(number: int, _frame: FrameType | None) -> None:
        # one is enough: a second Ctrl-C must not interrupt the clearing up
        for other in _ASKING:
            signal.signal(other, signal.SIG_IGN)
        raise Asked(128 + number)

    for number in _ASKING:
        signal.signal(number, raise_it)


def is_terminal() -> bool:
    """Whether a person sits at both ends of this program."""
    return sys.stdin.isatty() and sys.stdout.isatty()


def lend(argv: Sequence[str], env: Mapping[str, str]) -> int:
    """Run a program in the foreground of this terminal until it ends; its exit status.

    Negative for a signal. It is ended if this program is asked to end, and if it is killed.
    """
    with _given_back() as killed:
        child: subprocess.Popen[bytes] | None = None
        try:
            with _signals_held_back():
                child = subprocess.Popen([*_UNTIL_OUR_DEATH, *argv], cwd=ROOT, env=dict(env))
            status = child.wait()
        except BaseException:
            if child:
                child.terminate()
                with suppress(subprocess.TimeoutExpired):
                    child.wait(END_S)
                child.kill()
                child.wait()
                killed()
            raise
        if status < 0:
            killed()
        return status


@contextmanager
def _signals_held_back() -> Iterator[None]:
    """Until the end of the block nobody asks: a program half started could not be ended."""
    asked: list[int] = []
    before = {
        number: signal.signal(number, lambda came, _frame: asked.append(came)) for number in _ASKING
    }
    try:
        yield
    finally:
        for number, response in before.items():
            signal.signal(number, response)
        if asked:
            signal.raise_signal(asked[0])


@contextmanager
def _given_back() -> Iterator[Callable[[], None]]:
    """Restore the terminal afterwards; call the result if the program had no time to."""
    if not sys.stdin.isatty():
        yield lambda: None
        return
    terminal = sys.stdin.fileno()
    before = termios.tcgetattr(terminal)
    unclean = False

    def mark() -> None:
        nonlocal unclean
        unclean = True

    try:
        yield mark
    finally:
        # touching a terminal from the background stops a program, unless it ignores this
        stopped = signal.signal(signal.SIGTTOU, signal.SIG_IGN)
        # after a hang-up there is no terminal any more
        with suppress(OSError, termios.error):
            os.tcsetpgrp(terminal, os.getpgrp())
            termios.tcsetattr(terminal, termios.TCSADRAIN, before)
            if unclean and sys.stdout.isatty():
                sys.stdout.write(_NORMAL)
                sys.stdout.flush()
        signal.signal(signal.SIGTTOU, stopped)
