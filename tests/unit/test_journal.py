# SPDX-License-Identifier: Apache-2.0
"""The journal survives whatever became of its file."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from services.agent.journal import KEPT, LIMIT_BYTES, LONGEST, Journal


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "journal.jsonl"


def journal(path: Path) -> Journal:
    return Journal(path, clock=lambda: 1000.0)


def told(path: Path) -> list[str]:
    return [f"{entry.who}: {entry.what}" for entry in journal(path).newest(KEPT)]


def test_what_was_noted_is_there_after_a_restart_newest_first(path: Path) -> None:
    first = journal(path)
    first.note("anna", "one")
    first.note("agent", "two")
    assert told(path) == ["agent: two", "anna: one"]
    assert [entry.what for entry in first.newest(1)] == ["two"]


def test_a_line_that_says_nothing_is_passed_over(path: Path) -> None:
    good = '{"at":1.0,"who":"a","what":"good"}'
    damaged = [
        "",
        "{",
        "null",
        "[1]",
        "[" * 100_000,
        '{"at":1e999,"who":"a","what":"b"}',
        '{"at":NaN,"who":"a","what":"b"}',
        '{"at":-1,"who":"a","what":"b"}',
        '{"at":1e300,"who":"a","what":"b"}',
        '{"at":1,"who":7,"what":[]}',
        "\x00\x1b[31m",
        good[:20],
    ]
    path.write_bytes("\n".join([good, *damaged, good]).encode() + b"\xff\xfe")
    assert told(path) == ["a: good"]  # the last one's end is damaged


def test_only_the_end_of_a_huge_file_is_read(path: Path) -> None:
    line = b'{"at":1.0,"who":"a","what":"%s"}\n' % (b"x" * 500)
    path.write_bytes(b"x" * (LIMIT_BYTES * 4) + b"\n" + line * 10)
    assert len(told(path)) == 10
    with path.open("r+b") as file:
        file.truncate(1 << 40)  # a hole: nothing of it may be read
    assert told(path) == []


def test_the_file_stays_bounded(path: Path) -> None:
    path.write_bytes(b'{"at":1.0,"who":"a","what":"old"}\n' * (LIMIT_BYTES // 30))
    journal(path).note("anna", "new")
    assert path.stat().st_size < LIMIT_BYTES
    assert told(path)[:2] == ["anna: new", "a: old"]


def test_an_entry_is_one_bounded_line_without_control_characters(
    path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    journal(path).note("anna", "a reason\nroot: forged\x1b[31m" + "x" * 5000)
    [line] = told(path)
    assert line.startswith("anna: a reason root: forged\\u001b[31m")
    assert len(line) < LONGEST + 20
    [said] = caplog.messages
    assert said.isprintable()
    assert len(path.read_text().splitlines()) == 1


def test_a_file_that_cannot_be_written_loses_the_line_and_nothing_else(path: Path) -> None:
    path.mkdir()
    noted = journal(path)
    noted.note("anna", "one")
    assert [entry.what for entry in noted.newest(5)] == ["one"]
