# SPDX-License-Identifier: Apache-2.0
"""The installer's decisions: which disk, which answers, what stands on the screen."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from image.installer import dialogue
from image.installer.dialogue import Stage, State, Wish
from image.installer.disks import Disk, Part, first_choice, hindrance, is_disk, offered, size_words
from image.installer.pages import HEIGHT, MOST_DISKS, WIDTH, page
from services.errors import Unable
from tests.unit.installing import (
    DOM,
    FULL,
    GIB,
    MOUNTED,
    NEEDED,
    NVME,
    SSD,
    STICK,
    choosing,
    pressed,
)

KEYS = st.sampled_from(
    ["up", "down", "enter", "escape", "backspace", "y", "n", "r", "s", "d", "a", "v", "p", "x"]
)


# ------------------------------------------------------------------------------------------ disks


def test_the_medium_and_empty_readers_are_never_offered() -> None:
    empty = Disk("sde", 0, removable=True)
    assert offered([SSD, STICK, empty], medium="sdb") == (SSD,)


def test_fixed_disks_come_before_removable_ones() -> None:
    names = [each.name for each in offered([STICK, NVME, SSD], medium="sr0")]
    assert names == ["sda", "nvme0n1", "sdb"]


@pytest.mark.parametrize(
    ("disk", "word"),
    [
        (DOM, "4 GiB and Ballast needs 8 GiB"),
        (MOUNTED, "in use (/mnt)"),
        (replace(SSD, read_only=True), "cannot be written to"),
        (replace(SSD, sector=4096), "sectors of 4096 bytes"),
    ],
)
def test_a_disk_that_will_not_do_is_refused_with_a_remedy(disk: Disk, word: str) -> None:
    state = pressed(choosing(disk), "enter")
    assert state.stage is Stage.CHOOSE
    assert word in state.said
    assert hindrance(disk, needed=NEEDED) is not None


def test_a_disk_of_exactly_the_size_will_do() -> None:
    assert hindrance(replace(SSD, size=NEEDED), needed=NEEDED) is None
    assert hindrance(replace(SSD, size=NEEDED - 512), needed=NEEDED) is not None


def test_the_cursor_starts_on_a_disk_that_can_be_chosen() -> None:
    assert first_choice([MOUNTED, DOM, STICK, SSD], needed=NEEDED) == 3
    assert first_choice([STICK, DOM], needed=NEEDED) == 0
    assert first_choice([], needed=NEEDED) == 0


def test_a_size_never_looks_larger_than_it_is() -> None:
    assert size_words(NEEDED) == "8 GiB"
    assert size_words(NEEDED - 512) == "7.9 GiB"
    assert size_words(512) == "512 bytes"
    assert size_words(0) == "0 bytes"
    assert size_words(3840755982336) == "3.4 TiB"


@pytest.mark.parametrize("name", ["sda", "sdab", "vda", "xvda", "nvme0n1", "mmcblk0"])
def test_disks_are_known_by_their_names(name: str) -> None:
    assert is_disk(name)


@pytest.mark.parametrize("name", ["sr0", "loop0", "dm-0", "fd0", "sda1", "mmcblk0boot0", "zram0"])
def test_what_is_no_disk_is_left_out(name: str) -> None:
    assert not is_disk(name)


# --------------------------------------------------------------------------------------- dialogue


def test_two_questions_lie_before_an_installation() -> None:
    state = choosing(SSD, NVME)
    state = pressed(state, "down", "enter")
    assert state.stage is Stage.LOSE
    state = pressed(state, "y")
    assert state.stage is Stage.NAME
    state = pressed(state, "nvme0n1")
    assert state.wish is None
    assert pressed(state, "enter").wish is Wish.INSTALL


@pytest.mark.parametrize(
    "keys",
    [
        ("enter", "escape"),
        ("enter", "n"),
        ("enter", "y", "escape"),
        ("enter", "y", "sda", "escape"),
    ],
)
def test_every_way_back_ends_at_the_list_with_nothing_written(keys: tuple[str, ...]) -> None:
    state = pressed(choosing(SSD), *keys)
    assert (state.stage, state.wish) == (Stage.CHOOSE, None)
    assert "Nothing was written" in state.said


def test_another_name_is_no_answer() -> None:
    state = pressed(choosing(SSD), "enter", "y", "sdb", "enter")
    assert (state.stage, state.typed, state.wish) == (Stage.NAME, "", None)
    assert "not sda" in state.said


def test_a_mistyped_letter_can_be_taken_back() -> None:
    state = pressed(choosing(SSD), "enter", "y", "sdb", "backspace", "a", "enter")
    assert state.wish is Wish.INSTALL


def test_enter_alone_never_installs() -> None:
    state = pressed(choosing(SSD), *["enter"] * 50)
    assert state.wish is None


@given(st.lists(KEYS, max_size=60))
def test_nothing_but_the_disks_name_installs(keys: list[str]) -> None:
    state = choosing(SSD, STICK, DOM)
    typed: list[str] = []
    for key in keys:
        typed = [] if state.stage is not Stage.NAME else [*typed, key]
        state = dialogue.press(state, key)
        if state.wish is Wish.INSTALL:
            assert state.disk is not None
            assert hindrance(state.disk, needed=NEEDED) is None
            assert typed[-1] == "enter"
            assert state.typed == state.disk.name
            return
        if state.wish:
            return


def test_escape_stops_a_check_and_nothing_stops_a_write() -> None:
    state = State(needed=NEEDED, disks=(SSD,))
    assert dialogue.stops(dialogue.goes_on(state, Stage.CHECK, 1, 2), "escape")
    for stage in (Stage.WRITE, Stage.VERIFY):
        assert not dialogue.stops(dialogue.goes_on(state, stage, 1, 2), "escape")


def test_a_failure_after_the_first_byte_says_that_the_disk_is_not_complete() -> None:
    error = Unable("The disk cannot be written to: I/O error.", do="Replace it.")
    before = dialogue.failed(dialogue.goes_on(choosing(SSD), Stage.CHECK, 0, 1), error)
    after = dialogue.failed(dialogue.goes_on(choosing(SSD), Stage.WRITE, 0, 1), error)
    assert "Nothing was written to a disk" in words(before)
    assert "sda was erased and is not complete" in words(after)
    assert "sda was erased and is not complete" in words(pressed(after, "escape"))
    assert dialogue.installed(after).incomplete == ""


def test_the_machine_restarts_only_when_asked() -> None:
    assert pressed(choosing(SSD), "escape").wish is None
    assert pressed(choosing(SSD), "escape", "enter").wish is Wish.RESTART
    assert pressed(choosing(SSD), "escape", "p").wish is Wish.SWITCH_OFF
    assert pressed(dialogue.installed(choosing(SSD)), "x").wish is None
    assert pressed(dialogue.installed(choosing(SSD)), "enter").wish is Wish.RESTART


# ------------------------------------------------------------------------------------------ pages


def words(state: State) -> str:
    return " ".join(" ".join(page(state, version="1.2.3").lines()).split())


def test_the_list_names_model_size_serial_number_and_what_is_special() -> None:
    said = words(choosing(SSD, STICK, DOM, MOUNTED))
    assert "> sda 240 GiB INTEL SSDSC2KB240 PHYF1234" in said
    assert "sdb 16 GiB Ultra Fit 4C53 removable" in said
    assert "too small" in said
    assert "in use" in said


def test_what_will_be_lost_is_listed() -> None:
    strange = replace(SSD, parts=(Part("sda1", GIB, "ntfs Windows"),))
    assert "sda1 1 GiB ntfs Windows" in words(pressed(choosing(strange), "enter"))
    said = words(pressed(choosing(FULL), "enter"))
    assert "A Ballast is on it. It and its configuration will be lost" in said
    assert "vda5 8 GiB data" in said


def test_a_machine_without_a_disk_is_told_what_to_do() -> None:
    assert "no disk" in words(choosing())
    assert "then press r" in words(choosing())
    assert pressed(choosing(), "enter").stage is Stage.CHOOSE
    assert pressed(choosing(), "r").wish is Wish.LOOK


texts = st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=60)
parts = st.lists(st.builds(Part, texts, st.integers(0, 1 << 60), texts), max_size=30)
disks = st.builds(
    Disk,
    name=st.sampled_from(["sda", "nvme10n1"]),
    size=st.integers(0, 1 << 60),
    model=texts,
    serial=texts,
    removable=st.booleans(),
    used_by=st.lists(texts, max_size=3).map(tuple),
    parts=parts.map(tuple),
)


@given(st.lists(disks, max_size=40), st.sampled_from(Stage), st.integers(0, 39), texts)
def test_every_page_fits_the_smallest_terminal(
    found: list[Disk], stage: Stage, at: int, said: str
) -> None:
    error = Unable(said, do=said)
    at = min(at, max(0, len(found) - 1))
    state = replace(choosing(*found), stage=stage, at=at, said=said, error=error)
    lines = page(replace(state, incomplete="nvme10n1"), version="1.2.3").lines()
    assert len(lines) == HEIGHT
    assert all(len(line) <= WIDTH and line.isascii() for line in lines)


def test_the_disk_under_the_cursor_is_always_among_those_shown() -> None:
    many = tuple(replace(SSD, name=f"sd{letter}") for letter in "abcdefghijklmnopqrstuvwxyz")
    assert len(many) > 2 * MOST_DISKS
    for at, disk in enumerate(many):
        assert f"> {disk.name} " in words(replace(choosing(*many), at=at))
