# SPDX-License-Identifier: Apache-2.0
"""The way from a verb to the agent, opened only by a verb that needs it.

`check`, `render` and `schema` must run where there is no agent and start fast, so nothing
here imports the client before somebody asks it something.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import typer

if TYPE_CHECKING:
    from services.api import Applied
    from services.client import Client
    from services.model import Document

_Answer = TypeVar("_Answer")

Connect = Callable[[Path], "Client"]


def _connect(socket: Path) -> Client:
    from services.client import Client

    return Client(socket)


class Door:
    """Asks the agent on `socket`; tests pass another `connect`."""

    def __init__(self, connect: Connect | None = None) -> None:
        self._connect = connect or _connect
        self.socket: Path | None = None
        """What `--socket` said; None is the appliance's own place."""

    def ask(
        self, question: Callable[[Client], Awaitable[_Answer]], *, timeout_s: float | None = None
    ) -> _Answer:
        """The answer to `question`, which gets a client that is closed afterwards.

        Raises what the client raises, and `TimeoutError` after `timeout_s`; without it the
        client's own limits hold.
        """
        import asyncio

        async def asked() -> _Answer:
            client = self._connect(self._place())
            try:
                async with asyncio.timeout(timeout_s):
                    return await question(client)
            finally:
                await client.aclose()

        return asyncio.run(asked())

    def _place(self) -> Path:
        if self.socket is not None:
            return self.socket
        from services.client import socket_path

        return socket_path()


def door(context: typer.Context) -> Door:
    """The door of this run; a completion has no run yet and gets one of its own."""
    root = context.find_root()
    found = root.obj if isinstance(root.obj, Door) else Door()
    given = root.params.get("socket")
    found.socket = Path(given) if given else None
    return found


async def change(
    client: Client, edit: Callable[[Document], Document], *, why: str, confirm_s: int | None
) -> Applied:
    """Read the running document, `edit` it and apply it on the revision that was read.

    The edit concerns one object, so when somebody else was faster it is done once more on
    what they left; a second conflict is raised. An edit that changes nothing applies
    nothing: no revision says "nothing happened".
    """
    from services.api import Applied, ApplyRequest
    from services.errors import EditConflict

    async def once() -> Applied:
        running = await client.document()
        wanted = edit(running.document)
        if wanted == running.document:
            return Applied(revision=running.info.number, changes=())
        return await client.apply(
            ApplyRequest(document=wanted, base=running.info.number, why=why, confirm_s=confirm_s)
        )

    try:
        return await once()
    except EditConflict:
        return await once()
