# SPDX-License-Identifier: Apache-2.0
"""The routes that change something, or begin to: what runs, a draft, stored files, the power."""

from __future__ import annotations

import asyncio
from ipaddress import ip_address
from typing import Annotated

from fastapi import APIRouter, Query, Request
from fastapi.responses import Response
from pydantic import TypeAdapter

from services.agent.answers import as_json, body, raw
from services.agent.parts import LOCAL, LOOK, MOST_REVISION, SWITCH, Asking, Parts
from services.api import (
    AccessRole,
    AddressProbe,
    ApplyRequest,
    DraftApply,
    Edit,
    KnobRequest,
    PowerAction,
    PowerRequest,
    ReviewView,
    StoredFile,
    StoredKind,
    StoredScript,
    StoreRequest,
)
from services.errors import Refused
from services.model.base import shown

EDIT_LIMIT = 256 * 2**10
"""Largest edit in bytes: one object as it was and as it is to be, a tenth of this at most."""

LONGEST_REASON = 200

_STORED: TypeAdapter[tuple[StoredFile, ...]] = TypeAdapter(tuple[StoredFile, ...])

SomeKey = Annotated[int | None, Query(ge=0, le=2**31)]
Earlier = Annotated[int | None, Query(ge=0, le=MOST_REVISION)]


def changing(parts: Parts) -> APIRouter:
    """What runs, and the machine."""
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


def drafting(parts: Parts) -> APIRouter:
    """A console's pending changes."""
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


def storing(parts: Parts) -> APIRouter:
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
