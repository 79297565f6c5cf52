# SPDX-License-Identifier: Apache-2.0
"""What may well be meant and mostly is a slip: said, and never refused.

Whoever means it goes on; so a hint is told where a person looks before they apply, and of a
document that is changed only what the change brings.
"""

from __future__ import annotations

from collections.abc import Iterator

from services.check.service import placed
from services.errors import Problem
from services.model import Document, Local
from services.model.base import Address


def hints(document: Document) -> tuple[Problem, ...]:
    """Every hint on `document`, in its order."""
    return tuple(_far_addresses(document))


def brought(new: Document, old: Document) -> tuple[Problem, ...]:
    """The hints on `new` that `old` does not have already."""
    known = {(hint.what, hint.do) for hint in hints(old)}
    return tuple(hint for hint in hints(new) if (hint.what, hint.do) not in known)


def far(address: Address, local: Local) -> bool:
    """Whether no network of the unit's interfaces holds the address."""
    networks = (own.network for card in local.interfaces for own in card.addresses)
    return not any(address in network for network in networks)


def far_words(name: str, address: Address) -> tuple[str, str]:
    """What is odd about such an address, and the remedy; `name`: whose it is."""
    what = (
        f"{name} has {address}, which lies in no network of this unit's interfaces: clients reach "
        "it only where a router sends it to this unit."
    )
    return what, "Look whether it is mistyped; if it is meant, let the router send it here."


def _far_addresses(document: Document) -> Iterator[Problem]:
    local = document.local
    for path, service in placed(document):
        for place, address in enumerate(service.addresses):
            if far(address, local):
                yield Problem((*path, "addresses", place), *far_words(service.label, address))
    for index, entry in enumerate(document.cluster.nat):
        if far(entry.address, local):
            path = ("cluster", "nat", index, "address")
            yield Problem(path, *far_words(entry.label, entry.address))
