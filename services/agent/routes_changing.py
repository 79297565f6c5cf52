# SPDX-License-Identifier: Apache-2.0
"""The routes that change something, or begin to: what runs, a draft, stored files, the power."""

from __future__ import annotations

import asyncio
from ipaddress import ip_address

from pydantic import TypeAdapter
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from services.agent.answers import (
    MOST_KEY,
    as_json,
    body,
    number_or_none,
    raw,
    text,
    word,
)
from services.agent.parts import LOCAL, LOOK, SWITCH, Parts, asking
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


def changing(parts: Parts) -> list[Route]:
    """What runs, and the machine."""

    async def apply(request: Request) -> Response:
        who = asking(request, *LOCAL)
        wish = await body(request, ApplyRequest)
        applied = await parts.changing.apply(
            wish.document,
            who=who.user,
            why=wish.why,
            base=wish.base,
            confirm_s=_bounded(wish.confirm_s),
            local_only=who.role is AccessRole.SETUP,
        )
        return as_json(applied)

    async def confirm(request: Request) -> Response:
        who = asking(request, *LOCAL)
        return as_json(await parts.changing.confirm(who=who.user))

    async def rollback(request: Request) -> Response:
        query = request.query_params
        number = number_or_none(query, "number")
        window = parts.appliance.window
        who = asking(request, *LOCAL)
        # whoever may begin a change may end it before its time, and no more
        ends_own = number is None and window is not None and window.who == who.user
        who.require(*(LOCAL if ends_own else ()))
        why = query.get("why", "")
        return as_json(await parts.changing.rollback(number, who=who.user, why=why))

    async def set_servers(request: Request) -> Response:
        who = asking(request, *SWITCH)
        wish = await body(request, KnobRequest)
        applied = await parts.changing.set_servers(
            wish.servers, state=wish.state, weight=wish.weight, who=who.user, why=wish.why
        )
        return as_json(applied)

    async def probe(request: Request) -> Response:
        asking(request, *LOCAL)
        interface = text(request.query_params, "interface")
        bare = _bare(text(request.query_params, "address"))
        found = await parts.links.probe(interface, bare)
        return as_json(
            AddressProbe(
                interface=interface, address=bare, carrier=found.carrier, owner=found.owner
            )
        )

    async def examine(request: Request) -> Response:
        asking(request, *SWITCH)
        service = number_or_none(request.query_params, "service", most=MOST_KEY)
        return as_json(await parts.doctor.examine(service))

    async def power(request: Request) -> Response:
        who = asking(request)
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

    return [
        Route("/apply", apply, methods=["POST"]),
        Route("/confirm", confirm, methods=["POST"]),
        Route("/rollback", rollback, methods=["POST"]),
        Route("/layer7/servers", set_servers, methods=["POST"]),
        Route("/network/probe", probe, methods=["POST"]),
        Route("/doctor", examine, methods=["POST"]),
        Route("/power", power, methods=["POST"]),
    ]


def drafting(parts: Parts) -> list[Route]:
    """A console's pending changes."""

    async def draft(request: Request) -> Response:
        who = asking(request, *LOOK)
        return as_json(parts.view(parts.draft(request, who)))

    async def edit(request: Request) -> Response:
        who = asking(request, *LOCAL)
        wish = await body(request, Edit, limit=EDIT_LIMIT)
        found = parts.draft(request, who)
        parts.drafts.put(found, wish)
        return as_json(parts.view(found))

    async def drop_edit(request: Request) -> Response:
        who = asking(request, *LOCAL)
        found = parts.draft(request, who)
        parts.drafts.drop(found, text(request.query_params, "key"))
        return as_json(parts.view(found))

    async def discard(request: Request) -> Response:
        who = asking(request, *LOCAL)
        parts.drafts.discard(parts.draft(request, who).key)
        return as_json(parts.view(parts.draft(request, who)))

    async def review(request: Request) -> Response:
        who = asking(request, *LOOK)
        shown = parts.view(parts.draft(request, who))
        sound = shown.document is not None and not shown.problems
        planned = await parts.changing.planned(shown.document) if shown.document and sound else None
        return as_json(ReviewView(draft=shown, plan=planned))

    async def apply_draft(request: Request) -> Response:
        who = asking(request, *LOCAL)
        wish = await body(request, DraftApply)
        found = parts.draft(request, who)
        if not found.edits:
            raise Refused("There is nothing to apply.", do="Change something first.")
        applied = await parts.changing.apply_draft(
            found,
            who=who.user,
            why=wish.why,
            confirm_s=_bounded(wish.confirm_s),
            local_only=who.role is AccessRole.SETUP,
        )
        return as_json(applied)

    return [
        Route("/draft", draft),
        Route("/draft/edits", edit, methods=["POST"]),
        Route("/draft/edits", drop_edit, methods=["DELETE"]),
        Route("/draft", discard, methods=["DELETE"]),
        Route("/draft/review", review, methods=["POST"]),
        Route("/draft/apply", apply_draft, methods=["POST"]),
    ]


def storing(parts: Parts) -> list[Route]:
    """Secrets and scripts of health checks, for admins alone: what is stored here is sent to
    servers, or started.
    """

    async def stored(request: Request) -> Response:
        asking(request)
        kind = word(request.path_params, "kind", StoredKind)
        return raw(_STORED.dump_json(parts.stored.listed(kind)))

    async def script(request: Request) -> Response:
        asking(request)
        name = text(request.path_params, "name")
        return as_json(
            StoredScript(name=name, text=await asyncio.to_thread(parts.stored.script, name))
        )

    async def store(request: Request) -> Response:
        who = asking(request)
        kind, name = _which(request)
        wish = await body(request, StoreRequest, limit=EDIT_LIMIT)
        new = await asyncio.to_thread(parts.stored.put, kind, name, wish.text)
        parts.journal.note(who.user, f"{'stored' if new else 'replaced'} the {kind.value} {name}")
        return as_json(StoredFile(name=name))

    async def forget(request: Request) -> Response:
        who = asking(request)
        kind, name = _which(request)
        await parts.changing.forget(kind, name, who=who.user)
        return as_json(StoredFile(name=name))

    return [
        Route("/stored/{kind}", stored),
        Route("/stored/script/{name}", script),
        Route("/stored/{kind}/{name}", store, methods=["PUT"]),
        Route("/stored/{kind}/{name}", forget, methods=["DELETE"]),
    ]


def _which(request: Request) -> tuple[StoredKind, str]:
    """The stored file that the address names."""
    return word(request.path_params, "kind", StoredKind), text(request.path_params, "name")


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
