# SPDX-License-Identifier: Apache-2.0
"""1:1 NAT: one real server reached under an outside address of its own, for what is not balanced.

The guide's "access to non load-balanced services": in layer 4 NAT a server sits behind the
appliance, and its mail or remote desktop needs a way in, and out, that no virtual service gives.
"""

from __future__ import annotations

from enum import StrEnum

from pydantic import Field

from services.model.base import Comment, IPAddress, Label, Ports, VipAddress
from services.model.service import Named


class NatProtocol(StrEnum):
    """What is let in."""

    ANY = "any"
    TCP = "tcp"
    UDP = "udp"
    TCP_UDP = "tcp_udp"


class NatEntry(Named):
    """One outside address and the one server behind it."""

    label: Label = Field(title="Label")
    """The entry's name, e.g. mail1."""

    address: VipAddress = Field(title="Outside address")
    """Leads to the server, and the server's own connections come from it; nobody else has it."""

    server: IPAddress = Field(title="Real server")
    """The server's own address (RIP); its default gateway must be this appliance."""

    protocol: NatProtocol = Field(default=NatProtocol.ANY, title="Protocol")
    """What is let in to the server; what it sends of itself always goes out."""

    ports: Ports | None = Field(default=None, title="Ports")
    """TCP and UDP: ports that are let in, e.g. 25 or 25,3389; empty: all of them."""

    comment: Comment = Field(default="", title="Comment")
    """Free text for people."""
