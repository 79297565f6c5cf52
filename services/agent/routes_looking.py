# SPDX-License-Identifier: Apache-2.0
"""The routes that change nothing: what runs, what would come of a change, what is carried."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request
from fastapi.responses import Response
from pydantic import TypeAdapter

from services.agent.answers import as_json, body, judged, raw
from services.agent.parts import LOOK, REPORTS, Asking, Number, Parts
from services.agent.reports import current_connections
from services.agent.setup import setup_view
from services.api import AccessRole, ApplyRequest, Revision, RevisionInfo, System, WhoAmI
from services.api_reports import ConnectionQuery
from services.store import RevisionRecord

_INFOS: TypeAdapter[tuple[RevisionInfo, ...]] = TypeAdapter(tuple[RevisionInfo, ...])
_ENTRIES: TypeAdapter[list[object]] = TypeAdapter(list[object])

Key = Annotated[int, Query(ge=0, le=2**31)]


def looking(parts: Parts) -> APIRouter:
    """What is asked about the appliance itself."""
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


def reporting(parts: Parts) -> APIRouter:
    """What is asked about the traffic."""
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


def _info(record: RevisionRecord) -> RevisionInfo:
    return RevisionInfo(
        number=record.number, at=record.at, who=record.who, why=record.why, sha256=record.sha256
    )
