# SPDX-License-Identifier: Apache-2.0
"""The network wizard's answers: what is asked, what stands there first, what is wrong. Pure.

The wizard changes one card and the unit, and makes a whole document out of that: what else
somebody has pending is neither applied with it nor lost. Addresses are static; the appliance
has no DHCP client, because a load balancer whose address moves balances nothing.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from ipaddress import AddressValueError, IPv4Address, IPv4Interface, IPv6Address
from typing import Any

from console import fields, objects
from console.fields import FieldSpec, Kind
from console.objects import LOCAL, Object, interface_key
from services.api import Edit
from services.check import check
from services.errors import Problem
from services.model import Document, Interface, Local

STEPS = ("Interface", "Address", "DNS and name", "Review")

LEAST_PREFIX = 8
"""A wider network than 10.0.0.0/8 is a slip: nearly every address would count as a neighbour."""

EXAMPLE = "Write both in one, like 192.168.1.5/24 or 192.168.1.5/255.255.255.0."
ADDRESS = "addresses"
"""Name of the field with the card's address, as the model calls it."""

_CARD = {spec.name: spec for spec in fields.specs(Interface, without=("name",))}
_UNIT = {spec.name: spec for spec in fields.specs(Local)}

ADDRESS_FIELDS: tuple[FieldSpec, ...] = (
    replace(
        _CARD[ADDRESS],
        title="Address/mask",
        kind=Kind.TEXT,
        hint="like 10.0.0.5/24",
        help=f"The unit's own address on this network. {EXAMPLE}",
    ),
    replace(_UNIT["gateway"], hint="in the subnet"),
    _CARD["mtu"],
)
NAME_FIELDS: tuple[FieldSpec, ...] = (
    _UNIT["dns"],
    replace(_UNIT["domain"], title="Search domain"),
    _UNIT["hostname"],
    _UNIT["role"],
)
FIELDS = (*ADDRESS_FIELDS, *NAME_FIELDS)


def normal(text: str) -> str:
    """What was typed as `address/prefix`; raises `ValueError` with a sentence and its remedy."""
    pieces = re.split(r"\s*/\s*|\s+", text.strip())
    if pieces == [""]:
        raise ValueError(f"There is no address. {EXAMPLE}")
    address, masks = pieces[0], pieces[1:]
    try:
        found = IPv4Address(address)
    except AddressValueError:
        raise ValueError(_no_ipv4(address)) from None
    if not masks:
        raise ValueError(f"The mask is missing. {EXAMPLE}")
    if len(masks) > 1:
        raise ValueError(f"`{_short(text)}` is more than an address and a mask. {EXAMPLE}")
    prefix = _prefix(masks[0])
    if prefix < LEAST_PREFIX:
        raise ValueError(
            f"/{prefix} takes a large part of the Internet for this network. "
            f"Write the mask of your network, {LEAST_PREFIX} to 32."
        )
    return f"{found}/{prefix}"


def _no_ipv4(address: str) -> str:
    try:
        IPv6Address(address)
    except AddressValueError:
        return f"`{_short(address)}` is no IPv4 address. {EXAMPLE}"
    return (
        f"{_short(address)} is an IPv6 address. The wizard sets the IPv4 address; those of IPv6 "
        "are set under Local Configuration, Network interfaces."
    )


def _prefix(mask: str) -> int:
    if mask.isascii() and mask.isdigit():
        if int(mask[:4]) <= 32 and len(mask) <= 2:
            return int(mask)
        raise ValueError(f"/{_short(mask)} is no prefix of IPv4. {EXAMPLE}")
    try:
        bits = int(IPv4Address(mask))
    except AddressValueError:
        raise ValueError(f"`{_short(mask)}` is no mask. {EXAMPLE}") from None
    zeros = bits ^ 0xFFFF_FFFF
    if not zeros & (zeros + 1):
        return 32 - zeros.bit_length()
    if not bits & (bits + 1):
        raise ValueError(f"{mask} is a wildcard. As a mask it is {IPv4Address(zeros)}.")
    raise ValueError(
        f"{mask} is no mask: in a mask no one follows a zero. Write one like 255.255.255.0."
    )


def _short(text: str) -> str:
    return text if len(text) <= 40 else f"{text[:40]}..."


@dataclass
class Wizard:
    """What was typed so far; steps forward and back share it."""

    running: Document
    revision: int
    edits: tuple[Edit, ...] = ()
    """The console's pending changes: fields begin with those of this unit."""
    card: str = ""
    values: dict[str, str] = field(default_factory=dict)
    _begun: dict[str, str] = field(default_factory=dict)

    @classmethod
    def empty(cls) -> Wizard:
        """Before anything was asked of the appliance."""
        return cls(Document(), 0)

    def choose(self, card: str) -> None:
        """Go on with this card; what was typed about the unit stays."""
        if card == self.card:
            return
        self.card = card
        local = objects.with_edits(
            self.running, [edit for edit in self.edits if edit.key.startswith(LOCAL.text)]
        )
        shown = self._shown(local)
        for spec in FIELDS:
            typed = spec in _OF_UNIT and self.values.get(spec.name) != self._begun.get(spec.name)
            self._begun[spec.name] = shown[spec.name]
            if not typed:
                self.values[spec.name] = shown[spec.name]

    @property
    def typed(self) -> bool:
        """Whether leaving would lose something."""
        return self.values != self._begun

    @property
    def others(self) -> tuple[str, ...]:
        """Addresses the card has besides the one asked for; they stay."""
        found = _card(self.running, self.card)["addresses"]
        first = _first_ipv4(found)
        return tuple(own for place, own in enumerate(found) if place != first)

    @property
    def changes(self) -> tuple[tuple[str, str, str], ...]:
        """Title, value that runs and value typed, of each field that differs."""
        runs = self._shown(self.running)
        return tuple(
            (spec.title, runs[spec.name], self.values[spec.name])
            for spec in FIELDS
            if self.values[spec.name] != runs[spec.name]
        )

    def _shown(self, document: Document) -> dict[str, str]:
        card = _card(document, self.card)
        first = _first_ipv4(card["addresses"])
        card[ADDRESS] = None if first is None else card["addresses"][first]
        unit = objects.bare(document.local)
        return {
            spec.name: str(spec.shown((unit if spec in _OF_UNIT else card)[spec.name]))
            for spec in FIELDS
        }


_OF_UNIT = (ADDRESS_FIELDS[1], *NAME_FIELDS)


@dataclass(frozen=True)
class Verdict:
    """What came of judging all answers at once."""

    document: Document | None
    """None: something is wrong."""
    wrong: Mapping[str, tuple[str, ...]]
    """Sentences by field name; those of no field are under the empty name."""
    warnings: tuple[str, ...] = ()
    """What one should know, and may want all the same."""

    def of(self, specs: Sequence[FieldSpec]) -> dict[str, tuple[str, ...]]:
        """The sentences about these fields."""
        names = {spec.name for spec in specs}
        return {name: told for name, told in self.wrong.items() if name in names}


def judge(wizard: Wizard) -> Verdict:
    """The document these answers ask for, or every reason why not."""
    wrong: dict[str, list[str]] = {}

    def refuse(name: str, *sentences: str) -> None:
        wrong.setdefault(name, []).extend(sentences)

    taken = {spec.path: spec.taken(wizard.values[spec.name]) for spec in FIELDS}
    key = interface_key(wizard.card)
    base = _card(wizard.running, wizard.card)
    try:
        own = normal(wizard.values[ADDRESS])
    except ValueError as error:
        refuse(ADDRESS, str(error))
        own = ""
    taken[ADDRESS,] = _with_first(base["addresses"], own)
    card, problems = fields.judged(Interface, base, _only(taken, _CARD))
    _sort(problems, refuse)
    unit, problems = fields.judged(Local, objects.bare(wizard.running.local), _only(taken, _UNIT))
    _sort(problems, refuse)
    if card is None or unit is None or wrong:
        return Verdict(None, {name: tuple(told) for name, told in wrong.items()})
    after = objects.put(objects.put(wizard.running, LOCAL, unit), key, card)
    known = {(problem.what, problem.do) for problem in check(wizard.running)}
    met = [problem for problem in check(after) if (problem.what, problem.do) not in known]
    for problem in met:
        refuse(*_placed(problem, after, wizard.card))
    if wrong:
        return Verdict(None, {name: tuple(told) for name, told in wrong.items()})
    return Verdict(after, {}, tuple(_stranded(wizard.running, after)))


def _only(
    taken: Mapping[fields.Path, Any], specs: Mapping[str, FieldSpec]
) -> dict[fields.Path, Any]:
    return {path: value for path, value in taken.items() if path[0] in specs}


def _sort(problems: Sequence[Problem], refuse: Callable[..., None]) -> None:
    names = {spec.path[0] for spec in FIELDS}
    for problem in problems:
        name = str(problem.path[0]) if problem.path else ""
        refuse(name if name in names else "", f"{problem.what} {problem.do}")


def _placed(problem: Problem, after: Document, card: str) -> tuple[str, str]:
    """The field that a problem between objects belongs to, and its sentence."""
    sentence = f"{problem.what} {problem.do}"
    place = objects.place_of(after, interface_key(card)) or ("nowhere",)
    match problem.path:
        case ("local", "interfaces", *_) if problem.path[: len(place)] == place:
            name = str(problem.path[len(place)])
            return (name if name in _CARD else ADDRESS), sentence
        case ("local", "interfaces", *_):
            # another card's, and only because of this one's new address
            return ADDRESS, sentence
        case ("local", str(name), *_) if name in _UNIT:
            return name, sentence
        case ("cluster", "layer7", int(index), "addresses", int(at)):
            service = after.cluster.layer7[index]
            vip = service.addresses[at]
            told = f"{vip} is the VIP of {service.label}. Choose an address that no service has."
            return ("gateway" if vip == after.local.gateway else ADDRESS), told
    return "", sentence


def _stranded(before: Document, after: Document) -> Sequence[str]:
    """VIPs that lay in a network of the unit and do not any more."""

    def inside(document: Document, address: object) -> bool:
        cards = document.local.interfaces
        return any(address in own.network for card in cards for own in card.addresses)

    return [
        f"The VIP {vip} of {service.label} lies in none of this unit's networks any more."
        for service in after.cluster.layer7
        for vip in service.addresses
        if inside(before, vip) and not inside(after, vip)
    ]


def _card(document: Document, name: str) -> Object:
    """The card as it travels; with nothing said about it, as the model begins one."""
    found = objects.find_bare(document, interface_key(name))
    return dict(found) if found else {"name": name, "addresses": [], "mtu": _CARD["mtu"].default}


def _first_ipv4(addresses: Sequence[str]) -> int | None:
    return next((place for place, own in enumerate(addresses) if ":" not in own), None)


def _with_first(addresses: Sequence[str], own: str) -> list[str]:
    place = _first_ipv4(addresses)
    if place is None:
        return [own, *addresses] if own else list(addresses)
    return [own if at == place and own else one for at, one in enumerate(addresses)]


def own_address(wizard: Wizard) -> str:
    """The address asked for without its mask; empty while it is not one."""
    try:
        return str(IPv4Interface(normal(wizard.values[ADDRESS])).ip)
    except ValueError:
        return ""
