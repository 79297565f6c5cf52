# SPDX-License-Identifier: Apache-2.0
"""POP3 (RFC 1939) and IMAP (RFC 9051) with a login, in the clear or under TLS."""

from __future__ import annotations

from services.health.jobs import Job
from services.model.checks import TLS
from services.probe.conversation import Conversation, connected
from services.probe.found import Found, unexpected


async def look_pop3(job: Job) -> Found:
    """Log in and leave."""
    manner = job.target.manner
    async with connected(job, under_tls=manner.kind in TLS) as server:
        await _positive(server)
        if manner.login:
            for words in (f"USER {manner.login}", f"PASS {_password(job)}"):
                await server.say(f"{words}\r\n".encode())
                await _positive(server)
        await server.say(b"QUIT\r\n")
    return Found()


async def _positive(server: Conversation) -> None:
    line = await server.line()
    if not line.startswith("+OK"):
        raise unexpected(line, "+OK")


async def look_imap(job: Job) -> Found:
    """Log in and leave."""
    manner = job.target.manner
    async with connected(job, under_tls=manner.kind in TLS) as server:
        line = await server.line()
        if not line.upper().startswith(("* OK", "* PREAUTH")):
            raise unexpected(line, "* OK")
        if manner.login:
            who = f"{_string(manner.login)} {_string(_password(job))}"
            await server.say(f"a1 LOGIN {who}\r\n".encode())
            while not (line := await server.line()).startswith("a1 "):
                continue
            if line.split()[1:2] != ["OK"]:
                raise unexpected(line.removeprefix("a1 "), "OK")
        await server.say(b"a2 LOGOUT\r\n")
    return Found()


def _string(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _password(job: Job) -> str:
    return (job.secret.splitlines() or [""])[0]
