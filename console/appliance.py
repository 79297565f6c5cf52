# SPDX-License-Identifier: Apache-2.0
"""What the console needs of an appliance: the calls of `services.client.Client`, as a protocol.

Screens are written against this, so that tests can give them an appliance with a script; a
contract suite holds that one and the agent to the same rules.
"""

from __future__ import annotations

from typing import Protocol

from services.api import (
    AddressProbe,
    Applied,
    ApplyRequest,
    DoctorReport,
    DraftApply,
    DraftView,
    Edit,
    JournalEntry,
    KnobRequest,
    PlanView,
    PowerRequest,
    ReviewView,
    Revision,
    RevisionInfo,
    SetupView,
    Status,
    StoredFile,
    StoredKind,
    StoredScript,
    System,
    WhoAmI,
)
from services.api_reports import (
    CheckResults,
    ConnectionQuery,
    Connections,
    Layer4Report,
)


class Appliance(Protocol):
    """Every call raises `services.errors.ApplianceError`, `Unreachable` when nobody answers."""

    async def whoami(self) -> WhoAmI:
        """Who the agent takes us for."""

    async def status(self) -> Status:
        """Everything the Overview shows."""

    async def document(self) -> Revision:
        """The running document."""

    async def revisions(self) -> tuple[RevisionInfo, ...]:
        """All revisions kept, newest first."""

    async def revision(self, number: int) -> Revision:
        """One revision."""

    async def plan(self, request: ApplyRequest) -> PlanView:
        """What applying this document would do; changes nothing."""

    async def apply(self, request: ApplyRequest) -> Applied:
        """Make this document the running one, or change nothing."""

    async def confirm(self) -> Applied:
        """Keep the change that is waiting for it."""

    async def rollback(self, number: int | None = None, *, why: str = "") -> Applied:
        """Apply an earlier revision again."""

    async def set_servers(self, request: KnobRequest) -> Applied:
        """Drain, halt, bring online or weigh servers, all in one revision."""

    async def draft(self) -> DraftView:
        """This console's pending changes."""

    async def edit(self, edit: Edit) -> DraftView:
        """Put one object's change into the draft."""

    async def drop_edit(self, key: str) -> DraftView:
        """Take one object's change out of the draft."""

    async def discard(self) -> DraftView:
        """Throw the draft away."""

    async def review(self) -> ReviewView:
        """The draft and what applying it would do."""

    async def apply_draft(self, request: DraftApply) -> Applied:
        """Apply the draft."""

    async def probe_address(self, interface: str, address: str) -> AddressProbe:
        """Ask the wire of a card whether somebody has the address already."""

    async def server_setup(self, service: int, server: int, system: System) -> SetupView:
        """What to do on a real server of a layer 4 service."""

    async def examine(self, service: int | None = None) -> DoctorReport:
        """Have the doctor examine a service, or all."""

    async def power(self, request: PowerRequest) -> PowerRequest:
        """Restart or shut down the machine; answers when that has begun."""

    async def check_results(self, service: int, server: int) -> CheckResults:
        """What the last looks at a layer 4 server found."""

    async def stored(self, kind: StoredKind) -> tuple[StoredFile, ...]:
        """The stored secrets or scripts of health checks; of secrets only names."""

    async def script(self, name: str) -> StoredScript:
        """A stored script with its text."""

    async def store(self, kind: StoredKind, name: str, text: str) -> StoredFile:
        """Store a secret or a script under a name."""

    async def forget(self, kind: StoredKind, name: str) -> StoredFile:
        """Throw one away that no check needs."""

    async def journal(self, limit: int = 100) -> tuple[JournalEntry, ...]:
        """What happened, newest first."""

    async def layer4(self) -> Layer4Report:
        """What every layer 4 service and its servers carry."""

    async def current_connections(self, query: ConnectionQuery) -> Connections:
        """The kernel's connections that match; of very many it takes seconds."""
