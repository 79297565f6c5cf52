# SPDX-License-Identifier: Apache-2.0
"""IPVS as generic netlink has it: values to bytes and back, nothing else.

The library's way costs about 1 ms of CPU for a destination, this one 10 to 20 µs; both sides
of a table of 10,000 are packed or read in well under a second. A destination has a fixed shape,
so it is one `struct`.

Source: include/uapi/linux/ip_vs.h of Linux 6.12; version 1 of family IPVS. Numbers are in the
machine's order except ports and IPv4 masks, which are in the network's.
"""

from __future__ import annotations

import socket
import struct
from collections.abc import Mapping
from enum import IntEnum
from functools import cache, lru_cache
from ipaddress import IPv4Network, ip_address
from typing import NamedTuple

from services.drivers.genetlink import HEADER, head
from services.drivers.netlink import attribute, attributes
from services.plan.ipvs import (
    IPIP,
    IRREGULAR,
    Checksum,
    Dest,
    DestKey,
    Encapsulation,
    Flags,
    Forwarding,
    Live,
    Protocol,
    Service,
    ServiceKey,
    Timeouts,
    Tunnel,
)

FAMILY = "IPVS"
_VERSION = 1


class Command(IntEnum):
    """What may be asked of the kernel (IPVS_CMD_*)."""

    NEW_SERVICE = 1
    SET_SERVICE = 2
    DEL_SERVICE = 3
    GET_SERVICE = 4
    NEW_DEST = 5
    SET_DEST = 6
    DEL_DEST = 7
    GET_DEST = 8
    NEW_DAEMON = 9
    DEL_DAEMON = 10
    GET_DAEMON = 11
    SET_CONFIG = 12
    GET_CONFIG = 13
    GET_INFO = 15
    ZERO = 16
    FLUSH = 17


_HEADS = {command: head(command, _VERSION) for command in Command}
_ATTR_SERVICE, _ATTR_DEST = 1, 2
_ATTR_TCP, _ATTR_TCP_FIN, _ATTR_UDP = 4, 5, 6

_AF, _PROTOCOL, _ADDRESS, _PORT, _MARK, _SCHEDULER, _FLAGS, _TIMEOUT, _NETMASK = range(1, 10)
_SERVICE_ENGINE, _SERVICE_STATS64 = 11, 12
_PERSISTENT, _ALL_FLAGS = 0x1, 0xFFFFFFFF

_DEST_ADDRESS, _DEST_PORT, _FORWARDING, _WEIGHT, _UPPER, _LOWER = range(1, 7)
_ACTIVE, _INACTIVE, _REMEMBERED = 7, 8, 9
_DEST_FAMILY, _DEST_STATS64, _TUNNEL, _TUNNEL_PORT, _TUNNEL_FLAGS = 11, 12, 13, 14, 15

_U16, _U32, _S32, _U64 = (struct.Struct(f"={letter}") for letter in "HIiQ")
_BE16, _BE32 = struct.Struct("!H"), struct.Struct("!I")
_TWO_U32 = struct.Struct("=II")

_FAMILIES = {4: int(socket.AF_INET), 6: int(socket.AF_INET6)}
_PROTOCOLS = {Protocol.TCP: 6, Protocol.UDP: 17, Protocol.SCTP: 132}
_PROTOCOL_OF = {number: protocol for protocol, number in _PROTOCOLS.items()}
_FORWARDING_OF = {int(each): each for each in Forwarding}
_WHOLE = {4: 32, 6: 128}

# Each line one attribute: length, kind, value, and what fills it up to four bytes.
_DEST_HEAD = struct.Struct("=HH HH16s HHH2x")
_DEST_REST = struct.Struct("=HHI HHi HHI HHI HHH2x HHB3x HHH2x HHH2x")
_SHORT, _WORD, _BYTE, _LONG = 6, 8, 5, 20
_DEST_FAMILY_SIZE = 8


# What a destination carries now, and its family: each length and kind as one number, and the value.
_CARRIED = struct.Struct("=II II II IH2x")
_CARRIED_HEADS = tuple(
    length | kind << 16
    for length, kind in (
        (_WORD, _ACTIVE),
        (_WORD, _INACTIVE),
        (_WORD, _REMEMBERED),
        (_SHORT, _DEST_FAMILY),
    )
)


# ------------------------------------------------------------------------------------------ packing


def service_request(command: Command, key: ServiceKey, service: Service | None = None) -> bytes:
    """A message about a service; `service` where all of it is told (NEW, SET)."""
    packed = _service_key(key)
    if service is not None:
        packed += _settings(key, service)
    return _HEADS[command] + attribute(_ATTR_SERVICE, packed)


def dest_request(
    command: Command, service: ServiceKey, key: DestKey, dest: Dest | None = None
) -> bytes:
    """A message about a destination; `dest` where all of it is told (NEW, SET)."""
    version = 6 if ":" in key.address else 4
    length = _DEST_HEAD.size + (_DEST_REST.size if dest is not None else _DEST_FAMILY_SIZE)
    body = _DEST_HEAD.pack(
        *(length, _ATTR_DEST),
        *(_LONG, _DEST_ADDRESS, socket.inet_pton(_FAMILIES[version], key.address)),
        *(_SHORT, _DEST_PORT, socket.htons(key.port)),
    )
    if dest is None:
        family = attribute(_DEST_FAMILY, _U16.pack(_FAMILIES[version]))
        return _about(command, service) + body + family
    forwarding, weight, upper, lower, (tunnel, port, checksum) = dest
    return (
        _about(command, service)
        + body
        + _DEST_REST.pack(
            *(_WORD, _FORWARDING, forwarding),
            *(_WORD, _WEIGHT, weight),
            *(_WORD, _UPPER, upper),
            *(_WORD, _LOWER, lower),
            *(_SHORT, _DEST_FAMILY, _FAMILIES[version]),
            *(_BYTE, _TUNNEL, tunnel),
            *(_SHORT, _TUNNEL_PORT, socket.htons(port)),
            *(_SHORT, _TUNNEL_FLAGS, checksum),
        )
    )


def dests_request(service: ServiceKey) -> bytes:
    """The question for all destinations of a service."""
    return _about(Command.GET_DEST, service)


def plain_request(command: Command) -> bytes:
    """The head of every message, and the whole of one to flush, or to ask for all services."""
    return _HEADS[command]


def timeouts_request(timeouts: Timeouts) -> bytes:
    """Set the three timeouts; the kernel leaves alone what is 0."""
    seconds = zip((_ATTR_TCP, _ATTR_TCP_FIN, _ATTR_UDP), timeouts, strict=True)
    return _HEADS[Command.SET_CONFIG] + b"".join(
        attribute(kind, _U32.pack(value)) for kind, value in seconds
    )


@lru_cache(maxsize=1 << 13)
def _about(command: Command, service: ServiceKey) -> bytes:
    """The beginning of a message about something inside a service."""
    return service_request(command, service)


def _service_key(key: ServiceKey) -> bytes:
    family = attribute(_AF, _U16.pack(_FAMILIES[key.version]))
    if key.protocol is Protocol.MARK:
        return family + attribute(_MARK, _U32.pack(key.mark))
    packed = socket.inet_pton(_FAMILIES[key.version], key.address)
    return (
        family
        + attribute(_PROTOCOL, _U16.pack(_PROTOCOLS[key.protocol]))
        + attribute(_ADDRESS, packed.ljust(16, b"\0"))
        + attribute(_PORT, _BE16.pack(key.port))
    )


def _settings(key: ServiceKey, service: Service) -> bytes:
    flags = int(service.flags) | (_PERSISTENT if service.persistence_s else 0)
    # the kernel wants a mask of IPv6 services also without persistence
    prefix = service.granularity if service.persistence_s else _WHOLE[key.version]
    mask = _BE32.pack(_mask(prefix)) if key.version == 4 else _U32.pack(prefix)
    packed = (
        attribute(_SCHEDULER, service.scheduler.encode() + b"\0")
        + attribute(_FLAGS, _TWO_U32.pack(flags, _ALL_FLAGS))
        + attribute(_TIMEOUT, _U32.pack(service.persistence_s))
        + attribute(_NETMASK, mask)
    )
    if service.engine:
        packed += attribute(_SERVICE_ENGINE, service.engine.encode() + b"\0")
    return packed


@cache
def _mask(prefix: int) -> int:
    return int(IPv4Network(f"0.0.0.0/{prefix}").netmask)


# ---------------------------------------------------------------------------------------- unpacking


class Counters(NamedTuple):
    """What a service or destination has carried since it was made or zeroed, and now."""

    connections: int = 0
    packets_in: int = 0
    """From clients."""
    packets_out: int = 0
    """To clients; only with NAT do they pass here."""
    bytes_in: int = 0
    bytes_out: int = 0
    connections_per_s: int = 0
    packets_in_per_s: int = 0
    packets_out_per_s: int = 0
    bytes_in_per_s: int = 0
    bytes_out_per_s: int = 0


Attributes = Mapping[int, bytes]

_INSIDE = HEADER.size + 4
"""Where the attributes of a service or destination begin: each answer holds just one of them."""
_CARRIED_AT = _INSIDE + _LONG + 8 * 8
"""Address, and eight settings of four bytes at most."""


def service_attributes(body: bytes) -> Attributes:
    """The attributes of a service, from an answer to GET_SERVICE."""
    return attributes(body, _INSIDE)


def dest_attributes(body: bytes) -> Attributes:
    """The attributes of a destination, from an answer to GET_DEST."""
    return attributes(body, _INSIDE)


class Told(NamedTuple):
    """A destination as the kernel tells it, but for its statistics."""

    key: DestKey
    dest: Dest
    live: Live


def read_told(body: bytes) -> Told:
    """A destination, from an answer to GET_DEST.

    What was set comes first in it, then what the destination carries (`ip_vs_genl_fill_dest`,
    the same from Linux 5.3 to 6.12). From one look at 10,000 to the next hardly any is set anew,
    so a beginning that was read before is not read again. An answer in another order, or without
    what older kernels do not tell, is read attribute by attribute.
    """
    if len(body) >= _CARRIED_AT + _CARRIED.size:
        a, active, b, inactive, c, remembered, d, family = _CARRIED.unpack_from(body, _CARRIED_AT)
        if (a, b, c, d) == _CARRIED_HEADS:
            key, dest = _set(body[_INSIDE:_CARRIED_AT], family)
            return Told(key, dest, Live(active, inactive, remembered))
    found = dest_attributes(body)
    return Told(read_dest_key(found), read_dest(found), read_live(found))


@lru_cache(maxsize=1 << 15)
def _set(settings: bytes, family: int) -> tuple[DestKey, Dest]:
    """What was set of a destination: the attributes before those of what it carries."""
    found = attributes(settings, 0)
    found[_DEST_FAMILY] = _U16.pack(family)
    return read_dest_key(found), read_dest(found)


def read_service(found: Attributes) -> tuple[ServiceKey, Service] | None:
    """A service; None: of a protocol that IPVS cannot balance, so nobody's."""
    version = 6 if _U16.unpack(found[_AF])[0] == _FAMILIES[6] else 4
    if _MARK in found:
        key = ServiceKey(version, Protocol.MARK, mark=_U32.unpack(found[_MARK])[0])
    else:
        protocol = _PROTOCOL_OF.get(_U16.unpack(found[_PROTOCOL])[0])
        if protocol is None:
            return None
        address = text_of(found[_ADDRESS], _FAMILIES[version])
        key = ServiceKey(version, protocol, address, _BE16.unpack(found[_PORT])[0])
    bits, _ = _TWO_U32.unpack(found[_FLAGS])
    persistence_s, granularity = 0, 0
    if bits & _PERSISTENT:
        (persistence_s,) = _U32.unpack(found[_TIMEOUT])
        granularity = _granularity(version, found[_NETMASK])
    service = Service(
        scheduler=word_of(found[_SCHEDULER]),
        flags=Flags(bits & _OUR_FLAGS),
        persistence_s=persistence_s,
        granularity=granularity,
        engine=word_of(found.get(_SERVICE_ENGINE, b"")),
    )
    return key, service


_OUR_FLAGS = int(Flags.ONE_PACKET | Flags.FALLBACK | Flags.PORT | Flags.THIRD)


def read_dest_key(found: Attributes) -> DestKey:
    """Which destination it is."""
    family = _U16.unpack(found[_DEST_FAMILY])[0]
    return DestKey(text_of(found[_DEST_ADDRESS], family), _BE16.unpack(found[_DEST_PORT])[0])


def read_dest(found: Attributes) -> Dest:
    """How a destination gets its connections."""
    # a number that is none of ours is put right like any other difference
    forwarding = _FORWARDING_OF.get(_U32.unpack(found[_FORWARDING])[0], Forwarding.BYPASS)
    return Dest(
        forwarding,
        _S32.unpack(found[_WEIGHT])[0],
        _U32.unpack(found[_UPPER])[0],
        _U32.unpack(found[_LOWER])[0],
        _encapsulation(found) if forwarding is Forwarding.TUN else IPIP,
    )


def read_live(found: Attributes) -> Live:
    """What a destination carries now."""
    return Live(
        _U32.unpack(found[_ACTIVE])[0],
        _U32.unpack(found[_INACTIVE])[0],
        _U32.unpack(found[_REMEMBERED])[0],
    )


def read_service_counters(found: Attributes) -> Counters:
    """The 64-bit statistics of a service."""
    return _counters(found[_SERVICE_STATS64])


def read_dest_counters(found: Attributes) -> Counters:
    """The 64-bit statistics of a destination."""
    return _counters(found[_DEST_STATS64])


def read_timeouts(body: bytes) -> Timeouts:
    """The answer to GET_CONFIG."""
    found = attributes(body, HEADER.size)
    return Timeouts(
        *(_U32.unpack(found[kind])[0] for kind in (_ATTR_TCP, _ATTR_TCP_FIN, _ATTR_UDP))
    )


def _counters(nest: bytes) -> Counters:
    found = attributes(nest, 0)
    return Counters(*(_U64.unpack(found[kind])[0] for kind in range(1, 11)))


def _encapsulation(found: Attributes) -> Encapsulation:
    tunnel = Tunnel(found[_TUNNEL][0])
    if tunnel is Tunnel.IPIP:
        return IPIP
    port = _BE16.unpack(found[_TUNNEL_PORT])[0] if tunnel is Tunnel.GUE else 0
    return Encapsulation(tunnel, port, Checksum(_U16.unpack(found[_TUNNEL_FLAGS])[0]))


def _granularity(version: int, packed: bytes) -> int:
    if version == 6:
        return int(_U32.unpack(packed)[0])
    mask = _BE32.unpack(packed)[0]
    prefix = mask.bit_count()
    return prefix if mask == _mask(prefix) else IRREGULAR


def text_of(packed: bytes, family: int) -> str:
    """An address in normal form."""
    if family == _FAMILIES[4]:
        return socket.inet_ntop(socket.AF_INET, packed[:4])
    text = socket.inet_ntop(socket.AF_INET6, packed)
    # the C library writes some ends the old way
    return str(ip_address(packed)) if "." in text else text


def word_of(data: bytes) -> str:
    """A text that ends with a zero."""
    return data.rstrip(b"\0").decode(errors="replace")
