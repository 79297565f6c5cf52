# SPDX-License-Identifier: Apache-2.0
"""From live status to the rows of the Overview: folding, filter and order, as values.

Rows only point at the status; their words are made when a row is painted, because of a
thousand rows twenty are seen.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any, NamedTuple, TypeVar

from console.objects import Key
from services.api import Edit, Health, ServerStatus, ServiceStatus
from services.model import ServerState

RowKey = tuple[int, int]
"""Ids of service and server; 0 as the server: the service itself."""


class Draft(StrEnum):
    """What a pending change means for a row; the sign stands before it."""

    NONE = " "
    NEW = "+"
    EDITED = "~"
    DELETED = "-"


class Row(NamedTuple):
    """One line of the Overview."""

    service: ServiceStatus
    server: ServerStatus | None
    """None: the row of the service itself."""
    folded: bool
    last: bool
    """The last server of its service."""
    draft: Draft
    """What is pending for it."""

    @property
    def key(self) -> RowKey:
        """Names the row over time."""
        return (self.service.id, self.server.id if self.server else 0)

    @property
    def health(self) -> Health:
        """What its chip says."""
        return self.server.health if self.server else self.service.health

    @property
    def label(self) -> str:
        """How to name it to people."""
        return f"{self.service.label}/{self.server.label}" if self.server else self.service.label


class Order(StrEnum):
    """What the rows are sorted by; the words stand in the totals line."""

    CONFIGURED = "order"
    HEALTH = "health"
    NAME = "name"
    ADDRESS = "address"
    CONNECTIONS = "conns"
    RATE = "B/s"


_WORST_FIRST = [Health.DOWN, Health.WARN, Health.DRAIN, Health.HALT, Health.OFF, Health.UP]


@dataclass(frozen=True)
class View:
    """How a person wants to see the rows; kept while other screens are open."""

    folded: frozenset[int] = frozenset()
    order: Order = Order.CONFIGURED
    reverse: bool = False
    words: str = ""
    """Filter, as typed."""
    marked: frozenset[RowKey] = field(default_factory=frozenset)

    def sorted_next(self) -> View:
        """Sorted by the next column."""
        orders = list(Order)
        following = orders[(orders.index(self.order) + 1) % len(orders)]
        return replace(self, order=following, reverse=False)

    def fold(self, service: int) -> View:
        """With the service's servers hidden."""
        return replace(self, folded=self.folded | {service})

    def unfold(self, service: int) -> View:
        """With the service's servers shown."""
        return replace(self, folded=self.folded - {service})

    def unmarked(self) -> View:
        """Without any mark."""
        return replace(self, marked=frozenset())

    def toggle(self, key: RowKey) -> View:
        """With the row's mark set, or taken away."""
        return replace(self, marked=self.marked ^ {key})


def rows_of(
    services: Sequence[ServiceStatus], view: View, drafted: Sequence[Edit] = ()
) -> list[Row]:
    """The rows to show; a service whose name matches the filter shows all its servers.

    What is new in the draft has rows as well, so that a service can be given its servers
    before anything runs.
    """
    services = _with_new(services, drafted)
    pending = _pending(drafted)
    words = view.words.casefold().split()
    found: list[Row] = []
    for service in _ordered(services, view, _service_value):
        servers: Sequence[ServerStatus] = service.servers
        if words and not _matches(words, _service_words(service)):
            servers = [server for server in servers if _matches(words, _server_words(server))]
            if not servers:
                continue
        folded = service.id in view.folded
        draft = pending.get((service.id, 0), Draft.NONE)
        found.append(Row(service, None, folded=folded, last=False, draft=draft))
        if not folded and servers:
            shown = _ordered(servers, view, _server_value)
            final = shown[-1]
            found += [
                Row(
                    service,
                    server,
                    folded=False,
                    last=server is final,
                    draft=draft
                    if draft is Draft.DELETED
                    else pending.get((service.id, server.id), Draft.NONE),
                )
                for server in shown
            ]
    return found


def marked_rows(
    services: Sequence[ServiceStatus], view: View, drafted: Sequence[Edit] = ()
) -> list[Row]:
    """The marked rows, folded away or filtered out as they may be; what is gone is not among them.

    A mark that acts only while one sees it would leave the verb to whatever row is under the
    cursor.
    """
    if not view.marked:
        return []
    everything = replace(view, folded=frozenset(), words="")
    return [row for row in rows_of(services, everything, drafted) if row.key in view.marked]


def _pending(drafted: Sequence[Edit]) -> dict[RowKey, Draft]:
    found: dict[RowKey, Draft] = {}
    for edit in drafted:
        key = Key(edit.key)
        if key.is_service:
            kind = Draft.DELETED if edit.after is None else Draft.EDITED
            found[key.ids] = Draft.NEW if edit.before is None else kind
    return found


def _with_new(
    services: Sequence[ServiceStatus], drafted: Sequence[Edit]
) -> Sequence[ServiceStatus]:
    """The services with those servers and services that only the draft knows."""
    new = [(Key(edit.key), edit.after) for edit in drafted if edit.before is None and edit.after]
    if not new:
        return services
    found = {service.id: service for service in services}
    for key, after in new:
        if key.is_service and key == key.owner and key.ids[0] not in found:
            found[key.ids[0]] = new_service(key.ids[0], after)
    for key, after in new:
        owner = found.get(key.ids[0]) if key != key.owner else None
        if owner is not None and all(server.id != key.ids[1] for server in owner.servers):
            servers = (*owner.servers, new_server(key.ids[1], after))
            found[owner.id] = owner.model_copy(update={"servers": servers})
    return list(found.values())


_NOT_YET = "new: it begins when the pending changes are applied (F7)"


def new_service(number: int, after: Mapping[str, Any]) -> ServiceStatus:
    """A service of the draft as a row shows it."""
    return ServiceStatus(
        id=number,
        label=str(after.get("label", "")),
        addresses=tuple(map(str, after.get("addresses", ()))),
        ports=str(after.get("ports", "")),
        kind=_kind(after),
        health=Health.OFF,
        reason=_NOT_YET,
        connections=0,
        sessions_total=0,
        sessions_per_s=0,
        bytes_per_s=0,
        servers=(),
    )


def _kind(after: Mapping[str, Any]) -> str:
    if "forwarding" in after:
        return f"L4 {str(after['forwarding']).upper()}"
    return f"L7 {after.get('mode', '')}"


def new_server(number: int, after: Mapping[str, Any]) -> ServerStatus:
    """A server of the draft as a row shows it."""
    return ServerStatus(
        id=number,
        label=str(after.get("label", "")),
        address=str(after.get("address", "")),
        port=int(after.get("port", 0)),
        weight=int(after.get("weight", 0)),
        state=ServerState(after.get("state", ServerState.ONLINE)),
        health=Health.OFF,
        reason=_NOT_YET,
        connections=0,
        queued=0,
        sessions_total=0,
        sessions_per_s=0,
        bytes_per_s=0,
        check_ms=None,
        since_s=0,
    )


_Value = tuple[int, str]
_Status = TypeVar("_Status", ServiceStatus, ServerStatus)


def _ordered(
    found: Sequence[_Status], view: View, value: Callable[[_Status, Order], _Value]
) -> Sequence[_Status]:
    if view.order is Order.CONFIGURED:
        return found[::-1] if view.reverse else found
    return sorted(found, key=lambda one: value(one, view.order), reverse=view.reverse)


def _service_value(service: ServiceStatus, order: Order) -> _Value:
    address = service.addresses[0] if service.addresses else ""
    return _value(service, order, address)


def _server_value(server: ServerStatus, order: Order) -> _Value:
    return _value(server, order, server.address)


def _value(found: ServiceStatus | ServerStatus, order: Order, address: str) -> _Value:
    match order:
        case Order.HEALTH:
            return (_WORST_FIRST.index(found.health), "")
        case Order.ADDRESS:
            return (0, _address_key(address))
        case Order.CONNECTIONS:
            return (-found.connections, "")
        case Order.RATE:
            return (-round(found.bytes_per_s), "")
        case _:
            return (0, found.label.casefold())


def _address_key(address: str) -> str:
    """Text that sorts as the number does: `10.0.0.9` before `10.0.0.10`."""
    return ".".join(part.rjust(3, "0") for part in address.split("."))


def _matches(words: Sequence[str], text: str) -> bool:
    return all(word in text for word in words)


def _service_words(service: ServiceStatus) -> str:
    return (
        f"{service.label} {' '.join(service.addresses)} {service.ports} {service.kind} "
        f"{service.health.value}"
    ).casefold()


def _server_words(server: ServerStatus) -> str:
    return f"{server.label} {server.address}:{server.port} {server.health.value}".casefold()
