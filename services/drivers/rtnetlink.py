# SPDX-License-Identifier: Apache-2.0
"""What the kernel's route netlink says and is told: cards, addresses, default gateways.

Our marks stand here. An address carries one of two numbers in IFA_PROTO (Linux 5.18 and
newer), which tell floating addresses from an interface's own; a route carries one in its
protocol field. 186 and 187 lie outside the kernel's own address protocols (1 to 3); as route
protocols those numbers are taken (BGP, IS-IS in /etc/iproute2/rt_protos), hence 176 there.
"""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import ip_address, ip_interface
from typing import NamedTuple

from services.drivers.netlink import (
    CREATE,
    REPLACE,
    RTM_DELADDR,
    RTM_DELROUTE,
    RTM_GETADDR,
    RTM_GETLINK,
    RTM_GETROUTE,
    RTM_NEWADDR,
    RTM_NEWROUTE,
    RTM_SETLINK,
    Request,
    attribute,
    attributes,
    dump,
)
from services.plan.state import AddressKey, Device

OWN_ADDRESS, FLOATING_ADDRESS, OUR_ROUTE = 0xBA, 0xBB, 0xB0

METRIC = {4: 0, 6: 1}
"""Ours comes first. IPv6 reads 0 as 1024, the metric of routes learnt from routers."""

_FAMILY = {4: socket.AF_INET, 6: socket.AF_INET6}
_FAMILIES = frozenset(int(family) for family in _FAMILY.values())

_LINK = struct.Struct("=BxHiII")
_IFLA_ADDRESS, _IFLA_IFNAME, _IFLA_MTU, _IFLA_AF_SPEC, _IFLA_EXT_MASK = 1, 3, 4, 26, 29
_SKIP_STATS = 8
_UP, _LOOPBACK, _CARRIER = 0x1, 0x8, 0x10000
_INET_CONF, _PROMOTE_SECONDARIES = 1, 20

_ADDRESS = struct.Struct("=BBBBI")
_IFA_ADDRESS, _IFA_LOCAL, _IFA_BROADCAST, _IFA_CACHEINFO = 1, 2, 4, 6
_IFA_FLAGS, _IFA_PROTO = 8, 11
_NODAD, _NOPREFIXROUTE = 0x02, 0x200
_FOREVER = 0xFFFFFFFF

_ROUTE = struct.Struct("=BBBBBBBBI")
_RTA_GATEWAY, _RTA_PRIORITY = 5, 6
_TABLE_MAIN, _UNICAST = 254, 1

_U32 = struct.Struct("=I")
IPV4_BYTES = 4
_LINK_LOCAL = frozenset(bytes([0xFE, second]) for second in range(0x80, 0xC0))


def split(address: str) -> tuple[bytes, int]:
    """An address with prefix as packed bytes and length; `ipaddress` is ten times slower."""
    text, _, prefix = address.partition("/")
    family = socket.AF_INET6 if ":" in text else socket.AF_INET
    return socket.inet_pton(family, text), int(prefix)


@dataclass(frozen=True)
class Card:
    """A network device and what the kernel calls it."""

    index: int
    loopback: bool
    device: Device


class Row(NamedTuple):
    """An address in the kernel; a tuple, because there are thousands of them at every look."""

    card: int
    """The kernel's number of its device."""
    address: bytes
    """Packed."""
    prefix: int
    protocol: int

    @property
    def link_local(self) -> bool:
        """Whether it is one of those IPv6 makes by itself on every card."""
        return len(self.address) > IPV4_BYTES and self.address[:2] in _LINK_LOCAL

    @property
    def text(self) -> str:
        """With prefix, in the same normal form as `ipaddress` has it."""
        if len(self.address) == IPV4_BYTES:
            return f"{socket.inet_ntop(socket.AF_INET, self.address)}/{self.prefix}"
        text = socket.inet_ntop(socket.AF_INET6, self.address)
        if "." in text:  # the C library writes some ends the old way
            text = str(ip_address(self.address))
        return f"{text}/{self.prefix}"


def read_cards() -> dict[str, Card]:
    """Every device, by name. Raises `OSError`."""
    ask = _LINK.pack(0, 0, 0, 0, 0) + attribute(_IFLA_EXT_MASK, _U32.pack(_SKIP_STATS))
    cards = {}
    for body in dump(RTM_GETLINK, ask):
        _, _, index, flags, _ = _LINK.unpack_from(body)
        found = attributes(body, _LINK.size)
        name = found[_IFLA_IFNAME].rstrip(b"\0").decode(errors="replace")
        device = Device(
            name=name,
            up=bool(flags & _UP),
            carrier=bool(flags & _CARRIER),
            mac=found.get(_IFLA_ADDRESS, b"").hex(":"),
            mtu=_U32.unpack(found[_IFLA_MTU])[0],
        )
        cards[name] = Card(index, bool(flags & _LOOPBACK), device)
    return cards


def read_addresses() -> list[Row]:
    """Every address. Raises `OSError`."""
    rows = []
    for body in dump(RTM_GETADDR, _ADDRESS.pack(0, 0, 0, 0, 0)):
        family, prefix, _, _, card = _ADDRESS.unpack_from(body)
        if family not in _FAMILIES:
            continue
        found = attributes(body, _ADDRESS.size)
        address = found.get(_IFA_LOCAL) or found.get(_IFA_ADDRESS, b"")
        protocol = found.get(_IFA_PROTO, b"\0")[0]
        rows.append(Row(card, address, prefix, protocol))
    return rows


def read_gateways() -> dict[int, str]:
    """The default gateways that carry our mark, by IP version. Raises `OSError`."""
    return dict(_gateways())


def _gateways() -> Iterator[tuple[int, str]]:
    for version, family in _FAMILY.items():
        # the kernel filters by these: with many addresses there are as many local routes
        ask = _ROUTE.pack(family, 0, 0, 0, _TABLE_MAIN, OUR_ROUTE, 0, _UNICAST, 0)
        for body in dump(RTM_GETROUTE, ask):
            _, length, _, _, table, protocol, _, _, _ = _ROUTE.unpack_from(body)
            gateway = attributes(body, _ROUTE.size).get(_RTA_GATEWAY)
            if (length, table, protocol) == (0, _TABLE_MAIN, OUR_ROUTE) and gateway:
                yield version, str(ip_address(gateway))


def prepare(index: int) -> Request:
    """Keep secondary IPv4 addresses when the primary of their network goes."""
    conf = attribute(_PROMOTE_SECONDARIES, _U32.pack(1))
    spec = attribute(socket.AF_INET, attribute(_INET_CONF, conf))
    return Request(RTM_SETLINK, _LINK.pack(0, 0, index, 0, 0) + attribute(_IFLA_AF_SPEC, spec))


def bring_up(index: int) -> Request:
    """Switch a card on."""
    return Request(RTM_SETLINK, _LINK.pack(0, 0, index, _UP, _UP))


def set_mtu(index: int, mtu: int) -> Request:
    """Change a card's largest packet."""
    body = _LINK.pack(0, 0, index, 0, 0) + attribute(_IFLA_MTU, _U32.pack(mtu))
    return Request(RTM_SETLINK, body)


def add_address(index: int, key: AddressKey, *, floating: bool) -> Request:
    """Add an address with our mark, or put our mark and flags on the one that is there."""
    packed, prefix = split(key.address)
    body = _address_head(index, prefix, packed)
    body += attribute(_IFA_PROTO, bytes([FLOATING_ADDRESS if floating else OWN_ADDRESS]))
    flags = _NOPREFIXROUTE if floating else 0
    if len(packed) > IPV4_BYTES:
        flags |= _NODAD
        preferred = 0 if floating else _FOREVER
        body += attribute(_IFA_CACHEINFO, struct.pack("=IIII", preferred, _FOREVER, 0, 0))
    elif not floating and prefix < 31:
        body += attribute(
            _IFA_BROADCAST, ip_interface(key.address).network.broadcast_address.packed
        )
    body += attribute(_IFA_FLAGS, _U32.pack(flags))
    return Request(RTM_NEWADDR, body, CREATE | REPLACE)


def drop_address(row: Row) -> Request:
    """Remove exactly that address."""
    return Request(RTM_DELADDR, _address_head(row.card, row.prefix, row.address))


def _address_head(index: int, prefix: int, packed: bytes) -> bytes:
    family = socket.AF_INET if len(packed) == IPV4_BYTES else socket.AF_INET6
    body = _ADDRESS.pack(family, prefix, 0, 0, index)
    return body + attribute(_IFA_LOCAL, packed) + attribute(_IFA_ADDRESS, packed)


def set_gateway(version: int, address: str) -> Request:
    """Make `address` the default gateway, in the place of one with the same metric."""
    return Request(
        RTM_NEWROUTE, _default_route(version, ip_address(address).packed), CREATE | REPLACE
    )


def drop_gateway(version: int) -> Request:
    """Remove our default gateway, and nobody else's."""
    return Request(RTM_DELROUTE, _default_route(version, b""))


def _default_route(version: int, gateway: bytes) -> bytes:
    body = _ROUTE.pack(_FAMILY[version], 0, 0, 0, _TABLE_MAIN, OUR_ROUTE, 0, _UNICAST, 0)
    body += attribute(_RTA_PRIORITY, _U32.pack(METRIC[version]))
    return body + (attribute(_RTA_GATEWAY, gateway) if gateway else b"")
