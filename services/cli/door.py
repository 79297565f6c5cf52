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
    from services.api import Revision
    from services.client import Client

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
        """The answer to `question`, which gets a client.

        Raises what the client raises, and `TimeoutError` after `timeout_s`; without it the
        client's own limits hold.
        """
        import asyncio

        async def asked() -> _Answer:
            async with asyncio.timeout(timeout_s):
                return await question(self._connect(self._place()))

        return asyncio.run(asked())

    def _place(self) -> Path:
        if self.socket is not None:
            return self.socket
        from services.looking import socket_path

        return socket_path()


def door(context: typer.Context) -> Door:
    """The door of this run; a completion has no run yet and gets one of its own."""
    root = context.find_root()
    found = root.obj if isinstance(root.obj, Door) else Door()
    given = root.params.get("socket")
    found.socket = Path(given) if given else None
    return found


async def on_running(
    client: Client, act: Callable[[Client, Revision], Awaitable[_Answer]]
) -> _Answer:
    """Read the running document and `act` on it: the frame of every everyday verb.

    Such a verb concerns few objects, so when somebody else was faster it is done once more on
    what they left; a second conflict is raised.
    """
    from services.errors import EditConflict

    try:
        return await act(client, await client.document())
    except EditConflict:
        return await act(client, await client.document())
