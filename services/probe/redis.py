# SPDX-License-Identifier: Apache-2.0
"""Redis with a password (RESP): log in and ask for a sign of life."""

from __future__ import annotations

from services.health.jobs import Job
from services.probe.conversation import connected
from services.probe.found import Found, unexpected


def command(*words: str) -> bytes:
    """A command as an array of strings, which may hold anything."""
    parts = (word.encode() for word in words)
    told = b"".join(b"$%d\r\n%s\r\n" % (len(part), part) for part in parts)
    return b"*%d\r\n%s" % (len(words), told)


async def look(job: Job) -> Found:
    """Log in and ask for a sign of life."""
    password = (job.secret.splitlines() or [""])[0]
    async with connected(job) as server:
        for words, good in ((("AUTH", password), "+OK"), (("PING",), "+PONG")):
            await server.say(command(*words))
            line = await server.line()
            if line != good:
                raise unexpected(line, good)
    return Found()
