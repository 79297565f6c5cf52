# SPDX-License-Identifier: Apache-2.0
"""Reports that are made when somebody asks for them."""

from __future__ import annotations

import time

from services.api_reports import DEEPEST, ConnectionQuery, Connections
from services.drivers.ipvs_conn import ConnectionTable
from services.errors import NotFound, Refused
from services.model import Document
from services.model.base import shown
from services.reports.connections import digest
from services.reports.names import Names


async def current_connections(
    document: Document, query: ConnectionQuery, table: ConnectionTable
) -> Connections:
    """The kernel's connections that match; raises `Refused`, `NotFound`, `Unable`."""
    services = document.cluster.layer4
    if query.service and all(service.label != query.service for service in services):
        raise NotFound(
            f"No layer 4 service is called {shown(query.service, 63)}.",
            do="Choose one of those that run now.",
        )
    if query.offset + query.limit > DEEPEST:
        raise Refused(
            f"Only {DEEPEST} connections can be paged through.", do="Filter them, or sort."
        )
    reading = await table.read(lambda lines: digest(Names(services), query, lines))
    found = reading.result
    return Connections(
        at=time.time(),
        read=found.read,
        whole=reading.whole,
        took_s=reading.took_s,
        matching=found.matching,
        states=found.states,
        servers=found.servers,
        servers_more=found.servers_more,
        rows=found.rows,
        notes=_notes(found.unread, whole=reading.whole, took_s=reading.took_s),
    )


def _notes(unread: int, *, whole: bool, took_s: float) -> tuple[str, ...]:
    notes = []
    if not whole:
        notes.append(
            "A random part of the entries: the kernel lists slowly, and reading was ended after "
            f"{took_s:.0f} s. Layer 4 status counts all of them."
        )
    if unread:
        notes.append(f"{unread} entries are not understood.")
    return tuple(notes)
