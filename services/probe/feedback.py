# SPDX-License-Identifier: Apache-2.0
"""Feedback by HTTP: a page whose whole text is how idle the server is, in per cent."""

from __future__ import annotations

import re

from services.health.jobs import Job
from services.probe.conversation import connected
from services.probe.found import Failed, Found, quoted, unexpected

MOST_BYTES = 4 << 10
"""Of the whole answer; a number takes three."""

_EXPECTED = "a number from 0 to 100"


def percent_in(answer: bytes) -> int:
    """The number in an answer of HTTP/1; raises `Failed`."""
    head, _, body = answer.replace(b"\r\n", b"\n").partition(b"\n\n")
    first = head.partition(b"\n")[0]
    status = re.fullmatch(rb"HTTP/1\.[01] ([1-5][0-9]{2})( .*)?", first)
    if not status:
        raise unexpected(first, "HTTP")
    if status[1] != b"200":
        raise Failed(f"answer {status[1].decode()}, expected 200")
    number = re.fullmatch(rb"\s*([0-9]{1,3})\s*%?\s*", body)
    if not number or int(number[1]) > 100:
        raise Failed(f"answer {quoted(body)}, expected {_EXPECTED}")
    return int(number[1])


async def look(job: Job) -> Found:
    """Fetch the page, whatever its name is: the port has no other."""
    host = f"[{job.target.address}]" if ":" in job.target.address else job.target.address
    lines = ("GET / HTTP/1.0", f"Host: {host}", "User-Agent: Ballast", "Connection: close")
    async with connected(job) as server:
        await server.say("\r\n".join((*lines, "", "")).encode())
        answer = await server.rest(MOST_BYTES)
    if not answer:
        raise Failed("connection closed without a word")
    return Found(percent=percent_in(answer))
