# SPDX-License-Identifier: Apache-2.0
"""FTP with a login (RFC 959); no file is asked for, so the control connection will do."""

from __future__ import annotations

import re

from services.health.jobs import Job
from services.probe.conversation import Conversation, connected
from services.probe.found import Found, unexpected

READY, LOGGED_IN, SUPERFLUOUS, NEEDS_PASSWORD = "220", "230", "202", "331"


async def look(job: Job) -> Found:
    """Log in and leave."""
    manner = job.target.manner
    password = (job.secret.splitlines() or [""])[0]
    async with connected(job) as server:
        await _answers(server, READY)
        if manner.login:
            await server.say(f"USER {manner.login}\r\n".encode())
            if await _answers(server, LOGGED_IN, NEEDS_PASSWORD) == NEEDS_PASSWORD:
                await server.say(f"PASS {password}\r\n".encode())
                await _answers(server, LOGGED_IN, SUPERFLUOUS)
        await server.say(b"QUIT\r\n")
    return Found()


async def _answers(server: Conversation, *wanted: str) -> str:
    """The code of the next answer, which may have many lines; raises `Failed` for others."""
    first = await server.line()
    code = first[:3]
    if not re.fullmatch(r"[1-5][0-9]{2}(-| .*|)", first[:4].ljust(4), re.ASCII | re.DOTALL):
        raise unexpected(first, wanted[0])
    line = first
    while first[3:4] == "-" and not line.startswith(f"{code} "):
        line = await server.line()
    if code not in wanted:
        raise unexpected(first, wanted[-1])
    return code
