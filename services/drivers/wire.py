# SPDX-License-Identifier: Apache-2.0
"""The doctor's hands: asks who has an address, and knocks at one real server.

Everything ends by itself: each question is put three times within two seconds.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping
from typing import Protocol

from services.doctor.asked import Heard, Knock, WhoHas
from services.drivers import iproute
from services.drivers.knocking import Knocking, Macs
from services.drivers.links import MAC_BYTES
from services.drivers.probe import ask_all
from services.errors import Unable

MOST_KNOCKS = 16_000
"""Each has a port of its own above 33,434 where datagrams go."""


class Wire(Protocol):
    """Everything raises `Unable` when packets may not be sent or seen at all."""

    async def who_has(self, questions: Collection[WhoHas]) -> Mapping[WhoHas, frozenset[str]]:
        """Whose cards have these addresses, ours left out; a question on a card without a link
        is missing.
        """

    async def knock(self, knocks: Collection[Knock], macs: Macs) -> Mapping[Knock, Heard]:
        """The answers to knocks; those that go to a neighbour need its hardware address in
        `macs`, and count as unanswered without.
        """


class KernelWire:
    """The cards of this machine, in the network namespace of this process."""

    async def who_has(self, questions: Collection[WhoHas]) -> Mapping[WhoHas, frozenset[str]]:
        try:
            cards = await asyncio.to_thread(iproute.read_cards)
        except OSError as error:
            raise Unable(
                f"The kernel does not answer about the network: {error.strerror or error}.",
                do="Look in the kernel's log.",
            ) from error
        macs = {
            name: bytes.fromhex(card.device.mac.replace(":", "")) for name, card in cards.items()
        }
        asked: dict[str, list[WhoHas]] = {}
        for question in questions:
            card = cards.get(question.device)
            if card is not None and card.device.carrier and len(macs[question.device]) == MAC_BYTES:
                asked.setdefault(question.device, []).append(question)
        answers = await asyncio.gather(
            *(
                ask_all(
                    device,
                    macs[device],
                    {question.address.packed for question in of_card},
                    ours=macs.values(),
                )
                for device, of_card in asked.items()
            )
        )
        return {
            question: owners[question.address.packed]
            for of_card, owners in zip(asked.values(), answers, strict=True)
            for question in of_card
        }

    async def knock(self, knocks: Collection[Knock], macs: Macs) -> Mapping[Knock, Heard]:
        if not knocks:
            return {}
        try:
            with Knocking(tuple(dict.fromkeys(knocks))[:MOST_KNOCKS], macs) as knocking:
                return await knocking.through()
        except OSError as error:
            raise Unable(
                f"Real servers cannot be asked: {error.strerror or error}.",
                do="Run the agent as root (it needs CAP_NET_RAW).",
            ) from error
