# SPDX-License-Identifier: Apache-2.0
"""Addresses in the kernel: read and changed in bulk, as messages packed by hand.

Cards and gateways are few and go through pyroute2, see `iproute`. Addresses may be thousands,
and the agent looks at them every two seconds. Measured with 1,000 of them, in CPU time: a
dump through pyroute2 takes 70 to 120 ms, this one 3.5; adding them takes 650 to 800 ms in as
many round trips, here 100 to 230 ms in sixteen, nearly all of it the kernel's own work, and
that is the time a failover takes. Keeping secondary addresses (`prepare`) stands here because
it leaves in the same send, and pyroute2 packs that attribute in a way the kernel only speaks,
not hears.

Our marks stand here. An address carries one of two numbers in IFA_PROTO (Linux 5.18 and
newer), which tell floating addresses from an interface's own. 186 and 187 lie outside the
kernel's own address protocols (1 to 3).
"""

from __future__ import annotations

import socket
import struct
from ipaddress import ip_address, ip_interface
from typing import NamedTuple

from services.drivers.netlink import (
    CREATE,
    REPLACE,
    RTM_DELADDR,
    RTM_GETADDR,
    RTM_NEWADDR,
    RTM_SETLINK,
    Request,
    attribute,
    attributes,
    dump,
)
from services.plan.state import AddressKey

OWN_ADDRESS, FLOATING_ADDRESS = 0xBA, 0xBB

_FAMILIES = frozenset({int(socket.AF_INET), int(socket.AF_INET6)})

_LINK = struct.Struct("=BxHiII")
_IFLA_AF_SPEC = 26
_INET_CONF, _PROMOTE_SECONDARIES = 1, 20

_ADDRESS = struct.Struct("=BBBBI")
_IFA_ADDRESS, _IFA_LOCAL, _IFA_BROADCAST, _IFA_CACHEINFO = 1, 2, 4, 6
_IFA_FLAGS, _IFA_PROTO = 8, 11
_NODAD, _NOPREFIXROUTE = 0x02, 0x200
_FOREVER = 0xFFFFFFFF

_U32 = struct.Struct("=I")
IPV4_BYTES = 4
_LINK_LOCAL = frozenset(bytes([0xFE, second]) for second in range(0x80, 0xC0))


def split(address: str) -> tuple[bytes, int]:
    """An address with prefix as packed bytes and length; `ipaddress` is ten times slower."""
    text, _, prefix = address.partition("/")
    family = socket.AF_INET6 if ":" in text else socket.AF_INET
    return socket.inet_pton(family, text), int(prefix)


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


def prepare(index: int) -> Request:
    """Keep secondary IPv4 addresses when the primary of their network goes."""
    conf = attribute(_PROMOTE_SECONDARIES, _U32.pack(1))
    spec = attribute(socket.AF_INET, attribute(_INET_CONF, conf))
    return Request(RTM_SETLINK, _LINK.pack(0, 0, index, 0, 0) + attribute(_IFLA_AF_SPEC, spec))


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
