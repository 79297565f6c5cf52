# SPDX-License-Identifier: Apache-2.0
"""The kernel's sync daemons and what it tells of its IPVS, as bytes; the rest is in `ipvs_wire`."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from enum import IntEnum
from socket import AF_INET, AF_INET6, inet_pton
from typing import NamedTuple

from services.drivers.genetlink import HEADER
from services.drivers.ipvs_wire import Command, plain_request, text_of, word_of
from services.drivers.netlink import attribute, attributes

_ATTR_DAEMON = 3
_U16, _U32 = struct.Struct("=H"), struct.Struct("=I")


class Role(IntEnum):
    """What a sync daemon does; the kernel's numbers (IP_VS_STATE_*)."""

    MASTER = 1
    BACKUP = 2


@dataclass(frozen=True)
class SyncDaemon:
    """The kernel's thread that tells the partner of connections, or hears of the partner's."""

    role: Role
    device: str
    sync_id: int = 0
    """0 to 255; a backup takes only messages of its own, 0 takes all."""
    group: str = "224.0.0.81"
    """Multicast address, of either family."""
    port: int = 8848
    ttl: int = 1
    max_length: int = 0
    """Bytes of a message; 0: what the device's MTU allows. Read back as the kernel chose it."""


_STATE, _DEVICE, _SYNC_ID, _MAX_LENGTH, _GROUP, _GROUP6, _SYNC_PORT, _TTL = range(1, 9)


def daemon_request(daemon: SyncDaemon) -> bytes:
    """Start a sync daemon."""
    six = ":" in daemon.group
    packed = (
        attribute(_STATE, _U32.pack(daemon.role))
        + attribute(_DEVICE, daemon.device.encode() + b"\0")
        + attribute(_SYNC_ID, _U32.pack(daemon.sync_id))
        + attribute(
            _GROUP6 if six else _GROUP,
            inet_pton(AF_INET6 if six else AF_INET, daemon.group),
        )
        + attribute(_SYNC_PORT, _U16.pack(daemon.port))
        + attribute(_TTL, bytes([daemon.ttl]))
    )
    if daemon.max_length:
        packed += attribute(_MAX_LENGTH, _U16.pack(daemon.max_length))
    return plain_request(Command.NEW_DAEMON) + attribute(_ATTR_DAEMON, packed)


def no_daemon_request(role: Role) -> bytes:
    """Stop the sync daemon of that role."""
    return plain_request(Command.DEL_DAEMON) + attribute(
        _ATTR_DAEMON, attribute(_STATE, _U32.pack(role))
    )


def read_daemon(body: bytes) -> SyncDaemon:
    """One answer to GET_DAEMON."""
    found = attributes(attributes(body, HEADER.size)[_ATTR_DAEMON], 0)
    packed, family = (found[_GROUP6], AF_INET6) if _GROUP6 in found else (found[_GROUP], AF_INET)
    return SyncDaemon(
        role=Role(_U32.unpack(found[_STATE])[0]),
        device=word_of(found[_DEVICE]),
        sync_id=_U32.unpack(found[_SYNC_ID])[0],
        group=text_of(packed, family),
        port=_U16.unpack(found[_SYNC_PORT])[0],
        ttl=found[_TTL][0],
        max_length=_U16.unpack(found[_MAX_LENGTH])[0],
    )


class Info(NamedTuple):
    """What the kernel tells of its IPVS."""

    version: str
    """Of the code, e.g. 1.2.1."""
    chains: int
    """Of the table of connections, 2 to the power of the module's `conn_tab_bits`."""


def read_info(body: bytes) -> Info:
    """The answer to GET_INFO."""
    found = attributes(body, HEADER.size)
    version, chains = (_U32.unpack(found[kind])[0] for kind in (1, 2))
    return Info(".".join(str(version >> shift & 0xFF) for shift in (16, 8, 0)), chains)
