# SPDX-License-Identifier: Apache-2.0
"""One document in two halves: what a pair shares, and what belongs to this unit.

Whoever holds the whole document never has to merge "what was asked" with "what was
there": the wanted state is always complete.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Literal, TypeAlias

from pydantic import BeforeValidator, Field

from services.model.base import Model, refuse, shown
from services.model.layer4 import Layer4Service
from services.model.layer4_advanced import Layer4Advanced
from services.model.layer7 import VirtualService
from services.model.local import Local
from services.model.nat import NatEntry
from services.model.service import Server

SCHEMA_VERSION = 1

LAYERS = ("layer4", "layer7")
"""The cluster's fields that hold services, in the order of the Overview."""

NAT = "nat"
"""The cluster's field that holds 1:1 NAT entries."""

SINGLE = ("layer4_advanced",)
"""The cluster's fields that hold one object each, which is always there."""

AnyService: TypeAlias = Layer4Service | VirtualService


def _version(value: object) -> object:
    if str(value) == "1":  # YAML has it as text
        return 1
    raise refuse(
        f"The document has schema version {shown(value)}; this appliance reads version 1.",
        "Bring the appliance up to date, or export the document anew from one of its version.",
    )


class Cluster(Model):
    """The half that is equal on both units of a pair."""

    layer4: Annotated[tuple[Layer4Service, ...], Field(max_length=5000)] = Field(
        default=(), title="Layer 4 services"
    )
    """Layer 4 virtual services, in the order of the Overview."""

    layer7: Annotated[tuple[VirtualService, ...], Field(max_length=5000)] = Field(
        default=(), title="Layer 7 services"
    )
    """Layer 7 virtual services, in the order of the Overview."""

    nat: Annotated[tuple[NatEntry, ...], Field(max_length=1000)] = Field(
        default=(), title="1:1 NAT"
    )
    """Real servers that are reached under outside addresses of their own."""

    layer4_advanced: Layer4Advanced = Field(default=Layer4Advanced(), title="Layer 4 - advanced")
    """Settings of all layer 4 services."""

    @property
    def services(self) -> tuple[AnyService, ...]:
        """Those of both layers, in the order of the Overview."""
        return (*self.layer4, *self.layer7)

    def with_services(self, services: Iterable[AnyService]) -> Cluster:
        """This cluster with other services, each in its layer."""
        listed = tuple(services)
        return self.model_copy(
            update={
                "layer4": tuple(one for one in listed if isinstance(one, Layer4Service)),
                "layer7": tuple(one for one in listed if isinstance(one, VirtualService)),
            }
        )


class Document(Model):
    """The whole configuration of one unit; without arguments, the factory's."""

    schema_version: Annotated[Literal[1], BeforeValidator(_version)] = Field(
        default=1, title="Schema version"
    )
    """Version of this schema; a newer appliance reads older documents."""

    cluster: Cluster = Field(default=Cluster(), title="Cluster")
    """Services: equal on both units of a pair."""

    local: Local = Field(default=Local(), title="Local")
    """This unit's own name, role and network."""


def real_servers(document: Document) -> dict[tuple[int, int], Server]:
    """Every real server by the permanent ids of its service and its own, in order."""
    return {
        (service.id, server.id): server
        for service in document.cluster.services
        for server in service.servers
    }


def server_names(document: Document) -> dict[tuple[int, int], str]:
    """How to name each real server to people, by the same ids: `web/web1`."""
    return {
        (service.id, server.id): f"{service.label}/{server.label}"
        for service in document.cluster.services
        for server in service.servers
    }
