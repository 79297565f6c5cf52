# SPDX-License-Identifier: Apache-2.0
"""What all routes have in common: the parts they speak with, who asks, and what a role may do."""

from __future__ import annotations

from dataclasses import dataclass

from starlette.requests import Request

from services.agent.appliance import Appliance
from services.agent.changing import Changing
from services.agent.doctor import Doctor
from services.agent.drafts import Draft, Drafts, draft_key
from services.agent.health import HealthBook
from services.agent.journal import Journal
from services.agent.observer import Observer
from services.agent.peer import SCOPE_KEY, Peer
from services.agent.stored import Stored
from services.api import AccessRole, DraftView
from services.api_errors import clash_views, problem_views
from services.drivers.ipvs_conn import ConnectionTable
from services.drivers.links import Links
from services.drivers.power import Power
from services.store import Store

LOOK = (AccessRole.OPERATOR, AccessRole.VIEWER, AccessRole.SETUP)
REPORTS = (AccessRole.OPERATOR, AccessRole.VIEWER)
"""Not the network wizard's account: who connects is none of its business."""
SWITCH = (AccessRole.OPERATOR,)
LOCAL = (AccessRole.SETUP,)


def asking(request: Request, *roles: AccessRole) -> Peer:
    """The account behind the connection; raises `Forbidden` unless it has one of `roles`."""
    found: Peer = request.scope[SCOPE_KEY]
    found.require(*roles)
    return found


@dataclass(frozen=True)
class Parts:
    """What the routes speak with."""

    appliance: Appliance
    changing: Changing
    observer: Observer
    book: HealthBook
    drafts: Drafts
    journal: Journal
    store: Store
    power: Power
    links: Links
    connections: ConnectionTable
    doctor: Doctor
    stored: Stored

    def draft(self, request: Request, who: Peer) -> Draft:
        """The draft of the console that asks."""
        terminal = request.headers.get("x-ballast-terminal", "")
        key = draft_key(who.user, terminal)
        return self.drafts.get(key, base=self.appliance.running.revision)

    def view(self, draft: Draft) -> DraftView:
        """A draft with everything that stands in its way."""
        merged = self.changing.try_merge(draft)
        return DraftView(
            key=draft.key,
            base=draft.base,
            edits=tuple(draft.edits.values()),
            document=merged.document,
            problems=problem_views(merged.problems),
            clashes=clash_views(merged.clashes),
        )
