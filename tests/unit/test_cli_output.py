# SPDX-License-Identifier: Apache-2.0
"""What reaches a terminal cannot command it, and lines up."""

from __future__ import annotations

import io
import json
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.cli.output import (
    LONGEST,
    as_json,
    clock,
    complain,
    rate,
    say,
    span,
    table,
    visible,
)
from services.errors import ConfigInvalid, Problem

HOSTILE = "up\x1b[2J\r\n\x9b31m\u202eevil\x00\x7f"


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@given(st.text())
def test_visible_text_has_nothing_a_terminal_obeys(text: str) -> None:
    assert visible(text).isprintable()


def test_visible_text_tells_what_was_there() -> None:
    assert visible("a\x1b[0m\nb\u202e") == "a\\x1b[0m\\nb\\u202e"
    assert visible("Büro 漢字") == "Büro 漢字"


def test_visible_text_is_bounded() -> None:
    assert len(visible("x" * (LONGEST + 1))) == LONGEST + 1


@given(st.text())
def test_json_is_ascii_and_says_the_same(text: str) -> None:
    printed = as_json([text])
    assert printed.isascii()
    assert all(line.isprintable() for line in printed.split("\n"))
    assert json.loads(printed) == [text]


def test_a_table_lines_up_with_numbers_on_the_right() -> None:
    assert table(("NAME", "CONNS", "WHY"), [("web", 5, ""), ("漢字x", 1200, "ok")]) == (
        "NAME   CONNS  WHY\nweb        5\n漢字x   1200  ok"
    )


def test_an_address_is_no_number() -> None:
    rows = [("192.0.2.1", "10 B"), ("192.0.2.111", "1.5 kB")]
    assert table(("ADDRESS", "BYTES/S"), rows) == (
        "ADDRESS      BYTES/S\n192.0.2.1       10 B\n192.0.2.111   1.5 kB"
    )


def test_a_cell_cannot_break_out_of_its_line() -> None:
    lines = table(("REASON",), [(HOSTILE,)]).split("\n")
    assert len(lines) == 2
    assert all(line.isprintable() for line in lines)


@pytest.mark.parametrize(
    ("environment", "painted"),
    [
        ({"TERM": "xterm"}, True),
        ({"TERM": "linux", "NO_COLOR": ""}, True),
        ({"TERM": "xterm", "NO_COLOR": "1"}, False),
        ({"TERM": "dumb"}, False),
    ],
)
def test_colour_needs_a_terminal_that_wants_it(
    monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], painted: bool
) -> None:
    monkeypatch.setattr(sys, "stdout", Terminal())
    monkeypatch.delenv("NO_COLOR", raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert ("\x1b[31mDOWN\x1b[0m" in table(("STATE",), [("DOWN",)])) is painted


def test_no_colour_reaches_a_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdout", io.StringIO())
    monkeypatch.setenv("TERM", "xterm")
    assert "\x1b" not in table(("STATE",), [("DOWN",)])


def test_an_error_says_every_problem_in_a_line_of_its_own(
    capsys: pytest.CaptureFixture[str],
) -> None:
    complain(
        ConfigInvalid(
            [Problem(("a", 0, HOSTILE), "It is wrong.", "Mend it."), Problem((), "Bad.", "Go.")]
        )
    )
    out, err = capsys.readouterr()
    assert out == ""
    lines = err.splitlines()
    assert lines[0] == (
        "ballast: The configuration has 2 problems. Correct the fields named; nothing was changed."
    )
    assert lines[1].startswith("  a[0].up\\x1b[2J")
    assert lines[1].endswith(": It is wrong. Mend it.")
    assert lines[2] == "  document: Bad. Go."


def test_words_go_to_standard_error(capsys: pytest.CaptureFixture[str]) -> None:
    say("one\ntwo\x07")
    assert capsys.readouterr() == ("", "one\ntwo\\x07\n")


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0, "0s"), (59, "59s"), (61, "1m 1s"), (7_300, "2h 1m"), (90_000, "1d 1h"), (-1, "0s")],
)
def test_a_span_is_said_in_its_two_largest_units(seconds: int, words: str) -> None:
    assert span(seconds) == words


@pytest.mark.parametrize(
    ("per_s", "words"),
    [(0, "0 B"), (999, "999 B"), (1_200, "1.2 kB"), (3_100_000, "3.1 MB"), (2e15, "2000.0 TB")],
)
def test_a_rate_has_a_unit(per_s: float, words: str) -> None:
    assert rate(per_s) == words


def test_a_moment_is_told_in_the_readers_own_zone(monkeypatch: pytest.MonkeyPatch) -> None:
    import time

    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    try:
        assert clock(0) == "1970-01-01 00:00:00"
    finally:
        monkeypatch.undo()
        time.tzset()
