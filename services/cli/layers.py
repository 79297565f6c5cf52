# SPDX-License-Identifier: Apache-2.0
"""The two layers as the command line names them, and the kinds of objects in each.

Labels are unique across both, so a verb finds an object by its label alone; only a service
that is to be made must say where.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType

from services.model import (
    AnyService,
    Layer4Advanced,
    Layer4Server,
    Layer4Service,
    Model,
    NatEntry,
    RealServer,
    Server,
    VirtualService,
)


class Layer(StrEnum):
    """Where a service is balanced: by the kernel, or by HAProxy."""

    FOUR = "4"
    SEVEN = "7"


Kinds = Mapping[Layer, type[Model]]
"""One kind of object by layer."""

SERVICES: Mapping[Layer, type[AnyService]] = MappingProxyType(
    {Layer.FOUR: Layer4Service, Layer.SEVEN: VirtualService}
)
SERVERS: Mapping[Layer, type[Server]] = MappingProxyType(
    {Layer.FOUR: Layer4Server, Layer.SEVEN: RealServer}
)


_SINGLE: Mapping[type[Model], str] = MappingProxyType(
    {NatEntry: "a 1:1 NAT entry", Layer4Advanced: "all of layer 4"}
)


def layer_of(service: AnyService) -> Layer:
    """The layer that a service is in."""
    return Layer.FOUR if isinstance(service, Layer4Service) else Layer.SEVEN


def kind_words(model: type[Model]) -> str:
    """What people call an object of that type, e.g. `a layer 4 service`."""
    if model in _SINGLE:
        return _SINGLE[model]
    for kinds, noun in ((SERVICES, "service"), (SERVERS, "server")):
        for layer, kind in kinds.items():
            if kind is model:
                return f"a layer {layer} {noun}"
    return "this object"
