# SPDX-License-Identifier: Apache-2.0
"""Names of network cards: kept by those that are known, and given to others in a fixed order."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.errors import Unable
from services.nicnames.__main__ import note
from services.nicnames.book import keep, load
from services.plan.names import Binding, Naming, Nic, name_cards

PCI = "/sys/devices/pci0000:00/0000:00:{:02x}.0/net"


def nic(number: int, name: str = "", **fields: object) -> Nic:
    """A card in slot `number` with an address of its own."""
    card = Nic(
        index=number + 2,
        name=name or f"enp0s{number}",
        address=f"52:54:00:00:00:{number:02x}",
        place=PCI.format(number),
    )
    return replace(card, **fields)  # type: ignore[arg-type]


def renamed(naming: Naming, seen: list[Nic]) -> list[Nic]:
    """The cards once the renames were made, as the kernel would have it."""
    new = {each.index: each.new for each in naming.renames}
    return [replace(card, name=new.get(card.index, card.name)) for card in seen]


def names(naming: Naming, seen: list[Nic]) -> dict[str, str]:
    """Name by hardware address."""
    return {card.address: card.name for card in renamed(naming, seen)}


addresses = st.integers(0, 9).map(lambda last: f"52:54:00:00:00:{last:02x}")
places = st.integers(0, 9).map(PCI.format)
labels = st.integers(0, 9).map(lambda number: f"eth{number}")
books = st.lists(
    st.builds(Binding, labels, addresses, places), max_size=9, unique_by=lambda b: b.name
)


@st.composite
def machines(draw: st.DrawFn) -> list[Nic]:
    count = draw(st.integers(0, 9))
    called = draw(st.permutations([*(f"eth{n}" for n in range(9)), *(f"x{n}" for n in range(9))]))
    return [
        Nic(
            index=number + 2,
            name=called[number],
            address=draw(addresses | st.just("")),
            place=draw(places | st.just("")),
            onboard=draw(st.integers(0, 2)),
            not_a_card=draw(st.sampled_from(["", "", "", "bond"])),
        )
        for number in range(count)
    ]


@given(books, machines())
def test_deciding_again_after_the_renames_changes_nothing(
    book: list[Binding], seen: list[Nic]
) -> None:
    first = name_cards(book, seen)
    again = name_cards(first.bindings, renamed(first, seen))
    assert again.renames == ()
    assert again.bindings == first.bindings


@given(books, machines())
def test_every_card_gets_a_name_of_its_own_that_nothing_else_has(
    book: list[Binding], seen: list[Nic]
) -> None:
    after = renamed(name_cards(book, seen), seen)
    assert len({card.name for card in after}) == len(after)
    for before, card in zip(seen, after, strict=True):
        if before.not_a_card or not before.address:
            assert card.name == before.name
        else:
            assert card.name.startswith("eth")


@given(books, machines(), st.randoms(use_true_random=False))
def test_the_order_in_which_the_kernel_finds_them_does_not_matter(
    book: list[Binding], seen: list[Nic], random: object
) -> None:
    shuffled = list(seen)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert name_cards(book, shuffled) == name_cards(book, seen)


@given(st.lists(st.integers(0, 30), unique=True, max_size=8), st.integers(31, 40))
def test_a_new_card_renames_nothing(slots: list[int], new: int) -> None:
    seen = [nic(slot) for slot in slots]
    first = name_cards((), seen)
    more = [*renamed(first, seen), nic(new, "enp9s0", place="/sys/devices/pci0000:00/0000:00:00.0")]
    second = name_cards(first.bindings, more)
    assert {each.old for each in second.renames} == {"enp9s0"}
    assert names(second, more)[nic(new).address] == f"eth{len(slots)}"


@pytest.mark.parametrize("count", [1, 2, 4, 8])
def test_at_the_first_start_they_stand_in_the_order_of_the_bus(count: int) -> None:
    seen = [nic(slot) for slot in reversed(range(count))]
    assert names(name_cards((), seen), seen) == {
        nic(slot).address: f"eth{slot}" for slot in range(count)
    }


def test_what_is_printed_on_the_back_comes_first_and_usb_last() -> None:
    usb = nic(0, place="/sys/devices/pci0000:00/0000:00:00.0/usb1/1-1/1-1:1.0")
    second, first = nic(1, onboard=2), nic(2, onboard=1)
    slot = nic(3)
    seen = [usb, second, first, slot]
    found = names(name_cards((), seen), seen)
    assert [found[card.address] for card in (first, second, slot, usb)] == [
        "eth0",
        "eth1",
        "eth2",
        "eth3",
    ]


def test_two_ports_in_one_place_stand_in_their_order() -> None:
    one, two = nic(1), nic(2, place=f"{PCI.format(1)}#1")
    seen = [two, one]
    assert names(name_cards((), seen), seen) == {one.address: "eth0", two.address: "eth1"}


def test_swapped_addresses_swap_the_names_back() -> None:
    book = [Binding("eth0", nic(0).address), Binding("eth1", nic(1).address)]
    seen = [nic(0, "eth1"), nic(1, "eth0")]
    assert names(name_cards(book, seen), seen) == {
        nic(0).address: "eth0",
        nic(1).address: "eth1",
    }


def test_a_card_in_the_place_of_a_missing_one_takes_its_name() -> None:
    book = name_cards((), [nic(0), nic(1), nic(2)]).bindings
    spare = nic(7, place=PCI.format(1))
    seen = [nic(0), spare, nic(2)]
    found = names(name_cards(book, seen), seen)
    assert found == {nic(0).address: "eth0", spare.address: "eth1", nic(2).address: "eth2"}


def test_a_clone_with_fresh_addresses_keeps_its_names() -> None:
    book = name_cards((), [nic(0), nic(1)]).bindings
    seen = [nic(6, place=PCI.format(1)), nic(7, place=PCI.format(0))]
    assert names(name_cards(book, seen), seen) == {
        nic(7).address: "eth0",
        nic(6).address: "eth1",
    }


def test_on_another_board_the_lowest_missing_names_are_taken() -> None:
    book = name_cards((), [nic(0), nic(1)]).bindings
    seen = [nic(20), nic(21)]
    assert names(name_cards(book, seen), seen) == {
        nic(20).address: "eth0",
        nic(21).address: "eth1",
    }


def test_a_missing_card_keeps_its_name_while_nobody_takes_it() -> None:
    book = name_cards((), [nic(0), nic(1)]).bindings
    without = name_cards(book, [nic(1)])
    assert without.bindings == book
    assert without.renames[0].new == "eth1"


def test_who_returns_to_find_its_name_taken_renames_nobody() -> None:
    book = name_cards((), [nic(0), nic(1)]).bindings
    spare = nic(7)
    book = name_cards(book, [nic(1), spare]).bindings
    seen = [nic(0), nic(1, "eth1"), replace(spare, name="eth0")]
    found = names(name_cards(book, seen), seen)
    assert found == {spare.address: "eth0", nic(1).address: "eth1", nic(0).address: "eth2"}


def test_a_name_that_a_bond_has_is_nobodys() -> None:
    seen = [nic(0, "eth0", not_a_card="bond"), nic(1)]
    assert [each.new for each in name_cards((), seen).renames] == ["eth1"]


def test_what_is_kept_is_what_is_read(tmp_path: Path) -> None:
    book = tmp_path / "ballast" / "nics.json"
    assert load(book) == ()
    bindings = name_cards((), [nic(0), nic(1)]).bindings
    keep(book, bindings)
    assert load(book) == bindings


@pytest.mark.parametrize(
    "text",
    [
        "",
        "nonsense",
        "[]",
        "{}",
        '{"cards": 7}',
        '{"cards": [7]}',
        '{"cards": [{"name": "eth0"}]}',
        '{"cards": [{"name": "lo", "address": "52:54:00:00:00:00"}]}',
        '{"cards": [{"name": "eth0", "address": "\\u001b[2J"}]}',
        '{"cards": [{"name": ["eth0"], "address": "52:54:00:00:00:00"}]}',
        '{"cards": [{"name": "eth0", "address": "52:54:00:00:00:00", "place": 7}]}',
    ],
)
def test_a_file_that_is_not_ours_is_told_and_not_believed(text: str, tmp_path: Path) -> None:
    book = tmp_path / "nics.json"
    book.write_text(text)
    with pytest.raises(Unable, match="does not say which network card has which name"):
        load(book)


def test_the_file_can_be_read_by_a_person(tmp_path: Path) -> None:
    book = tmp_path / "nics.json"
    keep(book, [Binding("eth0", "52:54:00:00:00:00", "/sys/devices/x")])
    assert json.loads(book.read_text()) == {
        "cards": [{"name": "eth0", "address": "52:54:00:00:00:00", "place": "/sys/devices/x"}]
    }


def test_udev_is_left_word_of_the_cards_that_have_their_names(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = tmp_path / "named"
    for _ in range(2):
        note([nic(0), nic(5)], folder)
    assert sorted(path.name for path in folder.iterdir()) == ["2", "7"]
    note([nic(0)], tmp_path / "none" / "named")
    assert "cannot be written" in caplog.text
