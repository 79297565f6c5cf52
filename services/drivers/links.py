# SPDX-License-Identifier: Apache-2.0
"""Addresses, default gateways and MTU of the network cards, as the kernel holds them.

What is ours carries a mark in the kernel itself, so that the kernel is the only memory: after
any crash it is clear what may be removed, and what somebody added by hand is never taken
away. An address added by hand which the document now wants too is adopted: it gets our mark
and our flags. A default route by hand at our place (same metric) gives way to ours.

A floating address is a /32 or /128, so the kernel never makes it a secondary of another,
and removing an interface's address takes none of them along. Secondaries among the
interface's own are kept by `promote_secondaries`, switched on for the card first. For IPv6
there is no duplicate detection (binding would have to wait for it), and floating ones have
preferred lifetime 0, so that no connection of ours starts from an address that may move away.

An address on a card that is switched off does not count as seen: it serves nobody, and
adding it again is what switches the card on.
"""

from __future__ import annotations

import asyncio
import errno
from collections.abc import Callable, Iterable, Mapping
from typing import Protocol, TypeVar

from services.drivers import iproute
from services.drivers import rtnetlink as kernel
from services.drivers.announce import Announcer
from services.drivers.ethtool import CardFacts, describe
from services.drivers.netlink import Refusal, Request, send
from services.drivers.probe import Probed, ask
from services.errors import Unable
from services.plan.state import AddressKey, Device, LinksSeen

MAC_BYTES = 6

Result = TypeVar("Result")
Answer = tuple[str, Refusal | None]
"""What could not be done if it was refused, and the refusal."""


class Links(Protocol):
    """The network cards. Everything raises `Unable` when the kernel refuses."""

    async def seen(self) -> LinksSeen:
        """Cards except the loopback, addresses with our mark and others', our gateways."""

    async def add_addresses(self, keys: Mapping[AddressKey, bool]) -> None:
        """Bring addresses up in one batch, and their cards; True: floating.

        What is there already is success. A card that does not exist is refused before
        anything is changed; of an address the kernel refuses, the others are up.
        """

    async def drop_addresses(self, keys: Iterable[AddressKey]) -> None:
        """Take addresses down, those with our mark only; an absent one is success."""

    async def announce(self, keys: Iterable[AddressKey]) -> None:
        """Tell the neighbours, several times; returns after the first."""

    async def probe(self, device: str, address: str) -> Probed:
        """Ask the wire of a card who has an address, without prefix; takes a second or two.

        A card that does not exist is refused.
        """

    async def describe(self, devices: Iterable[str]) -> Mapping[str, CardFacts]:
        """Driver and speed of cards; may take as long as their firmware."""

    async def set_gateway(self, version: int, address: str) -> None:
        """Make `address` the default gateway of that IP version."""

    async def drop_gateway(self, version: int) -> None:
        """Remove our default gateway; none there is success."""

    async def set_mtu(self, device: str, mtu: int) -> None:
        """Set the largest packet, in bytes."""

    async def aclose(self) -> None:
        """Stop announcing."""


class KernelLinks:
    """The kernel's, over route netlink.

    Calls block while somebody else holds the kernel's network lock, so each is in a thread.
    """

    def __init__(self) -> None:
        self._announcer = Announcer(_devices)
        self._changing = asyncio.Lock()

    async def seen(self) -> LinksSeen:
        return await _asked(_seen)

    async def add_addresses(self, keys: Mapping[AddressKey, bool]) -> None:
        wanted = dict(keys)
        if wanted:
            async with self._changing:
                await _asked(lambda: _add(wanted))

    async def drop_addresses(self, keys: Iterable[AddressKey]) -> None:
        going = frozenset(keys)
        if going:
            await self._announcer.forget(going)
            async with self._changing:
                await _asked(lambda: _drop(going))

    async def announce(self, keys: Iterable[AddressKey]) -> None:
        await self._announcer.announce(keys)

    async def probe(self, device: str, address: str) -> Probed:
        cards = await _asked(iproute.read_cards)
        _index(cards, device)
        card = cards[device].device
        macs = {
            name: bytes.fromhex(each.device.mac.replace(":", "")) for name, each in cards.items()
        }
        if not card.carrier or len(macs[device]) != MAC_BYTES:
            return Probed(carrier=False)
        packed, _ = kernel.split(f"{address}/0")
        owner = await ask(device, macs[device], packed, ours=macs.values())
        return Probed(carrier=True, owner=owner)

    async def describe(self, devices: Iterable[str]) -> Mapping[str, CardFacts]:
        names = tuple(devices)
        return await _asked(lambda: describe(names))

    async def set_gateway(self, version: int, address: str) -> None:
        await _asked(lambda: _set_gateway(version, address))

    async def drop_gateway(self, version: int) -> None:
        await _asked(lambda: _drop_gateway(version))

    async def set_mtu(self, device: str, mtu: int) -> None:
        await _asked(lambda: _set_mtu(device, mtu))

    async def aclose(self) -> None:
        await self._announcer.aclose()


async def _asked(question: Callable[[], Result]) -> Result:
    return await asyncio.to_thread(_told, question)


def _told(question: Callable[[], Result]) -> Result:
    try:
        return question()
    except OSError as error:
        raise Unable(
            f"The kernel does not answer about the network: {error.strerror or error}.",
            do="Look in the kernel's log.",
        ) from error


def _devices() -> dict[str, Device]:
    cards = _told(iproute.read_cards)
    return {name: card.device for name, card in cards.items() if not card.loopback}


def _seen() -> LinksSeen:
    cards, gateways = iproute.read_cards_and_gateways()
    known = {card.index: card for card in cards.values() if not card.loopback}
    ours: dict[AddressKey, bool] = {}
    foreign: set[AddressKey] = set()
    for row in kernel.read_addresses():
        card = known.get(row.card)
        if card is None:
            continue
        if row.protocol in _MARKS:
            if card.device.up:
                ours[AddressKey(card.device.name, row.text)] = _MARKS[row.protocol]
        elif not row.link_local:
            foreign.add(AddressKey(card.device.name, row.text))
    devices = {card.device.name: card.device for card in known.values()}
    return LinksSeen(devices, ours, frozenset(foreign), gateways)


_MARKS = {kernel.OWN_ADDRESS: False, kernel.FLOATING_ADDRESS: True}


def _add(wanted: Mapping[AddressKey, bool]) -> None:
    cards = iproute.read_cards()
    devices = sorted({key.device for key in wanted})
    indexes = {device: _index(cards, device) for device in devices}
    off = [device for device in devices if not cards[device].device.up]
    answers = [
        (f"{device} cannot be switched on", refusal)
        for device, refusal in zip(
            off, iproute.bring_up(indexes[device] for device in off), strict=True
        )
    ]
    subjects = [
        (kernel.prepare(index), f"{device} cannot be prepared") for device, index in indexes.items()
    ]
    rows = kernel.read_addresses()
    at = {(row.card, row.address): row for row in rows if len(row.address) > kernel.IPV4_BYTES}
    for key, floating in sorted(wanted.items()):
        what = f"{key.address} cannot be added to {key.device}"
        address, prefix = kernel.split(key.address)
        there = at.get((indexes[key.device], address))
        if there is not None and there.prefix != prefix:
            # IPv6 knows an address once per card, whatever its prefix
            subjects.append((kernel.drop_address(there), what))
        subjects.append((kernel.add_address(indexes[key.device], key, floating=floating), what))
    _judge(answers + _sent(subjects), fine=frozenset({errno.EAFNOSUPPORT}))
    _refuse_unmarked(wanted, indexes)


def _refuse_unmarked(wanted: Mapping[AddressKey, bool], indexes: Mapping[str, int]) -> None:
    there = {(row.card, row.text): row.protocol for row in kernel.read_addresses()}
    for key, floating in sorted(wanted.items()):
        protocol = there.get((indexes[key.device], key.address))
        if protocol is None:
            raise Unable(
                f"{key.address} was added to {key.device} and is gone again.",
                do="Find out what else sets addresses on that card, e.g. a DHCP client.",
            )
        if _MARKS.get(protocol) is not floating:
            raise Unable(
                f"This kernel does not keep our mark on {key.address}.",
                do="Run Linux 5.18 or newer: older ones cannot tell our addresses from others.",
            )


def _drop(going: frozenset[AddressKey]) -> None:
    names = {card.index: name for name, card in iproute.read_cards().items()}
    rows = [
        row
        for row in kernel.read_addresses()
        if row.protocol in _MARKS and AddressKey(names.get(row.card, ""), row.text) in going
    ]
    subjects = [
        (kernel.prepare(index), f"{names[index]} cannot be prepared")
        for index in sorted({row.card for row in rows})
    ]
    subjects += [
        (kernel.drop_address(row), f"{row.text} cannot be removed from {names[row.card]}")
        for row in rows
    ]
    fine = frozenset({errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL, errno.ENODEV})
    _judge(_sent(subjects), fine=fine)


def _set_gateway(version: int, address: str) -> None:
    refusal = iproute.set_gateway(version, address)
    what = f"{address} cannot be the default gateway"
    _judge([(what, refusal)], fine=frozenset({errno.EEXIST}))


def _drop_gateway(version: int) -> None:
    refusal = iproute.drop_gateway(version)
    what = f"The IPv{version} gateway cannot be removed"
    _judge([(what, refusal)], fine=frozenset({errno.ESRCH}))


def _set_mtu(device: str, mtu: int) -> None:
    refusal = iproute.set_mtu(_index(iproute.read_cards(), device), mtu)
    _judge([(f"The MTU of {device} cannot be {mtu}", refusal)])


def _index(cards: Mapping[str, iproute.Card], device: str) -> int:
    if device not in cards:
        there = ", ".join(sorted(name for name, card in cards.items() if not card.loopback))
        raise Unable(
            f"{device} does not exist; this unit has {there or 'no network card'}.",
            do="Plug the card in, or take its settings out of the configuration.",
        )
    return cards[device].index


def _sent(subjects: list[tuple[Request, str]]) -> list[Answer]:
    answers = send([request for request, _ in subjects])
    return [(what, answer) for (_, what), answer in zip(subjects, answers, strict=True)]


def _judge(answers: list[Answer], *, fine: frozenset[int] = frozenset()) -> None:
    refused = [
        (what, refusal)
        for what, refusal in answers
        if refusal is not None and refusal.number not in fine
    ]
    if refused:
        what, refusal = refused[0]
        more = f" ({len(refused)} refusals in all)" if len(refused) > 1 else ""
        raise Unable(f"{what}: {refusal.words}{more}.", do=_remedy(refusal))


def _remedy(refusal: Refusal) -> str:
    return _REMEDIES.get(refusal.number, "Look in the kernel's log.")


_REMEDIES = {
    errno.EPERM: "Run the agent as root.",
    errno.ENODEV: "Plug the card in, or take its settings out of the configuration.",
    errno.ENETUNREACH: "Give an interface an address in the gateway's network first.",
    errno.EHOSTUNREACH: "Give an interface an address in the gateway's network first.",
    errno.EACCES: "Switch IPv6 on for that card (net.ipv6.conf.<card>.disable_ipv6 = 0).",
    errno.EINVAL: "Choose a value this card takes; see `ip -details link`.",
}
