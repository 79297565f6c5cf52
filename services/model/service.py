# SPDX-License-Identifier: Apache-2.0
"""What virtual services and real servers of both layers have in common."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from services.model.base import Comment, Id, IPAddress, Label, Model, Ports, VipAddress
from services.states import ServerState

PAGE_ADDRESS = "127.0.0.1"
PAGE_PORT = 9081
"""How a fallback server is written that is the appliance's built-in page, and its port."""


class Named(Model):
    """An object that people know by its label, and the appliance by its number."""

    id: Id = Field(default=0, title="Id")
    """Permanent number given by the appliance, so that a rename breaks no persistence."""

    label: Label = Field(title="Label")
    """The object's name."""


class Service(Named):
    """The addresses and ports that clients connect to (VIP)."""

    label: Label = Field(title="Label")
    """The service's name, e.g. HTTP-Cluster."""

    addresses: Annotated[tuple[VipAddress, ...], Field(min_length=1, max_length=16)] = Field(
        title="IP address"
    )
    """Address clients connect to (VIP), several with commas; never an interface's address."""

    ports: Ports = Field(title="Ports")
    """80 or 80,443 or 1000-1010."""


class Server(Named):
    """One server that answers for a virtual service (RIP)."""

    label: Label = Field(title="Label")
    """The server's name, e.g. web1."""

    address: IPAddress = Field(title="IP address")
    """The real server's own address (RIP)."""

    port: Annotated[int, Field(ge=0, le=65535)] = Field(default=0, title="Port")
    """Port the real server listens on."""

    weight: Annotated[int, Field(ge=0, le=65535)] = Field(default=100, title="Weight")
    """Share of new connections beside the other servers' weights; 0 takes none."""

    min_connections: Annotated[int, Field(ge=0, le=1_000_000)] = Field(
        default=0, title="Minimum connections"
    )
    """Limit while the service is quiet."""

    max_connections: Annotated[int, Field(ge=0, le=1_000_000)] = Field(
        default=0, title="Maximum connections"
    )
    """Connections the server gets at once; 0 is unrestricted."""

    state: ServerState = Field(default=ServerState.ONLINE, title="State")
    """Online takes traffic, drain finishes what it has, halt drops it at once."""

    comment: Comment = Field(default="", title="Comment")
    """Free text for people."""
