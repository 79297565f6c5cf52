# SPDX-License-Identifier: Apache-2.0
"""The pure parts of the console: text in cells, lines being edited, rows, objects, numbers."""

from __future__ import annotations

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from console import fields, glyphs, objects, rows, switching, terminal, wording
from console.line_edit import LineEdit
from console.objects import Key
from console.rows import Draft, Order, View
from console.widgets import bars
from services.api import Edit
from services.draft import assembled, merge
from services.draft import objects as flat
from services.model import Document, ServerState, VirtualService
from tests.fakes import scenes
from tests.strategies import documents


@given(st.text())
def test_any_text_takes_as_many_cells_as_it_has_signs_and_only_drawable_ones(text: str) -> None:
    drawn = glyphs.cells(text)
    assert len(drawn) == len(text)
    assert set(drawn) <= glyphs.DRAWABLE | glyphs.LATIN


@given(st.text(), st.integers(0, 100))
def test_fitted_text_has_exactly_its_width(text: str, width: int) -> None:
    assert len(glyphs.fit(text, width)) == width


@given(st.text(), st.integers(2, 80))
def test_wrapped_lines_stay_within_their_width_and_lose_no_word(text: str, width: int) -> None:
    lines = glyphs.wrap(text, width)
    assert all(len(line) <= width for line in lines)
    kept = "".join("".join(lines).split())
    assert kept == "".join(glyphs.cells("".join(text.splitlines())).split())


@given(st.lists(st.sampled_from(["a", " ", "b", "left", "right", "home", "end", "back", "del"])))
def test_a_line_being_edited_is_what_its_keys_say(keys: list[str]) -> None:
    edit, text, at = LineEdit(), "", 0
    for key in keys:
        match key:
            case "left":
                edit, at = edit.move(-1), max(0, at - 1)
            case "right":
                edit, at = edit.move(1), min(len(text), at + 1)
            case "home":
                edit, at = edit.home(), 0
            case "end":
                edit, at = edit.end(), len(text)
            case "back":
                edit = edit.backspace()
                text, at = text[: max(0, at - 1)] + text[at:], max(0, at - 1)
            case "del":
                edit, text = edit.delete(), text[:at] + text[at + 1 :]
            case sign:
                edit = edit.insert(sign)
                text, at = text[:at] + sign + text[at:], at + 1
        assert (edit.text, edit.at) == (text, at)
        first, last = edit.window(5)
        assert first <= at <= max(last, first + 4)


def test_a_line_takes_no_more_than_its_limit_and_loses_words_whole() -> None:
    assert LineEdit.of("one two").delete_word().text == "one "
    assert LineEdit.of("one").home().clear_after().text == ""


@pytest.mark.parametrize(
    ("number", "shown"),
    [(0, "0"), (9999, "9999"), (10_000, "10k"), (310_000, "310k"), (2_100_000, "2.1M")],
)
def test_numbers_are_short(number: int, shown: str) -> None:
    assert wording.short(number) == shown


@pytest.mark.parametrize("number", [10**exponent - 1 for exponent in range(1, 20)])
def test_no_number_takes_more_than_five_cells(number: int) -> None:
    assert len(wording.short(number)) <= 5
    assert len(wording.rate(number)) <= 5


@pytest.mark.parametrize(
    ("seconds", "shown"), [(0, "0s"), (59, "59s"), (60, "1m"), (7300, "2h"), (1_036_800, "12d")]
)
def test_durations_name_their_largest_unit(seconds: int, shown: str) -> None:
    assert wording.duration(seconds) == shown


@given(documents())
def test_objects_are_those_of_the_draft_and_put_back_what_they_were(document: Document) -> None:
    for text, expected in flat(document).items():
        key = Key(text)
        assert objects.find_bare(document, key) == expected
        model = objects.find(document, key)
        assert model is not None
        assert objects.put(document, key, model) == document


@given(documents())
def test_editing_locally_ends_where_the_agents_merge_ends(document: Document) -> None:
    edits = [
        Edit(key=key, before=before, after={**before, "comment": "edited"})
        for key, before in flat(document).items()
        if "comment" in before
    ][:3]
    edits += [
        Edit(key=key, before=before, after=None)
        for key, before in list(flat(document).items())[-2:]
        if key.startswith("layer7/") and key not in {edit.key for edit in edits}
    ]
    merged = merge(document, edits).document
    assert objects.with_edits(document, edits) == merged


def test_an_object_that_is_nowhere_is_not_found_and_its_removal_changes_nothing() -> None:
    document = scenes.small().running
    for text in ("layer7/9", "layer7/9/9", "layer7/101/9", "local/eth3"):
        assert objects.find(document, Key(text)) is None
        assert objects.remove(document, Key(text)) == document
    assert Document.model_validate(assembled(flat(document))) == document


def test_a_forms_values_go_through_the_model_and_back_unchanged() -> None:
    service = scenes.small().running.cluster.layer7[3]
    bare = objects.bare(service)
    values = {
        spec.path: spec.taken(spec.shown(fields.value_at(bare, spec.path)))
        for spec in fields.specs(VirtualService)
    }
    again, problems = fields.judged(VirtualService, bare, values)
    assert problems == ()
    assert again is not None
    assert objects.bare(again) == bare


def test_every_field_of_every_model_has_a_title_and_words_of_help() -> None:
    for text in ("layer7/1", "layer7/1/1", "local", "local/eth0"):
        for spec in fields.specs(Key(text).model):
            assert spec.title[0].isupper()
            assert spec.help.endswith((".", "?"))


async def test_rows_fold_filter_and_mark_what_is_pending() -> None:
    services = (await scenes.small().status()).services
    assert len(rows.rows_of(services, View())) == 12
    assert len(rows.rows_of(services, View().fold(scenes.WEB))) == 9
    assert [row.label for row in rows.rows_of(services, View(words="down rds"))] == [
        "rds",
        "rds/rds2",
    ]
    worst = rows.rows_of(services, View(order=Order.HEALTH))
    assert worst[0].label == "smtp"
    edits = (
        Edit(key="layer7/102", before={"x": 1}, after=None),
        Edit(key="layer7/101/1", before={"x": 1}, after={"x": 2}),
        Edit(key="layer7/7", before=None, after={"label": "new", "addresses": ["192.0.2.1"]}),
        Edit(key="layer7/7/8", before=None, after={"label": "n1", "address": "192.0.2.2"}),
    )
    drafts = {row.label: row.draft for row in rows.rows_of(services, View(), edits)}
    assert drafts["web-http/web1"] is Draft.EDITED
    assert drafts["rds"] is drafts["rds/rds1"] is Draft.DELETED
    assert drafts["new"] is drafts["new/n1"] is Draft.NEW


async def test_a_switch_counts_connections_and_knows_which_services_it_abandons() -> None:
    services = (await scenes.small().status()).services
    found = {row.label: row for row in rows.rows_of(services, View())}
    halt = switching.switch([found["rds/rds1"]], ServerState.HALT)
    assert (halt.drops, [service.label for service in halt.abandoned]) == (88, ["rds"])
    drain = switching.switch([found["web-http"]], ServerState.DRAIN)
    assert (drain.drops, drain.connections, len(drain.targets)) == (0, 1204, 3)
    assert [service.label for service in drain.abandoned] == ["web-http"]
    online = switching.switch(list(found.values()), ServerState.ONLINE)
    assert {target.label for target in online.targets} == {"rds/rds3", "ftp/ftp1"}
    assert online.abandoned == ()


def test_the_environment_keeps_only_what_is_harmless() -> None:
    hostile = {
        "TEXTUAL_DRIVER": "evil:Driver",
        "TEXTUAL": "debug,devtools",
        "TEXTUAL_PRESS": "x",
        "TEXTUAL_LOG": "/tmp/x",
        "PYTHONSTARTUP": "/tmp/x",
        "COLORTERM": "truecolor",
        "COLUMNS": "20000",
        "TERM": "xterm",
        "LANG": "de_DE.UTF-8",
        "LC_TIME": "C",
        "BALLAST_SOCKET": "/run/x",
        "ESCDELAY": "9999999",
    }
    clean = terminal.scrubbed(hostile, "/dev/pts/3")
    assert set(clean) - set(terminal.FIXED) == {
        *("TERM", "LANG", "LC_TIME", "BALLAST_SOCKET", "ESCDELAY")
    }
    assert clean["ESCDELAY"] == "250"
    assert terminal.scrubbed({}, "/dev/tty1")["ESCDELAY"] == "50"


def test_the_machines_own_screens_are_known_by_name() -> None:
    assert terminal.is_machine_console("/dev/tty1")
    assert terminal.is_machine_console("/dev/ttyS0")
    assert not terminal.is_machine_console("/dev/pts/0")
    assert not terminal.is_machine_console("")
    assert terminal.draft_name("/dev/pts/3") == "pts-3"
    assert terminal.draft_name("") == ""


@pytest.mark.parametrize(
    ("variables", "utf8"),
    [
        ({"LANG": "C.UTF-8"}, True),
        ({"LANG": "C"}, False),
        ({}, False),
        ({"LC_ALL": "C"}, False),
        ({"LC_CTYPE": "C.UTF-8", "LANG": "C"}, False),
    ],
)
def test_frames_are_drawn_with_lines_only_where_the_terminal_speaks_utf8(
    variables: dict[str, str], utf8: bool
) -> None:
    assert terminal.speaks_utf8(variables) is utf8


async def test_gauges_give_way_when_figures_need_the_room() -> None:
    node = (await scenes.small().status()).node
    assert "[####......]" in bars.gauges(node, 80)[0].text
    narrow = bars.gauges(node, 68)[0].text
    assert "[##..]" in narrow
    assert len(narrow) <= 68


def test_labels_of_the_model_are_drawn_as_they_are() -> None:
    label = string.ascii_letters + string.digits + "_.-"
    assert glyphs.cells(label) == label
