# SPDX-License-Identifier: Apache-2.0
"""One question over the agent's socket and its answer: HTTP/1.1 on a UNIX socket, RFC 9112.

A connection for each question. On a socket of the same machine it costs next to nothing, and there
is none to be found closed: the agent hangs up on idle ones, and leaves nobody behind when it
restarts. The protocol is h11's, as at the agent's end; a general HTTP client was a sixth of what
the console loads, for redirects, cookies and certificates that no socket has.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from socket import AF_UNIX, socket
from urllib.parse import urlencode

import h11

from services.errors import Unreachable

CONNECT_S, ANSWER_S = 5.0, 60.0
"""An apply judges, reloads and verifies: slow on a loaded unit, never minutes."""
PIECE = 65_536


async def ask(
    place: Path,
    method: str,
    path: str,
    *,
    query: Mapping[str, str] | None = None,
    headers: Mapping[str, str] | None = None,
    body: bytes = b"",
) -> tuple[int, bytes]:
    """Status and body of the answer; `path` is quoted already. Raises `Unreachable`."""
    target = f"{path}?{urlencode(query)}" if query else path
    head = {"Host": "ballast", "Connection": "close", "Content-Length": str(len(body))}
    head |= headers or {}
    request = h11.Request(method=method, target=target, headers=list(head.items()))
    loop = asyncio.get_running_loop()
    try:
        with socket(AF_UNIX) as line:
            line.settimeout(0)
            async with asyncio.timeout(CONNECT_S):
                await loop.sock_connect(line, str(place))
            async with asyncio.timeout(ANSWER_S):
                return await _answer(line, request, body)
    except TimeoutError as error:
        raise Unreachable(
            "The agent did not answer in time.", do="Try again; see the journal if it stays."
        ) from error
    except (OSError, h11.RemoteProtocolError) as error:
        raise Unreachable(
            f"The agent does not answer on {place}.",
            do="See whether ballast-agent runs, and whether this account may use the socket.",
        ) from error


async def _answer(line: socket, request: h11.Request, body: bytes) -> tuple[int, bytes]:
    loop = asyncio.get_running_loop()
    http = h11.Connection(our_role=h11.CLIENT)
    question = (request, h11.Data(data=body), h11.EndOfMessage())
    # who refuses early has answered already, and does not read the rest
    with suppress(ConnectionError):
        await loop.sock_sendall(line, b"".join(http.send(event) or b"" for event in question))
    status, pieces = 0, []
    while True:
        match http.next_event():
            case h11.Response(status_code=status):
                pass
            case h11.Data(data=piece):
                pieces.append(bytes(piece))
            case h11.EndOfMessage():
                return status, b"".join(pieces)
            case h11.NEED_DATA:
                http.receive_data(await loop.sock_recv(line, PIECE))
            case h11.ConnectionClosed():
                raise ConnectionResetError("closed before it answered")
