# SPDX-License-Identifier: Apache-2.0
"""Rules inside one service of either layer, and how services are named to people."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from services.errors import Problem
from services.model import LAYERS, AnyService, Document, Server
from services.model.base import Address

Path = tuple[str | int, ...]


class Placed(NamedTuple):
    """A service, and where it stands in the document."""

    path: Path
    service: AnyService


def placed(document: Document) -> tuple[Placed, ...]:
    """Every service of the document, in the order of the Overview."""
    return tuple(
        Placed(("cluster", layer, index), service)
        for layer in LAYERS
        for index, service in enumerate(getattr(document.cluster, layer))
    )


def service(path: Path, service: AnyService) -> Iterator[Problem]:
    """The problems that services of both layers have alike."""
    yield from _addresses(path, service)
    yield from _twice(path, service)
    for place, server in enumerate(service.servers):
        if server.min_connections > server.max_connections:
            yield _connections((*path, "servers", place, "min_connections"), server)


def families(path: Path, service: AnyService) -> Iterator[Problem]:
    """Servers that no VIP of the service could send to."""
    versions = {address.version for address in service.addresses}
    for place, server in enumerate(service.servers):
        if server.address.version not in versions:
            family = server.address.version
            yield Problem(
                (*path, "servers", place, "address"),
                f"{server.label} has an IPv{family} address, but {service.label} has no "
                f"IPv{family} VIP.",
                f"Give the server an IPv{10 - family} address, or the service an IPv{family} one.",
            )


def same_label(path: Path, label: str, first: str, kind: str) -> Problem:
    """Two objects of one kind with one label; capitals do not tell labels apart."""
    told = f"Two {kind}s are called {label}."
    if label != first:
        told = f"{label} and {first} differ in capitals only, which people do not tell apart."
    return Problem((*path, "label"), told, f"Rename one {kind}.")


def same_id(path: Path, label: str, first: str, number: int) -> Problem:
    """Two objects with one permanent id, as after copying one by hand."""
    return Problem(
        (*path, "id"),
        f"{label} has the id {number}, which is {first}'s.",
        "Leave the id out; the appliance gives a new one.",
    )


def socket(address: Address, port: int) -> str:
    """Address and port as people write them: `192.0.2.1:80`, `[2001:db8::1]:80`."""
    if not port:
        return str(address)
    return f"[{address}]:{port}" if address.version == 6 else f"{address}:{port}"


def _addresses(path: Path, service: AnyService) -> Iterator[Problem]:
    seen: set[Address] = set()
    for place, address in enumerate(service.addresses):
        if address in seen:
            yield Problem(
                (*path, "addresses", place),
                f"{service.label} lists {address} twice.",
                "Name each address once.",
            )
        seen.add(address)


def _connections(path: Path, server: Server) -> Problem:
    if not server.max_connections:
        return Problem(
            path,
            f"{server.label} has minimum connections but no maximum to grow to.",
            "Set the maximum connections too, or write 0.",
        )
    return Problem(
        path,
        f"{server.label} has {server.min_connections} minimum connections, more than its maximum "
        f"of {server.max_connections}.",
        f"Write {server.max_connections} at most.",
    )


def _twice(path: Path, service: AnyService) -> Iterator[Problem]:
    """Servers that cannot be told apart: by label, by id, by where they listen."""
    labels: dict[str, int] = {}
    ids: dict[int, int] = {}
    sockets: dict[tuple[Address, int], int] = {}
    for place, server in enumerate(service.servers):
        # the place that had it first, which is this one unless it is taken
        first = labels.setdefault(server.label.lower(), place)
        if first != place:
            yield same_label(
                (*path, "servers", place), server.label, service.servers[first].label, "server"
            )
        first = ids.setdefault(server.id, place) if server.id else place
        if first != place:
            yield same_id(
                (*path, "servers", place), server.label, service.servers[first].label, server.id
            )
        first = sockets.setdefault((server.address, server.port), place)
        if first != place:
            yield Problem(
                (*path, "servers", place, "address"),
                f"{server.label} and {service.servers[first].label} are the same server: "
                f"{socket(server.address, server.port)}.",
                "Remove one of them; a larger weight gives a server more connections.",
            )
