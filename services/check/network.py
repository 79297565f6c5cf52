# SPDX-License-Identifier: Apache-2.0
"""Rules of the unit's own network: cards, addresses, gateways.

Networks that lie inside each other are allowed, the more precise one wins and that is
ordinary routing. The same network on two cards is not: the kernel would answer from either,
and half of the packets would leave where nobody expects them.
"""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import IPv4Network, IPv6Network

from services.errors import Problem
from services.model import Local
from services.model.base import Address

LEAST_IPV6_MTU = 1280
"""Below it the kernel takes all IPv6 addresses from a card (RFC 8200, section 5)."""


def network(local: Local) -> Iterator[Problem]:
    """The problems of the unit's local half."""
    names: set[str] = set()
    owners: dict[Address, str] = {}
    networks: dict[object, str] = {}
    for index, card in enumerate(local.interfaces):
        path = ("local", "interfaces", index)
        if card.name in names:
            yield Problem(
                (*path, "name"), f"{card.name} is listed twice.", "Put its addresses in one place."
            )
        names.add(card.name)
        for place, own in enumerate(card.addresses):
            here = (*path, "addresses", place)
            if own.ip in owners:
                yield Problem(
                    here,
                    f"{card.name} has {own.ip}, which {owners[own.ip]} has already.",
                    "Keep it on one interface, once.",
                )
            elif networks.setdefault(own.network, card.name) != card.name:
                yield Problem(
                    here,
                    f"{card.name} and {networks[own.network]} are both in {own.network}: answers "
                    "would leave by either of them.",
                    "Put both addresses on one interface, or give this one another network.",
                )
            owners.setdefault(own.ip, card.name)
        if card.mtu < LEAST_IPV6_MTU and any(own.version == 6 for own in card.addresses):
            yield Problem(
                (*path, "mtu"),
                f"{card.name} has an IPv6 address, and IPv6 needs an MTU of {LEAST_IPV6_MTU}.",
                f"Write {LEAST_IPV6_MTU} at least, or remove the IPv6 addresses.",
            )
    for field, version, gateway in (("gateway", 4, local.gateway), ("gateway6", 6, local.gateway6)):
        if gateway is not None:
            yield from _gateway(local, field, version, gateway)


def _gateway(local: Local, field: str, version: int, gateway: Address) -> Iterator[Problem]:
    if gateway.version != version:
        other = "gateway6" if version == 4 else "gateway"
        yield Problem(
            ("local", field),
            f"{gateway} is an IPv{gateway.version} address; {field} is for IPv{version}.",
            f"Move it to {other}.",
        )
        return
    inside = [own for card in local.interfaces for own in card.addresses if gateway in own.network]
    if not inside:
        yield Problem(
            ("local", field),
            f"The gateway {gateway} lies in no network of an interface, so nothing reaches it.",
            "Write the address of a router in one of the interfaces' networks.",
        )
    elif any(gateway == own.ip for own in inside):
        yield Problem(
            ("local", field),
            f"The gateway {gateway} is this unit's own address.",
            "Write the address of the router.",
        )
    elif any(gateway in edges(own.network) for own in inside):
        yield Problem(
            ("local", field),
            f"The gateway {gateway} is a network's own or broadcast address.",
            "Write the address of the router.",
        )


def edges(network: IPv4Network | IPv6Network) -> tuple[Address, ...]:
    """The addresses of an IPv4 network that no host may have: its own and its broadcast's."""
    if network.version == 6 or network.prefixlen >= 31:
        return ()
    return (network.network_address, network.broadcast_address)


def spoken_for(local: Local) -> dict[Address, str]:
    """Addresses that the unit's own network leaves to nothing else, with whose they are."""
    found: dict[Address, str] = {}
    for card in local.interfaces:
        for own in card.addresses:
            for edge, kind in zip(edges(own.network), ("network", "broadcast"), strict=False):
                found[edge] = f"the {kind} address of {own.network}"
    found |= {each: "the gateway" for each in (local.gateway, local.gateway6) if each}
    return found
