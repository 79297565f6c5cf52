# SPDX-License-Identifier: Apache-2.0
"""Which network card is eth0: bound to its hardware address, so that a new card renames nothing.

A card that is known keeps its name. One that is not known takes, in this order,

1. the name of a missing card that sat in the same place: a card was replaced, or a virtual
   machine was cloned and got fresh addresses, and its configuration must go on working;
2. the lowest name of any missing card: a main board was replaced, or a machine has moved to
   another hypervisor. That a card dies and another is added elsewhere before the next start
   is rarer by far than either, and its price would be the same: a unit one cannot reach;
3. the lowest name that nobody has had.

So names are given up only by cards that are gone, and whoever returns to find its name taken
is a new card. At the first start cards stand in the order that is printed on the server's
back, where its firmware tells it, then in that of the PCI bus, those behind USB last (a
server's own management controller shows itself as one).

Cards past the fourth are named too, so that they do not stand in the way of the first four,
which are the ones the configuration knows.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

_PCI = re.compile(r"[0-9a-f]{4,}:[0-9a-f]{2}:[0-9a-f]{2}\.[0-9a-f]")
_NUMBER = re.compile(r"eth([0-9]{1,3})")


@dataclass(frozen=True)
class Nic:
    """A network device as it was found."""

    index: int
    """The kernel's number."""
    name: str
    address: str
    """The hardware address it was made with, `52:54:00:12:34:56`; empty: none."""
    place: str = ""
    """Where it is plugged in, as sysfs has it, `#1` at the end for a second port there."""
    driver: str = ""
    onboard: int = 0
    """Its number on the server's back, as the firmware tells it; 0: not told."""
    not_a_card: str = ""
    """Why it is none, e.g. `bond`, `wireless`; empty: it is a card, and gets a name."""


@dataclass(frozen=True)
class Binding:
    """A name, and the card that has it."""

    name: str
    address: str
    place: str = ""


@dataclass(frozen=True)
class Rename:
    """A card that has to be called otherwise."""

    index: int
    old: str
    new: str


@dataclass(frozen=True)
class Naming:
    """What was decided."""

    bindings: tuple[Binding, ...]
    """Of all names, those of missing cards included, in their order."""
    renames: tuple[Rename, ...]


def name_cards(known: Sequence[Binding], seen: Sequence[Nic]) -> Naming:
    """Every card's name; deciding again after the renames changes nothing."""
    cards = sorted((nic for nic in seen if _nameable(nic)), key=_order)
    held = {nic.name for nic in seen if not _nameable(nic)}
    before = {binding.name: binding for binding in sorted(known, key=_place_in_row)}
    given = dict(_keepers(before, cards, held))
    missing = [binding for name, binding in before.items() if name not in given.keys() | held]
    for card in _others(cards, given.values()):
        if back := next((b for b in missing if card.place and b.place == card.place), None):
            missing.remove(back)
            given[back.name] = card
    free = (name for name in _names() if name not in before.keys() | held)
    for card in _others(cards, given.values()):
        given[missing.pop(0).name if missing else next(free)] = card
    bindings = before | {
        name: Binding(name, card.address, card.place) for name, card in given.items()
    }
    return Naming(
        bindings=tuple(sorted(bindings.values(), key=_place_in_row)),
        renames=tuple(
            Rename(card.index, card.name, name)
            for name, card in sorted(given.items(), key=lambda item: item[1].index)
            if card.name != name
        ),
    )


def is_card_name(name: str) -> bool:
    """Whether it is a name of ours."""
    return _NUMBER.fullmatch(name) is not None


def _nameable(nic: Nic) -> bool:
    return not nic.not_a_card and bool(nic.address)


def _keepers(
    before: dict[str, Binding], cards: Iterable[Nic], held: set[str]
) -> Iterable[tuple[str, Nic]]:
    """Known cards with their names; two with one address are told apart by place, then name."""
    left = list(cards)
    for name, binding in before.items():
        same = [card for card in left if card.address == binding.address]
        if same and name not in held:
            card = max(same, key=lambda nic: (nic.place == binding.place, nic.name == name))
            left.remove(card)
            yield name, card


def _others(cards: Sequence[Nic], given: Iterable[Nic]) -> list[Nic]:
    have = {card.index for card in given}
    return [card for card in cards if card.index not in have]


def _order(card: Nic) -> tuple[object, ...]:
    bus = tuple(_PCI.findall(card.place))
    usb = "/usb" in card.place
    port = int(card.place.rpartition("#")[2]) if "#" in card.place else 0
    return (usb, not card.onboard, card.onboard, not bus, bus, port, card.index)


def _place_in_row(binding: Binding) -> tuple[int, str]:
    found = _NUMBER.fullmatch(binding.name)
    return (int(found[1]) if found else 1000, binding.name)


def _names() -> Iterable[str]:
    return (f"eth{number}" for number in range(1000))
