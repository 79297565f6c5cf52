# SPDX-License-Identifier: Apache-2.0
"""The socket's routes: who may ask what, and nothing else.

How requests are read and answers written is `services.agent.answers`.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Annotated

from fastapi import APIRouter, Depends, FastAPI, Path, Query, Request
from fastapi.responses import Response
from pydantic import TypeAdapter

from services.agent.answers import (
    answer_errors,
    as_json,
    body,
    judged,
    raw,
)
from services.agent.appliance import Appliance
from services.agent.doctor import Doctor
from services.agent.drafts import Draft, Drafts, draft_key
from services.agent.health import HealthBook
from services.agent.journal import Journal
from services.agent.observer import Observer
from services.agent.peer import SCOPE_KEY, Peer
from services.agent.reports import current_connections
from services.agent.setup import setup_view
from services.agent.stored import Stored
from services.api import (
    AccessRole,
    AddressProbe,
    ApplyRequest,
    DraftApply,
    DraftView,
    Edit,
    KnobRequest,
    PowerAction,
    PowerRequest,
    ReviewView,
    Revision,
    RevisionInfo,
    StoredFile,
    StoredKind,
    StoredScript,
    StoreRequest,
    System,
    WhoAmI,
)
from services.api_errors import clash_views, problem_views
from services.api_reports import ConnectionQuery
from services.drivers.ipvs_conn import ConnectionTable
from services.drivers.links import Links
from services.drivers.power import Power
from services.errors import Refused
from services.model.base import shown
from services.store import RevisionRecord, Store

EDIT_LIMIT = 256 * 2**10
"""Largest edit in bytes: one object as it was and as it is to be, a tenth of this at most."""

LONGEST_REASON = 200

MOST_REVISION = 10**30
"""Beyond it a number is no name of a file any more."""

LOOK = (AccessRole.OPERATOR, AccessRole.VIEWER, AccessRole.SETUP)
REPORTS = (AccessRole.OPERATOR, AccessRole.VIEWER)
"""Not the network wizard's account: who connects is none of its business."""
SWITCH = (AccessRole.OPERATOR,)
LOCAL = (AccessRole.SETUP,)

_INFOS: TypeAdapter[tuple[RevisionInfo, ...]] = TypeAdapter(tuple[RevisionInfo, ...])
_STORED: TypeAdapter[tuple[StoredFile, ...]] = TypeAdapter(tuple[StoredFile, ...])
_ENTRIES: TypeAdapter[list[object]] = TypeAdapter(list[object])


def peer(request: Request) -> Peer:
    """The account behind the connection."""
    found: Peer = request.scope[SCOPE_KEY]
    return found


Asking = Annotated[Peer, Depends(peer)]
Number = Annotated[int, Path(ge=0, le=MOST_REVISION)]
Key = Annotated[int, Query(ge=0, le=2**31)]
SomeKey = Annotated[int | None, Query(ge=0, le=2**31)]
Earlier = Annotated[int | None, Query(ge=0, le=MOST_REVISION)]


@dataclass(frozen=True)
class Parts:
    """What the routes speak with."""

    appliance: Appliance
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
        merged = self.appliance.try_merge(draft)
        return DraftView(
            key=draft.key,
            base=draft.base,
            edits=tuple(draft.edits.values()),
            document=merged.document,
            problems=problem_views(merged.problems),
            clashes=clash_views(merged.clashes),
        )


def application(parts: Parts) -> FastAPI:
    """The agent's door, ready for a server that notes peers (`services.agent.peer`)."""
    app = FastAPI(title="Ballast agent", docs_url=None, redoc_url=None, openapi_url=None)
    answer_errors(app)
    for routes in (_looking, _reporting, _changing, _drafting, _storing):
        app.include_router(routes(parts))
    return app


def _looking(parts: Parts) -> APIRouter:
    app = APIRouter()

    @app.get("/whoami")
    async def whoami(request: Request, who: Asking) -> Response:
        who.require(*LOOK)
        return as_json(
            WhoAmI(
                user=who.user,
                role=who.role or AccessRole.VIEWER,
                draft=parts.draft(request, who).key,
            )
        )

    @app.get("/status")
    async def status(who: Asking) -> Response:
        who.require(*LOOK)
        return as_json(await parts.observer.status())

    @app.get("/document")
    async def document(who: Asking) -> Response:
        who.require(*LOOK)
        running = parts.appliance.running
        info = next(
            (
                _info(record)
                for record in parts.store.records()
                if record.number == running.revision
            ),
            RevisionInfo(number=running.revision, at=0, who="factory", why="", sha256=""),
        )
        return as_json(Revision(info=info, document=running.document))

    @app.get("/revisions")
    async def revisions(who: Asking) -> Response:
        who.require(*LOOK)
        newest_first = sorted(parts.store.records(), key=lambda record: -record.number)
        return raw(_INFOS.dump_json(tuple(_info(record) for record in newest_first)))

    @app.get("/revisions/{number}")
    async def revision(number: Number, who: Asking) -> Response:
        who.require(*LOOK)
        loaded = parts.store.read(number)
        return as_json(Revision(info=_info(loaded.record), document=loaded.document))

    @app.post("/plan")
    async def plan(request: Request, who: Asking) -> Response:
        who.require(*LOOK)
        wish = await body(request, ApplyRequest)
        return as_json(await parts.appliance.planned(wish.document))

    @app.get("/setup")
    async def setup(
        service: Key, server: Key, who: Asking, system: System = System.LINUX
    ) -> Response:
        who.require(*LOOK)
        return as_json(setup_view(parts.appliance.running.document, (service, server), system))

    @app.get("/journal")
    async def entries(who: Asking, limit: int = 100) -> Response:
        who.require(*LOOK)
        return raw(_ENTRIES.dump_json(list(parts.journal.newest(max(0, limit)))))

    return app


def _reporting(parts: Parts) -> APIRouter:
    app = APIRouter()

    @app.get("/layer4/{service}/{server}/checks")
    async def checks(service: Number, server: Number, who: Asking) -> Response:
        who.require(*LOOK)
        return as_json(parts.book.results((service, server)))

    @app.get("/layer4")
    async def layer4(who: Asking) -> Response:
        who.require(*REPORTS)
        return as_json(await parts.observer.layer4())

    @app.get("/connections")
    async def connections(request: Request, who: Asking) -> Response:
        who.require(*REPORTS)
        asked = dict(request.query_params)
        query = judged(ConnectionQuery, lambda: ConnectionQuery.model_validate(asked))
        document = parts.appliance.running.document
        return as_json(await current_connections(document, query, parts.connections))

    return app


def _changing(parts: Parts) -> APIRouter:
    app = APIRouter()

    @app.post("/apply")
    async def apply(request: Request, who: Asking) -> Response:
        who.require(*LOCAL)
        wish = await body(request, ApplyRequest)
        applied = await parts.appliance.apply(
            wish.document,
            who=who.user,
            why=wish.why,
            base=wish.base,
            confirm_s=_bounded(wish.confirm_s),
            local_only=who.role is AccessRole.SETUP,
        )
        return as_json(applied)

    @app.post("/confirm")
    async def confirm(who: Asking) -> Response:
        who.require(*LOCAL)
        return as_json(await parts.appliance.confirm(who=who.user))

    @app.post("/rollback")
    async def rollback(who: Asking, number: Earlier = None, why: str = "") -> Response:
        window = parts.appliance.window
        # whoever may begin a change may end it before its time
        ends_own = number is None and window is not None and window.who == who.user
        who.require(*(LOCAL if ends_own else ()))
        return as_json(await parts.appliance.rollback(number, who=who.user, why=why))

    @app.post("/layer7/servers")
    async def set_servers(request: Request, who: Asking) -> Response:
        who.require(*SWITCH)
        wish = await body(request, KnobRequest)
        applied = await parts.appliance.set_servers(
            wish.servers, state=wish.state, weight=wish.weight, who=who.user, why=wish.why
        )
        return as_json(applied)

    @app.post("/network/probe")
    async def probe(interface: str, address: str, who: Asking) -> Response:
        who.require(*LOCAL)
        bare = _bare(address)
        found = await parts.links.probe(interface, bare)
        return as_json(
            AddressProbe(
                interface=interface, address=bare, carrier=found.carrier, owner=found.owner
            )
        )

    @app.post("/doctor")
    async def examine(who: Asking, service: SomeKey = None) -> Response:
        who.require(*SWITCH)
        return as_json(await parts.doctor.examine(service))

    @app.post("/power")
    async def power(request: Request, who: Asking) -> Response:
        who.require()
        wish = await body(request, PowerRequest)
        why = " ".join(wish.why.split())[:LONGEST_REASON]
        if not why:
            raise Refused("There is no reason.", do="Say why: it stands in the journal.")
        restarts = wish.action is PowerAction.RESTART
        # noted first: afterwards there may be nobody to write it
        asked = "restart" if restarts else "shut down"
        parts.journal.note(who.user, f"asked to {asked} the machine: {why}")
        await (parts.power.restart() if restarts else parts.power.shut_down())
        return as_json(wish)

    return app


def _drafting(parts: Parts) -> APIRouter:
    app = APIRouter()

    @app.get("/draft")
    async def draft(request: Request, who: Asking) -> Response:
        who.require(*LOOK)
        return as_json(parts.view(parts.draft(request, who)))

    @app.post("/draft/edits")
    async def edit(request: Request, who: Asking) -> Response:
        who.require(*LOCAL)
        wish = await body(request, Edit, limit=EDIT_LIMIT)
        found = parts.draft(request, who)
        parts.drafts.put(found, wish)
        return as_json(parts.view(found))

    @app.delete("/draft/edits")
    async def drop_edit(request: Request, who: Asking, key: str) -> Response:
        who.require(*LOCAL)
        found = parts.draft(request, who)
        parts.drafts.drop(found, key)
        return as_json(parts.view(found))

    @app.delete("/draft")
    async def discard(request: Request, who: Asking) -> Response:
        who.require(*LOCAL)
        parts.drafts.discard(parts.draft(request, who).key)
        return as_json(parts.view(parts.draft(request, who)))

    @app.post("/draft/review")
    async def review(request: Request, who: Asking) -> Response:
        who.require(*LOOK)
        shown = parts.view(parts.draft(request, who))
        sound = shown.document is not None and not shown.problems
        planned = (
            await parts.appliance.planned(shown.document) if shown.document and sound else None
        )
        return as_json(ReviewView(draft=shown, plan=planned))

    @app.post("/draft/apply")
    async def apply_draft(request: Request, who: Asking) -> Response:
        who.require(*LOCAL)
        wish = await body(request, DraftApply)
        found = parts.draft(request, who)
        if not found.edits:
            raise Refused("There is nothing to apply.", do="Change something first.")
        applied = await parts.appliance.apply_draft(
            found,
            who=who.user,
            why=wish.why,
            confirm_s=_bounded(wish.confirm_s),
            local_only=who.role is AccessRole.SETUP,
        )
        return as_json(applied)

    return app


def _storing(parts: Parts) -> APIRouter:
    """Secrets and scripts of health checks, for admins alone: what is stored here is sent to
    servers, or started.
    """
    app = APIRouter()

    @app.get("/stored/{kind}")
    async def stored(kind: StoredKind, who: Asking) -> Response:
        who.require()
        return raw(_STORED.dump_json(parts.stored.listed(kind)))

    @app.get("/stored/script/{name}")
    async def script(name: str, who: Asking) -> Response:
        who.require()
        text = await asyncio.to_thread(parts.stored.script, name)
        return as_json(StoredScript(name=name, text=text))

    @app.put("/stored/{kind}/{name}")
    async def store(kind: StoredKind, name: str, request: Request, who: Asking) -> Response:
        who.require()
        wish = await body(request, StoreRequest, limit=EDIT_LIMIT)
        new = await asyncio.to_thread(parts.stored.put, kind, name, wish.text)
        parts.journal.note(who.user, f"{'stored' if new else 'replaced'} the {kind.value} {name}")
        return as_json(StoredFile(name=name))

    @app.delete("/stored/{kind}/{name}")
    async def forget(kind: StoredKind, name: str, who: Asking) -> Response:
        who.require()
        await parts.appliance.forget(kind, name, who=who.user)
        return as_json(StoredFile(name=name))

    return app


def _bare(address: str) -> str:
    """The address as the kernel writes it; raises `Refused`."""
    try:
        found = ip_address(address)
    except ValueError as error:
        raise Refused(
            f"{shown(address)} is not an address.",
            do="Give one without its prefix, as 192.168.2.21 or 2001:db8::21.",
        ) from error
    if getattr(found, "scope_id", None):
        raise Refused(f"{shown(address)} names a card.", do="Leave out the part from % on.")
    return str(found)


def _bounded(confirm_s: int | None) -> int | None:
    if confirm_s is not None and not 1 <= confirm_s <= 3600:
        raise Refused(f"{confirm_s} s to confirm is out of range.", do="Give 1 to 3600 seconds.")
    return confirm_s


def _info(record: RevisionRecord) -> RevisionInfo:
    return RevisionInfo(
        number=record.number, at=record.at, who=record.who, why=record.why, sha256=record.sha256
    )
