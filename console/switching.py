# SPDX-License-Identifier: Apache-2.0
"""What halt, drain and online would do to traffic, in numbers, before anybody says yes. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from console.rows import Draft, Row, RowKey
from console.wording import count
from services.api import ServerStatus, ServiceStatus
from services.model import ServerState

MOST_NAMED = 6
"""Servers named in a question; more would push its buttons off a screen of 24 lines."""


@dataclass(frozen=True)
class Target:
    """One server of one service."""

    service: ServiceStatus
    server: ServerStatus

    @property
    def key(self) -> RowKey:
        """Ids of service and server."""
        return (self.service.id, self.server.id)

    @property
    def label(self) -> str:
        """How to name it to people."""
        return f"{self.service.label}/{self.server.label}"


@dataclass(frozen=True)
class Switch:
    """A wish to bring some servers into a state, and what comes of it."""

    state: ServerState
    targets: tuple[Target, ...]
    """Those which are not in that state already."""
    subject: str
    """What the person pointed at, e.g. `rds2 in VIP rds`."""

    @property
    def drops(self) -> int:
        """Connections that end at once."""
        return self.connections if self.state is ServerState.HALT else 0

    @property
    def connections(self) -> int:
        """Connections the servers have now."""
        return sum(target.server.connections for target in self.targets)

    @property
    def abandoned(self) -> tuple[ServiceStatus, ...]:
        """Services which have a healthy server now and would have none."""
        if self.state is ServerState.ONLINE:
            return ()
        services = {target.service.id: target.service for target in self.targets}
        gone = [target.key for target in self.targets]
        return tuple(
            service
            for service in services.values()
            if service.abandoned_without([server for owner, server in gone if owner == service.id])
        )

    def words(self) -> list[str]:
        """The consequence, one sentence a line."""
        match self.state:
            case ServerState.HALT:
                drops = "No connection is open there now."
                if self.drops:
                    drops = (
                        f"{count(self.drops, 'connection')} now {_are(self.drops)} dropped at once."
                    )
                drain = self.drops and self.milder() is not None
                return [drops, "Drain keeps them until they end." if drain else ""]
            case ServerState.DRAIN:
                keeps = f"{count(self.connections, 'connection')} now may end by themselves."
                return [
                    "No connection is dropped.",
                    keeps if self.connections else "",
                    "New ones go elsewhere.",
                ]
            case _:
                return ["No connection is dropped.", "New connections are sent there again."]

    def names(self) -> str:
        """Which servers, when they are several; the question counts them."""
        if len(self.targets) < 2:
            return ""
        return named([target.label for target in self.targets])

    def milder(self) -> Switch | None:
        """What would do it with less harm; None: nothing would.

        Only servers that are online can be drained instead: the others take nothing new already.
        """
        online = tuple(t for t in self.targets if t.server.state is ServerState.ONLINE)
        if self.state is not ServerState.HALT or not online:
            return None
        return Switch(ServerState.DRAIN, online, self.subject)


def named(labels: Sequence[str]) -> str:
    """The first of them, and how many more, as the end of a sentence."""
    shown = ", ".join(labels[:MOST_NAMED])
    more = len(labels) - MOST_NAMED
    return f"{shown} and {more} more." if more > 0 else f"{shown}."


def _are(number: int) -> str:
    return "is" if number == 1 else "are"


def switch(rows: Sequence[Row], state: ServerState, subject: str = "") -> Switch:
    """The wish for these rows; a service's row means all its servers.

    `subject`: what the person pointed at, where it was not the rows.

    Draining a service leaves those of its servers halted that are: drained they would take
    their old clients again.
    """
    found: dict[RowKey, Target] = {}
    for row in rows:
        for server in (row.server,) if row.server else row.service.servers:
            halted = server.state is ServerState.HALT
            if halted and state is ServerState.DRAIN and row.server is None:
                continue
            target = Target(row.service, server)
            found.setdefault(target.key, target)
    targets = tuple(t for t in found.values() if t.server.state is not state)
    return Switch(state, targets, subject or _subject(rows, len(targets)))


def on_machine(services: Sequence[ServiceStatus], address: str) -> list[Row]:
    """Rows of the real servers with that address, in every service of both layers."""
    return [
        Row(service, server, folded=False, last=False, draft=Draft.NONE)
        for service in services
        for server in service.servers
        if server.address == address
    ]


def _subject(rows: Sequence[Row], number: int) -> str:
    if len(rows) == 1:
        row = rows[0]
        if row.server:
            return f"{row.server.label} in VIP {row.service.label}"
        return f"{count(number, 'server')} of VIP {row.service.label}"
    return f"{count(number, 'marked server')}"
