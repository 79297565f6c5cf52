# SPDX-License-Identifier: Apache-2.0
"""Rules of 1:1 NAT, and of the settings that all layer 4 services share.

An outside address leads to one server whole, before any service could see a packet, so nothing
else may have it; and a server has one at most, or nobody could say which of them it sends from.
"""

from __future__ import annotations

from collections.abc import Iterator

from services.check.network import spoken_for
from services.check.service import Path, same_id, same_label
from services.errors import Problem
from services.model import Document, NatEntry, NatProtocol
from services.model.base import Address

_ELSE = "Give the entry an outside address that nothing else has."


def nat(document: Document) -> Iterator[Problem]:
    """The problems of the document's 1:1 NAT and of its layer 4 advanced settings."""
    yield from _advanced(document)
    entries = [
        (("cluster", "nat", index), entry) for index, entry in enumerate(document.cluster.nat)
    ]
    if not entries:
        return
    taken, ours = _taken(document), _ours(document)
    labels: dict[str, NatEntry] = {}
    ids: dict[int, NatEntry] = {}
    outside: dict[Address, NatEntry] = {}
    servers: dict[Address, NatEntry] = {}
    for path, entry in entries:
        first = labels.setdefault(entry.label.lower(), entry)
        if first is not entry:
            yield same_label(path, entry.label, first.label, "1:1 NAT entry")
        first = ids.setdefault(entry.id, entry) if entry.id else entry
        if first is not entry:
            yield same_id(path, entry.label, first.label, entry.id)
        first = outside.setdefault(entry.address, entry)
        if first is not entry:
            yield Problem(
                (*path, "address"),
                f"{entry.label} and {first.label} both have the outside address {entry.address}.",
                _ELSE,
            )
        first = servers.setdefault(entry.server, entry)
        if first is not entry:
            yield Problem(
                (*path, "server"),
                f"{entry.label} and {first.label} both lead to {entry.server}, which could send "
                "from one outside address only.",
                "Give each server one entry.",
            )
        yield from _fields(path, entry, taken)
    ours |= outside.keys() - taken.keys()
    for path, entry in entries:
        if entry.server in ours:
            yield Problem(
                (*path, "server"),
                f"{entry.label} leads to {entry.server}, an address of this appliance.",
                "Write the address of the real server.",
            )


def _taken(document: Document) -> dict[Address, str]:
    """Addresses that no entry can have outside, with whose they are."""
    local = document.local
    found = spoken_for(local)
    found |= {own.ip: f"{card.name}'s own" for card in local.interfaces for own in card.addresses}
    for service in document.cluster.services:
        found |= {server.address: f"{server.label}'s own" for server in service.servers}
    for service in document.cluster.services:
        found |= dict.fromkeys(service.addresses, f"a VIP of {service.label}")
    return found


def _ours(document: Document) -> frozenset[Address]:
    own = (own.ip for card in document.local.interfaces for own in card.addresses)
    vips = (address for service in document.cluster.services for address in service.addresses)
    return frozenset((*own, *vips))


def _fields(path: Path, entry: NatEntry, taken: dict[Address, str]) -> Iterator[Problem]:
    if entry.address in taken:
        yield Problem(
            (*path, "address"),
            f"{entry.label} has the outside address {entry.address}, which is "
            f"{taken[entry.address]}.",
            _ELSE,
        )
    if entry.address.version != entry.server.version:
        version = entry.address.version
        yield Problem(
            (*path, "server"),
            f"{entry.label} leads from an IPv{version} address to an IPv{10 - version} one.",
            f"Write the server's IPv{version} address, or an IPv{10 - version} one outside.",
        )
    if entry.ports is not None and entry.protocol is NatProtocol.ANY:
        yield Problem(
            (*path, "ports"),
            f"{entry.label} lets any protocol in, and only TCP and UDP have ports.",
            "Choose TCP, UDP or both, or leave the ports empty.",
        )


def _advanced(document: Document) -> Iterator[Problem]:
    advanced = document.cluster.layer4_advanced
    if advanced.quiescent and not advanced.release_persistent:
        yield Problem(
            ("cluster", "layer4_advanced", "release_persistent"),
            "A failed server keeps its entry with weight 0 (quiescent), and its persistent clients "
            "would be sent to it as long as they keep coming.",
            "Release persistent clients, or switch quiescent off.",
        )
    card = advanced.auto_nat
    if card is not None and not any(
        found.name == card and found.addresses for found in document.local.interfaces
    ):
        yield Problem(
            ("cluster", "layer4_advanced", "auto_nat"),
            f"Auto-NAT lends real servers the address of {card}, which has none.",
            f"Give {card} an address, or choose the interface that leads outside.",
        )
