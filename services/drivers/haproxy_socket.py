# SPDX-License-Identifier: Apache-2.0
"""HAProxy's command sockets: one line there, everything it says back, then hang up.

A connection per question: HAProxy ends its answer by closing, which needs no guessing
where an answer stops, and no answer can be taken for the next one's.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from pathlib import Path

from services.errors import Unable, Unreachable

ANSWER_LIMIT = 64 << 20
"""Bytes: 10,000 servers take 6 MB; what is larger is not HAProxy."""

LINE_LIMIT = 12_000
"""Bytes of commands in one line; HAProxy's own buffer holds 16,384."""


async def ask(socket: Path, line: str, *, timeout_s: float) -> str:
    """What the HAProxy behind `socket` answers to `line`; commands are parted by `;`.

    Raises `Unreachable` if nobody listens or the connection breaks, as it does under a
    reload, and `Unable` if the answer does not come in time or is absurdly long.
    """
    try:
        async with asyncio.timeout(timeout_s):
            return await _ask(socket, line)
    except TimeoutError as error:
        raise Unable(
            f"HAProxy did not answer `{_short(line)}` in {timeout_s:g} s.",
            do="Look at the load of the unit; restart HAProxy if it stays.",
        ) from error
    except OSError as error:
        raise Unreachable(
            f"HAProxy does not answer on {socket}.", do="See whether HAProxy runs."
        ) from error


async def _ask(socket: Path, line: str) -> str:
    reader, writer = await asyncio.open_unix_connection(socket)
    try:
        writer.write(line.encode() + b"\n")
        # the master keeps the connection open until we have hung up on our side
        writer.write_eof()
        pieces: list[bytes] = []
        size = 0
        while piece := await reader.read(1 << 18):
            pieces.append(piece)
            size += len(piece)
            if size > ANSWER_LIMIT:
                raise Unable(
                    f"HAProxy's answer to `{_short(line)}` has no end.",
                    do="Restart HAProxy; tell the makers of Ballast.",
                )
        return b"".join(pieces).decode(errors="replace")
    finally:
        writer.close()
        with suppress(OSError):
            await writer.wait_closed()


def _short(line: str) -> str:
    return line if len(line) < 60 else f"{line[:60]}…"
