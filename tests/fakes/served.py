# SPDX-License-Identifier: Apache-2.0
"""The scripted appliance behind a real UNIX socket, for consoles that are a process.

    python -m tests.fakes.served SOCKET [--rows N] [--live]

The routes are those of the agent, so what the console sends is what it will send there.
"""

from __future__ import annotations

import argparse
import asyncio
import socket as sockets
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import uvicorn
from pydantic import BaseModel, TypeAdapter
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response

from services.api import (
    ApplyRequest,
    DraftApply,
    Edit,
    KnobRequest,
    PowerRequest,
    StoredKind,
    StoreRequest,
)
from services.api_errors import error_view
from services.api_reports import ConnectionQuery
from services.errors import ApplianceError
from tests.fakes import scenes
from tests.fakes.appliance import ScriptedAppliance


def application(fake: ScriptedAppliance) -> Starlette:
    """The agent's doors, opened onto `fake`."""
    app = Starlette(exception_handlers={ApplianceError: _refused})

    def door(
        method: str,
        path: str,
        call: Callable[[Request], Awaitable[BaseModel | Sequence[BaseModel]]],
    ) -> None:
        async def answer(request: Request) -> Response:
            return _json(await call(request))

        app.add_route(path, answer, methods=[method])

    door("GET", "/whoami", lambda _: fake.whoami())
    door("GET", "/status", lambda _: fake.status())
    door("GET", "/document", lambda _: fake.document())
    door("GET", "/revisions", lambda _: fake.revisions())
    door("GET", "/revisions/{number}", lambda r: fake.revision(int(r.path_params["number"])))
    door("GET", "/journal", lambda r: fake.journal(int(r.query_params.get("limit", "100"))))
    door("GET", "/draft", lambda _: fake.draft())
    door("DELETE", "/draft", lambda _: fake.discard())
    door("DELETE", "/draft/edits", lambda r: fake.drop_edit(r.query_params["key"]))
    door("POST", "/draft/review", lambda _: fake.review())
    door("POST", "/confirm", lambda _: fake.confirm())

    door(
        "GET",
        "/layer4/{service}/{server}/checks",
        lambda r: fake.check_results(int(r.path_params["service"]), int(r.path_params["server"])),
    )
    door("GET", "/layer4", lambda _: fake.layer4())

    async def connections(request: Request) -> BaseModel:
        query = ConnectionQuery.model_validate(dict(request.query_params))
        return await fake.current_connections(query)

    door("GET", "/connections", connections)

    async def probe(request: Request) -> BaseModel:
        query = request.query_params
        return await fake.probe_address(query["interface"], query["address"])

    door("POST", "/network/probe", probe)

    async def power(request: Request) -> BaseModel:
        return await fake.power(PowerRequest.model_validate_json(await request.body()))

    door("POST", "/power", power)

    async def rollback(request: Request) -> BaseModel:
        number = request.query_params.get("number")
        return await fake.rollback(
            int(number) if number else None, why=request.query_params.get("why", "")
        )

    async def edit(request: Request) -> BaseModel:
        return await fake.edit(Edit.model_validate_json(await request.body()))

    async def apply_draft(request: Request) -> BaseModel:
        return await fake.apply_draft(DraftApply.model_validate_json(await request.body()))

    async def apply(request: Request) -> BaseModel:
        return await fake.apply(ApplyRequest.model_validate_json(await request.body()))

    async def plan(request: Request) -> BaseModel:
        return await fake.plan(ApplyRequest.model_validate_json(await request.body()))

    async def set_servers(request: Request) -> BaseModel:
        return await fake.set_servers(KnobRequest.model_validate_json(await request.body()))

    def kind(request: Request) -> StoredKind:
        return StoredKind(request.path_params["kind"])

    async def store(request: Request) -> BaseModel:
        wish = StoreRequest.model_validate_json(await request.body())
        return await fake.store(kind(request), request.path_params["name"], wish.text)

    door("GET", "/stored/{kind}", lambda r: fake.stored(kind(r)))
    door("GET", "/stored/script/{name}", lambda r: fake.script(r.path_params["name"]))
    door("PUT", "/stored/{kind}/{name}", store)
    door("DELETE", "/stored/{kind}/{name}", lambda r: fake.forget(kind(r), r.path_params["name"]))
    door("POST", "/rollback", rollback)
    door("POST", "/draft/edits", edit)
    door("POST", "/draft/apply", apply_draft)
    door("POST", "/apply", apply)
    door("POST", "/plan", plan)
    door("POST", "/layer7/servers", set_servers)
    return app


@asynccontextmanager
async def served(fake: ScriptedAppliance, path: Path) -> AsyncIterator[Path]:
    """`fake` on a socket at `path` for as long as the block runs."""
    with sockets.socket(sockets.AF_UNIX) as listening:
        listening.bind(str(path))
        config = uvicorn.Config(
            application(fake), log_config=None, access_log=False, lifespan="off"
        )
        server = uvicorn.Server(config)
        task = asyncio.create_task(server.serve(sockets=[listening]))
        try:
            while not server.started:
                await asyncio.sleep(0.01)
            yield path
        finally:
            server.should_exit = True
            await task
            path.unlink(missing_ok=True)


def _json(answer: BaseModel | Sequence[BaseModel], status: int = 200) -> Response:
    data = (
        answer.model_dump_json().encode()
        if isinstance(answer, BaseModel)
        else TypeAdapter(tuple[BaseModel, ...]).dump_json(tuple(answer), serialize_as_any=True)
    )
    return Response(data, status_code=status, media_type="application/json")


async def _refused(_: Request, error: Exception) -> Response:
    assert isinstance(error, ApplianceError)
    return _json(error_view(error), error.http_status)


async def _serve(path: Path, rows: int, *, live: bool) -> None:
    fake = scenes.crowd(rows) if rows else scenes.small()
    fake.clock = time.time
    async with served(fake, path):
        while True:
            await asyncio.sleep(1)
            if live:
                for key in fake.connections:
                    fake.connections[key] += 1


def main() -> None:
    """Serve until ended."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("socket", type=Path)
    arguments.add_argument("--rows", type=int, default=0)
    arguments.add_argument("--live", action="store_true")
    given = arguments.parse_args()
    asyncio.run(_serve(given.socket, given.rows, live=given.live))


if __name__ == "__main__":
    main()
