# SPDX-License-Identifier: Apache-2.0
"""The terminal that the console's benchmarks look at: it must know what stands where."""

from __future__ import annotations

import sys

import pytest

from tests.bench.terminal import COLUMNS, ROWS, Picture, Terminal


def shown(*pieces: bytes) -> list[str]:
    picture = Picture()
    for piece in pieces:
        picture.feed(piece)
    return [line.rstrip() for line in picture.lines]


def test_text_goes_where_the_cursor_was_sent() -> None:
    lines = shown(b"\x1b[24;1Hstatus\x1b[1;5H\x1b[1;31mred\x1b[0m\r\nnext")
    assert (lines[0], lines[1], lines[23]) == ("    red", "next", "status")


def test_sequences_and_letters_may_come_in_pieces() -> None:
    text = "\x1b[2;3Hé─x".encode()
    assert shown(*(bytes([byte]) for byte in text))[1] == "  é─x"


def test_questions_titles_and_modes_leave_no_trace() -> None:
    assert (
        shown(b"\x1b[?1049h\x1b]0;title\x07\x1b[>1u\x1b(B\x1b7a\x1b[?2026$p\x1bPx\x1b\\b")[0]
        == "ab"
    )


def test_a_full_line_goes_on_in_the_next_and_the_last_line_scrolls() -> None:
    lines = shown(b"x" * (COLUMNS + 1))
    assert (lines[0], lines[1]) == ("x" * COLUMNS, "x")
    lines = shown(b"top\x1b[24;1Hbottom\nafter")
    assert (lines[ROWS - 2], lines[0]) == ("bottom", "")


def test_erasing_takes_text_away() -> None:
    assert shown(b"abc\x1b[1;2H\x1b[K")[0] == "a"
    assert shown(b"abc\x1b[2J")[0] == ""


PROGRAM = """
import os, sys, time
size = os.get_terminal_size()
while size.lines != 24: time.sleep(.01); size = os.get_terminal_size()
print(size.columns, size.lines, os.environ["TERM"], flush=True)
import tty; tty.setraw(0)
while True: sys.stdout.write(os.read(0, 1).decode().upper()); sys.stdout.flush()
"""


@pytest.mark.timeout(20)
def test_a_program_runs_on_a_terminal_of_80_by_24_and_answers_keys() -> None:
    with Terminal([sys.executable, "-S", "-c", PROGRAM], {}) as terminal:
        spent = terminal.until(lambda lines: lines[0].startswith("80 24 linux"), timeout_s=10)
        assert spent > 0
        terminal.settle(0.2)
        assert 0 < terminal.key_s(b"k") < 5
        assert terminal.picture.lines[1].startswith("K")
        with pytest.raises(RuntimeError, match="never shows"):
            terminal.until(lambda lines: "never" in lines[0], timeout_s=0.1)


@pytest.mark.timeout(20)
def test_a_program_that_ends_is_an_error_and_not_a_wait() -> None:
    with (
        Terminal([sys.executable, "-S", "-c", "print('bye')"], {}) as terminal,
        pytest.raises(RuntimeError, match="has ended"),
    ):
        terminal.until(lambda lines: False, timeout_s=10)
