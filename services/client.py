# SPDX-License-Identifier: Apache-2.0
"""The one door through which console, command line and tests reach the agent: all its calls."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar
from urllib.parse import quote

from pydantic import BaseModel, TypeAdapter

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
    StoredFile,
    StoredKind,
    StoredScript,
    StoreRequest,
    System,
)
from services.api_reports import (
    CheckResults,
    ConnectionQuery,
    Connections,
    Layer4Report,
)
from services.looking import Looker, understood

_Answer = TypeVar("_Answer", bound=BaseModel)
_REVISIONS: TypeAdapter[tuple[RevisionInfo, ...]] = TypeAdapter(tuple[RevisionInfo, ...])
_STORED: TypeAdapter[tuple[StoredFile, ...]] = TypeAdapter(tuple[StoredFile, ...])
_JOURNAL: TypeAdapter[tuple[JournalEntry, ...]] = TypeAdapter(tuple[JournalEntry, ...])


class Client(Looker):
    """All that the agent does for others."""

    async def document(self) -> Revision:
        """The running document."""
        return await self._get("/document", Revision)

    async def revisions(self) -> tuple[RevisionInfo, ...]:
        """All revisions kept, newest first."""
        return understood(_REVISIONS.validate_json, await self._ask("GET", "/revisions"))

    async def revision(self, number: int) -> Revision:
        """One revision."""
        return await self._get(f"/revisions/{number}", Revision)

    async def plan(self, request: ApplyRequest) -> PlanView:
        """What applying this document would do; changes nothing."""
        return await self._send("POST", "/plan", request, PlanView)

    async def apply(self, request: ApplyRequest) -> Applied:
        """Make this document the running one, or change nothing."""
        return await self._send("POST", "/apply", request, Applied)

    async def confirm(self) -> Applied:
        """Keep the change that is waiting for it."""
        return await self._send("POST", "/confirm", None, Applied)

    async def rollback(self, number: int | None = None, *, why: str = "") -> Applied:
        """Apply an earlier revision again: `number`, or the one before the running one."""
        query = {"why": why} | ({"number": str(number)} if number is not None else {})
        return await self._send("POST", "/rollback", None, Applied, query)

    async def set_servers(self, request: KnobRequest) -> Applied:
        """Drain, halt, bring online or weigh servers, all in one revision."""
        return await self._send("POST", "/layer7/servers", request, Applied)

    async def draft(self) -> DraftView:
        """This console's pending changes."""
        return await self._get("/draft", DraftView)

    async def edit(self, edit: Edit) -> DraftView:
        """Put one object's change into the draft; it replaces an earlier one of the object."""
        return await self._send("POST", "/draft/edits", edit, DraftView)

    async def drop_edit(self, key: str) -> DraftView:
        """Take one object's change out of the draft again."""
        return await self._send("DELETE", "/draft/edits", None, DraftView, {"key": key})

    async def discard(self) -> DraftView:
        """Throw the draft away."""
        return await self._send("DELETE", "/draft", None, DraftView)

    async def review(self) -> ReviewView:
        """The draft and what applying it would do."""
        return await self._send("POST", "/draft/review", None, ReviewView)

    async def apply_draft(self, request: DraftApply) -> Applied:
        """Apply the draft; on success it is empty."""
        return await self._send("POST", "/draft/apply", request, Applied)

    async def probe_address(self, interface: str, address: str) -> AddressProbe:
        """Ask the wire of a card whether somebody has the address; takes a second or two."""
        query = {"interface": interface, "address": address}
        return await self._send("POST", "/network/probe", None, AddressProbe, query)

    async def server_setup(self, service: int, server: int, system: System) -> SetupView:
        """What to do on a real server of a layer 4 service, by their permanent ids."""
        query = {"service": str(service), "server": str(server), "system": system.value}
        said = await self._ask("GET", "/setup", query=query)
        return understood(SetupView.model_validate_json, said)

    async def examine(self, service: int | None = None) -> DoctorReport:
        """Have the doctor examine a service by its permanent id, or all; takes some seconds."""
        query = {} if service is None else {"service": str(service)}
        return await self._send("POST", "/doctor", None, DoctorReport, query)

    async def power(self, request: PowerRequest) -> PowerRequest:
        """Restart or shut down the machine; answers when that has begun."""
        return await self._send("POST", "/power", request, PowerRequest)

    async def check_results(self, service: int, server: int) -> CheckResults:
        """What the last looks at a layer 4 server found; permanent ids."""
        return await self._get(f"/layer4/{service}/{server}/checks", CheckResults)

    async def stored(self, kind: StoredKind) -> tuple[StoredFile, ...]:
        """The secrets or scripts of health checks that are stored; of secrets only names."""
        return understood(_STORED.validate_json, await self._ask("GET", f"/stored/{kind.value}"))

    async def store(self, kind: StoredKind, name: str, text: str) -> StoredFile:
        """Store a secret or a script under a name, in place of one that is there."""
        path = f"/stored/{kind.value}/{quote(name, safe='')}"
        return await self._send("PUT", path, StoreRequest(text=text), StoredFile)

    async def script(self, name: str) -> StoredScript:
        """A stored script with its text; a secret cannot be read back."""
        return await self._get(f"/stored/script/{quote(name, safe='')}", StoredScript)

    async def forget(self, kind: StoredKind, name: str) -> StoredFile:
        """Throw one away; refused while a check of the running document names it."""
        path = f"/stored/{kind.value}/{quote(name, safe='')}"
        return await self._send("DELETE", path, None, StoredFile)

    async def journal(self, limit: int = 100) -> tuple[JournalEntry, ...]:
        """What happened, newest first."""
        said = await self._ask("GET", "/journal", query={"limit": str(limit)})
        return understood(_JOURNAL.validate_json, said)

    async def layer4(self) -> Layer4Report:
        """What every layer 4 service and its servers carry."""
        return await self._get("/layer4", Layer4Report)

    async def current_connections(self, query: ConnectionQuery) -> Connections:
        """The kernel's connections that match; of very many it takes seconds."""
        asked = query.model_dump(mode="json", exclude_defaults=True)
        words = {name: str(value) for name, value in asked.items()}
        said = await self._ask("GET", "/connections", query=words)
        return understood(Connections.model_validate_json, said)

    async def _send(
        self,
        method: str,
        path: str,
        body: BaseModel | None,
        answer: type[_Answer],
        query: Mapping[str, str] | None = None,
    ) -> _Answer:
        data = body.model_dump_json().encode() if body is not None else None
        said = await self._ask(method, path, data=data, query=query)
        return understood(answer.model_validate_json, said)
