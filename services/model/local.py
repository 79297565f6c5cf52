# SPDX-License-Identifier: Apache-2.0
"""What belongs to this unit alone and is never copied to its peer."""

from __future__ import annotations

from enum import StrEnum
from ipaddress import IPv4Interface
from typing import Annotated, Literal

from pydantic import Field

from services.model.base import DomainName, HostName, IPAddress, LocalAddress, Model

InterfaceName = Literal["eth0", "eth1", "eth2", "eth3"]


class Role(StrEnum):
    """The unit's configured role in a pair; a single unit is the master."""

    MASTER = "master"
    SLAVE = "slave"


class Interface(Model):
    """One network card of the unit."""

    name: InterfaceName = Field(title="Interface")
    """eth0 is usually the internal side, eth1 the external one."""

    addresses: Annotated[tuple[LocalAddress, ...], Field(max_length=64)] = Field(
        default=(), title="Addresses"
    )
    """Addresses with prefix, e.g. 192.168.2.21/24, several with commas."""

    mtu: Annotated[int, Field(ge=576, le=9216)] = Field(default=1500, title="MTU")
    """Largest packet in bytes; all devices of a network must agree."""


class Local(Model):
    """The local half of the configuration."""

    hostname: HostName = Field(default="lbmaster", title="Hostname")
    """The unit's name."""

    domain: DomainName = Field(default="", title="Domain")
    """Domain the unit's name and short names are looked up in."""

    role: Role = Field(default=Role.MASTER, title="Role")
    """Master, or slave in a pair."""

    interfaces: Annotated[tuple[Interface, ...], Field(max_length=4)] = Field(
        default=(Interface(name="eth0", addresses=(IPv4Interface("192.168.2.21/24"),)),),
        title="Interfaces",
    )
    """The network cards that have settings; a card not named here is left alone."""

    gateway: IPAddress | None = Field(default=None, title="Gateway")
    """Default gateway for IPv4; it must lie inside an interface's network."""

    gateway6: IPAddress | None = Field(default=None, title="IPv6 gateway")
    """Default gateway for IPv6; it must lie inside an interface's network."""

    dns: Annotated[tuple[IPAddress, ...], Field(max_length=3)] = Field(
        default=(), title="DNS servers"
    )
    """Up to three name servers."""
