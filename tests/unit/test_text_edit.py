# SPDX-License-Identifier: Apache-2.0
"""Several lines being edited: every key gives the text an editor would."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from console.text_edit import TextEdit

BOTH = TextEdit(("one", "two"), 1, 0)


@pytest.mark.parametrize(
    ("edit", "text", "row", "at"),
    [
        (TextEdit().insert("#!/bin/sh\r\nexit 0\r"), "#!/bin/sh\nexit 0\n", 2, 0),
        (TextEdit(("ab",), 0, 1).insert("\n"), "a\nb", 1, 0),
        (TextEdit(("ab",), 0, 1).insert("x\ny\nz"), "ax\ny\nzb", 2, 1),
        (BOTH.backspace(), "onetwo", 0, 3),
        (TextEdit(("one", "two"), 0, 3).delete(), "onetwo", 0, 3),
        (TextEdit(("one",), 0, 3).delete(), "one", 0, 3),
        (TextEdit().backspace(), "", 0, 0),
        (BOTH.move(-1), "one\ntwo", 0, 3),
        (TextEdit(("one", "two"), 0, 3).move(1), "one\ntwo", 1, 0),
        (TextEdit(("one",), 0, 3).move(1), "one", 0, 3),
        (TextEdit(("a b", "c d"), 1, 3).delete_word(), "a b\nc ", 1, 2),
        (TextEdit(("one", "two"), 1, 1).clear(), "one\n", 1, 0),
        (TextEdit(("one", "two"), 0, 1).clear_after(), "o\ntwo", 0, 1),
        (TextEdit(("one", "two"), 0, 1).home(), "one\ntwo", 0, 0),
        (TextEdit(("one", "two"), 0, 1).end(), "one\ntwo", 0, 3),
        (TextEdit(("a", "long"), 1, 4).down(-1), "a\nlong", 0, 1),
        (TextEdit(("a", "long"), 0, 1).down(9), "a\nlong", 1, 1),
    ],
)
def test_a_key_does_what_an_editor_does(edit: TextEdit, text: str, row: int, at: int) -> None:
    assert (edit.text, edit.row, edit.at) == (text, row, at)


MOVES: tuple[Callable[[TextEdit], TextEdit], ...] = (
    TextEdit.backspace,
    TextEdit.delete,
    TextEdit.delete_word,
    TextEdit.clear,
    TextEdit.clear_after,
    TextEdit.home,
    TextEdit.end,
    lambda edit: edit.move(1),
    lambda edit: edit.move(-1),
    lambda edit: edit.down(1),
    lambda edit: edit.down(-1),
    lambda edit: edit.insert("\n"),
    lambda edit: edit.insert("x"),
)


@given(st.lists(st.sampled_from(MOVES), max_size=40))
def test_the_cursor_is_always_in_the_text(moves: list[Callable[[TextEdit], TextEdit]]) -> None:
    edit = TextEdit()
    for move in moves:
        edit = move(edit)
        assert edit.lines
        assert 0 <= edit.row < len(edit.lines)
        assert 0 <= edit.at <= len(edit.line.text)


@given(st.text(alphabet="ab \n\t"), st.text(alphabet="ab \n\t"))
def test_what_is_inserted_stands_there_whole(before: str, after: str) -> None:
    edit = TextEdit().insert(before + after)
    assert edit.text == before + after
    for _ in range(len(after)):
        edit = edit.move(-1)
    assert edit.insert("#").text == f"{before}#{after}"
