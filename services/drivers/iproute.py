# SPDX-License-Identifier: Apache-2.0
"""Network cards and default gateways, through pyroute2.

A unit has a handful of cards and two gateways, so the library's price, half a millisecond
for a card, is no matter here, and its knowledge of the protocol is worth having. Addresses
come in thousands: they stand in `rtnetlink`, packed by hand, with the figures that say why.
A look at 5 cards and 2 gateways takes 4 to 6 ms of CPU, every two seconds.

Every conversation has a socket and an event loop of its own, in the calling thread; opening
them is 0.7 ms of that. A socket kept for the agent's life would save it, but a pyroute2
socket belongs to one thread and never works again after an error. The agent's own loop must
not wait for the kernel's network lock, which a card that is being switched on may hold for a
second. pyroute2 has no deadline either: when its socket fails, requests under way wait for
ever (tried). Hence the one here.

It is imported at the first conversation, which takes 0.2 s and 14 MB, or by `load` at a time
when nobody waits.
"""

from __future__ import annotations

import asyncio
import errno
import os
import socket
from collections.abc import AsyncIterable, Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from ipaddress import ip_address
from typing import Any, Protocol, TypeVar

from services.drivers.netlink import ANSWER_S, DUMP_INTERRUPTED, TRIES, Refusal
from services.plan.state import Device

Result = TypeVar("Result")
Message = Mapping[str, Any]

OUR_ROUTE = 0xB0
"""Our mark, in a route's protocol field: 176, because the marks of our addresses are taken
there (186 BGP, 187 IS-IS in /etc/iproute2/rt_protos)."""

METRIC = {4: 0, 6: 1}
"""Ours comes first. IPv6 reads 0 as 1024, the metric of routes learnt from routers."""

_FAMILY = {4: int(socket.AF_INET), 6: int(socket.AF_INET6)}
_SKIP_STATS = 8
_UP, _LOOPBACK, _CARRIER = 0x1, 0x8, 0x10000
_ETHERNET = 1
_TABLE_MAIN, _UNICAST = 254, 1


class _Kernel(Protocol):
    """What we use of pyroute2's AsyncIPRoute."""

    async def link(self, command: str, **fields: object) -> AsyncIterable[Message]: ...

    async def route(self, command: str, **fields: object) -> AsyncIterable[Message]: ...


@dataclass(frozen=True)
class Card:
    """A network device and what the kernel calls it."""

    index: int
    loopback: bool
    device: Device


def read_cards() -> dict[str, Card]:
    """Every device, by name. Raises `OSError`."""
    return _conversed(_cards)


def read_cards_and_gateways() -> tuple[dict[str, Card], dict[int, str]]:
    """Every device by name, and by IP version the default gateways that carry our mark.

    Both in one conversation, for the look every two seconds. Raises `OSError`.
    """

    async def both(kernel: _Kernel) -> tuple[dict[str, Card], dict[int, str]]:
        return await _cards(kernel), await _gateways(kernel)

    return _conversed(both)


def bring_up(indexes: Iterable[int]) -> list[Refusal | None]:
    """Switch cards on; a refusal of one stops none of the others. Raises `OSError`."""

    async def each(kernel: _Kernel) -> list[Refusal | None]:
        return [await _refusal(kernel.link("set", index=index, state="up")) for index in indexes]

    return _conversed(each)


def set_mtu(index: int, mtu: int) -> Refusal | None:
    """Change a card's largest packet. Raises `OSError`."""
    return _conversed(lambda kernel: _refusal(kernel.link("set", index=index, mtu=mtu)))


def set_gateway(version: int, address: str) -> Refusal | None:
    """Make `address` the default gateway, in the place of one with the same metric.

    Raises `OSError`.
    """
    fields = {**_default_route(version), "gateway": address}
    return _conversed(lambda kernel: _refusal(kernel.route("replace", **fields)))


def drop_gateway(version: int) -> Refusal | None:
    """Remove our default gateway, and nobody else's. Raises `OSError`."""
    fields = _default_route(version)
    return _conversed(lambda kernel: _refusal(kernel.route("del", **fields)))


def _default_route(version: int) -> dict[str, object]:
    return {**_our_routes(version), "priority": METRIC[version]}


def _our_routes(version: int) -> dict[str, object]:
    return {
        "family": _FAMILY[version],
        "table": _TABLE_MAIN,
        "proto": OUR_ROUTE,
        "type": _UNICAST,
    }


async def _cards(kernel: _Kernel) -> dict[str, Card]:
    everything = {"ext_mask": _SKIP_STATS, "dump_filter": None}
    cards = {}
    for found in await _dumped(partial(kernel.link, "dump", **everything)):
        name = found.get("ifname", "")
        if isinstance(name, bytes):  # pyroute2 leaves what is not UTF-8 alone
            name = name.decode(errors="replace")
        device = Device(
            name=name,
            up=bool(found["flags"] & _UP),
            carrier=bool(found["flags"] & _CARRIER),
            # a tunnel has an IP address there, which pyroute2 would read as a MAC
            mac=found.get("address", "") if found["ifi_type"] == _ETHERNET else "",
            mtu=found.get("mtu", 0),
        )
        cards[device.name] = Card(found["index"], bool(found["flags"] & _LOOPBACK), device)
    return cards


async def _gateways(kernel: _Kernel) -> dict[int, str]:
    gateways = {}
    for version in _FAMILY:
        # the kernel filters, not pyroute2: each address has a local route of its own
        ours = {**_our_routes(version), "dump_filter": None}
        for found in await _dumped(partial(kernel.route, "dump", **ours)):
            gateway = found.get("gateway")
            place = (found["dst_len"], found["table"], found["proto"])
            if place == (0, _TABLE_MAIN, OUR_ROUTE) and gateway:
                gateways[version] = str(ip_address(gateway))
    return gateways


async def _dumped(asked: Callable[[], Awaitable[AsyncIterable[Message]]]) -> list[Message]:
    """Everything, as consistent as the kernel can have it: pyroute2 does not look."""
    found: list[Message] = []
    for _ in range(TRIES):
        found = [message async for message in await asked()]
        if not any(message["header"]["flags"] & DUMP_INTERRUPTED for message in found):
            break
    return found


def load() -> None:
    """Import pyroute2 now; in an emulated machine that is seconds of a start."""
    import pyroute2  # type: ignore[import-untyped]  # noqa: F401


async def _refusal(asked: Awaitable[object]) -> Refusal | None:
    from pyroute2 import NetlinkError

    try:
        await asked
    except NetlinkError as error:
        return Refusal(error.code, error.args[1])
    return None


def _conversed(talk: Callable[[_Kernel], Awaitable[Result]]) -> Result:
    from pyroute2 import AsyncIPRoute, NetlinkError

    async def whole() -> Result:
        # the kernel's own words in a refusal, and its own filter in a dump
        async with (
            asyncio.timeout(ANSWER_S),
            AsyncIPRoute(ext_ack=True, strict_check=True) as kernel,
        ):
            return await talk(kernel)

    try:
        return asyncio.run(whole())
    except NetlinkError as error:
        raise OSError(error.code, error.args[1]) from error
    except TimeoutError as error:
        raise TimeoutError(errno.ETIMEDOUT, os.strerror(errno.ETIMEDOUT)) from error
