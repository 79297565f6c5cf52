# SPDX-License-Identifier: Apache-2.0
"""The routes that change nothing: what runs, what would come of a change, what is carried."""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import TypeAdapter
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from services.agent.answers import (
    MOST_KEY,
    MOST_REVISION,
    as_json,
    body,
    judged,
    number,
    number_or_none,
    raw,
    word,
)
from services.agent.parts import LOOK, REPORTS, Parts, asking
from services.agent.reports import current_connections
from services.agent.setup import setup_view
from services.api import AccessRole, ApplyRequest, Revision, RevisionInfo, System, WhoAmI
from services.api_reports import ConnectionQuery
from services.store import RevisionRecord

_INFOS: TypeAdapter[tuple[RevisionInfo, ...]] = TypeAdapter(tuple[RevisionInfo, ...])
_ENTRIES: TypeAdapter[list[object]] = TypeAdapter(list[object])

ENTRIES = 100
"""So many of the journal's newest, unless another number is asked for."""


def looking(parts: Parts) -> list[Route]:
    """What is asked about the appliance itself."""

    async def whoami(request: Request) -> Response:
        who = asking(request, *LOOK)
        return as_json(
            WhoAmI(
                user=who.user,
                role=who.role or AccessRole.VIEWER,
                draft=parts.draft(request, who).key,
            )
        )

    async def status(request: Request) -> Response:
        asking(request, *LOOK)
        return as_json(await parts.observer.status())

    async def document(request: Request) -> Response:
        asking(request, *LOOK)
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

    async def revisions(request: Request) -> Response:
        asking(request, *LOOK)
        newest_first = sorted(parts.store.records(), key=lambda record: -record.number)
        return raw(_INFOS.dump_json(tuple(_info(record) for record in newest_first)))

    async def revision(request: Request) -> Response:
        asking(request, *LOOK)
        loaded = parts.store.read(number(request.path_params, "number"))
        return as_json(Revision(info=_info(loaded.record), document=loaded.document))

    async def plan(request: Request) -> Response:
        asking(request, *LOOK)
        wish = await body(request, ApplyRequest)
        return as_json(await parts.changing.planned(wish.document))

    async def setup(request: Request) -> Response:
        asking(request, *LOOK)
        query = request.query_params
        system = word(query, "system", System) if "system" in query else System.LINUX
        which = _server(query, most=MOST_KEY)
        return as_json(setup_view(parts.appliance.running.document, which, system))

    async def entries(request: Request) -> Response:
        asking(request, *LOOK)
        limit = number_or_none(request.query_params, "limit")
        newest = parts.journal.newest(ENTRIES if limit is None else limit)
        return raw(_ENTRIES.dump_json(list(newest)))

    return [
        Route("/whoami", whoami),
        Route("/status", status),
        Route("/document", document),
        Route("/revisions", revisions),
        Route("/revisions/{number}", revision),
        Route("/plan", plan, methods=["POST"]),
        Route("/setup", setup),
        Route("/journal", entries),
    ]


def reporting(parts: Parts) -> list[Route]:
    """What is asked about the traffic."""

    async def checks(request: Request) -> Response:
        asking(request, *LOOK)
        return as_json(parts.book.results(_server(request.path_params)))

    async def layer4(request: Request) -> Response:
        asking(request, *REPORTS)
        return as_json(await parts.observer.layer4())

    async def connections(request: Request) -> Response:
        asking(request, *REPORTS)
        asked = dict(request.query_params)
        query = judged(ConnectionQuery, lambda: ConnectionQuery.model_validate(asked))
        document = parts.appliance.running.document
        return as_json(await current_connections(document, query, parts.connections))

    return [
        Route("/layer4/{service}/{server}/checks", checks),
        Route("/layer4", layer4),
        Route("/connections", connections),
    ]


def _server(given: Mapping[str, str], *, most: int = MOST_REVISION) -> tuple[int, int]:
    """The real server that the address names, by its service's key and its own."""
    return number(given, "service", most=most), number(given, "server", most=most)


def _info(record: RevisionRecord) -> RevisionInfo:
    return RevisionInfo(
        number=record.number, at=record.at, who=record.who, why=record.why, sha256=record.sha256
    )
