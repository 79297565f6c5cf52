# SPDX-License-Identifier: Apache-2.0
"""What a change would do, and what was done, for people to read; nothing is changed here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache

from services import able
from services.api import PlannedChange, PlanView
from services.api_errors import problem_views
from services.apply import look
from services.check import brought
from services.difference import difference, file_difference
from services.follow import Drivers
from services.model import Document, Layer4Service, server_names
from services.plan.changes import AddAddress, Change, DropAddress, DropGateway, SetGateway
from services.plan.planner import plan
from services.plan.state import ServerKey, Wanted
from services.plan.words import sentence


@dataclass(frozen=True)
class Running:
    """What runs: the document, the system it asks for, and the revision behind it."""

    document: Document
    wanted: Wanted
    revision: int
    layer4: Mapping[int, Layer4Service]
    """The document's by their number, so that news of one server asks nothing of the others."""

    @classmethod
    def of(cls, document: Document, wanted: Wanted, revision: int) -> Running:
        """A document that is about to run, or does."""
        by_number = {service.id: service for service in document.cluster.layer4}
        return cls(document, wanted, revision, by_number)


async def planned(drivers: Drivers, old: Running, new: Running) -> PlanView:
    """What would come of `new` in place of `old`, with a fresh look at the system."""
    seen = await look(drivers, new.wanted, running=old.wanted)
    changes = plan(new.wanted, seen)
    lacking = [
        *able.lacks(new.wanted, seen),
        *await able.schedulers(drivers.ipvs, new.wanted, seen),
    ]
    return PlanView(
        lacking=problem_views(lacking),
        hints=problem_views(brought(new.document, old.document)),
        changes=told(changes, old.document, new.document),
        confirm_advised=moves_addresses(changes),
        diff=difference(old.document, new.document),
        files=file_difference("haproxy.cfg", seen.haproxy.config, new.wanted.haproxy.config.data),
    )


def told(changes: Sequence[Change], *documents: Document) -> tuple[PlannedChange, ...]:
    """Changes in words; the documents know the names of servers, the last one first of all."""
    # most changes name no server, and a thousand names take a millisecond
    names = cache(lambda: {key: n for each in documents for key, n in server_names(each).items()})

    def name(key: ServerKey) -> str:
        return names().get(key, f"{key[0]}/{key[1]}")

    return tuple(
        PlannedChange(what=sentence(change, name), effect=change.effect, connections=change.drops)
        for change in changes
    )


def moves_addresses(changes: Sequence[Change]) -> bool:
    """Whether a person could cut their own line with these, and had better confirm."""
    return any(
        isinstance(change, SetGateway | DropGateway)
        or (isinstance(change, AddAddress | DropAddress) and not change.floating)
        for change in changes
    )
