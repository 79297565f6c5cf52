# SPDX-License-Identifier: Apache-2.0
"""What the agent keeps for a console between two key presses."""

from __future__ import annotations

from pathlib import Path

import pytest

from services.agent.drafts import Drafts, draft_key
from services.api import Edit
from services.errors import Unable

KEY = "layer7/1/11"


def edit(before: object, after: object, key: str = KEY) -> Edit:
    return Edit.model_validate({"key": key, "before": before, "after": after})


@pytest.fixture
def drafts(tmp_path: Path) -> Drafts:
    return Drafts(tmp_path / "drafts")


def test_a_second_edit_of_an_object_is_one_change_from_where_the_first_began(
    drafts: Drafts,
) -> None:
    draft = drafts.get("a@tty1", base=3)
    drafts.put(draft, edit({"weight": 1}, {"weight": 2}))
    drafts.put(draft, edit({"weight": 2}, {"weight": 3}))
    assert list(draft.edits.values()) == [edit({"weight": 1}, {"weight": 3})]


def test_going_back_to_the_beginning_is_no_change(drafts: Drafts) -> None:
    draft = drafts.get("a@tty1", base=3)
    drafts.put(draft, edit({"weight": 1}, {"weight": 2}))
    drafts.put(draft, edit({"weight": 2}, {"weight": 1}))
    assert draft.edits == {}


def test_deleting_what_was_only_drafted_leaves_nothing(drafts: Drafts) -> None:
    draft = drafts.get("a@tty1", base=3)
    drafts.put(draft, edit(None, {"label": "web"}, "layer7/1"))
    drafts.put(draft, edit(None, {"label": "web1"}, KEY))
    drafts.put(draft, edit({"label": "web"}, None, "layer7/1"))
    assert draft.edits == {}


def test_a_draft_outlives_the_agent(drafts: Drafts, tmp_path: Path) -> None:
    drafts.put(drafts.get("a@tty1", base=3), edit(None, {"label": "web"}))
    again = Drafts(tmp_path / "drafts").get("a@tty1", base=9)
    assert (again.base, list(again.edits)) == (3, [KEY])


def test_two_terminals_of_one_person_have_two_drafts(drafts: Drafts) -> None:
    drafts.put(drafts.get(draft_key("root", "pts/1"), base=3), edit(None, {"label": "web"}))
    assert drafts.get(draft_key("root", "pts/2"), base=3).edits == {}


@pytest.mark.parametrize("terminal", ["../../etc/passwd", "a\nb", "", "é" * 300, "\0"])
def test_a_hostile_terminal_name_stays_inside_the_folder(
    drafts: Drafts, tmp_path: Path, terminal: str
) -> None:
    drafts.put(drafts.get(draft_key("root", terminal), base=1), edit(None, {"label": "web"}))
    assert [path.parent for path in tmp_path.rglob("*.json")] == [tmp_path / "drafts"]


def test_a_draft_that_cannot_be_thrown_away_is_kept_and_told(
    drafts: Drafts, tmp_path: Path
) -> None:
    draft = drafts.get("a@tty1", base=3)
    drafts.put(draft, edit(None, {"label": "web"}))
    path = tmp_path / "drafts" / "a@tty1.json"
    path.unlink()
    path.mkdir()  # unlink refuses it, as it would on a read-only disk
    with pytest.raises(Unable, match=r"a@tty1\.json"):
        drafts.discard("a@tty1")
    assert drafts.get("a@tty1", base=3).edits == draft.edits


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xff",
        b"[]",
        b"[" * 100_000,
        b'{"key":"a@tty1","base":1,"edits":{"x":{"key":"../x"}}}',
    ],
)
def test_a_damaged_draft_is_an_empty_one(drafts: Drafts, tmp_path: Path, data: bytes) -> None:
    (tmp_path / "drafts" / "a@tty1.json").write_bytes(data)
    assert drafts.get("a@tty1", base=3).edits == {}
