# SPDX-License-Identifier: Apache-2.0
"""UDP without a protocol: only a refusal is an answer, unless one is expected.

Nothing tells a server that is silent by nature from one that is dead, so silence counts for a
yes; who knows what the server should say writes it down.
"""

from __future__ import annotations

import asyncio

from services.health.jobs import Job
from services.health.targets import Kind, Manner
from services.probe.datagrams import LARGEST, answer, connected
from services.probe.found import Found, unexpected


def silence_is_good(manner: Manner) -> bool:
    """Whether a server that says nothing is well."""
    return manner.kind is Kind.UDP and not manner.expect


async def look(job: Job) -> Found:
    """Send the request, which may be empty, and wait for a word."""
    manner, address, port = job.target
    expected = manner.expect.encode()
    with connected(address, port) as server:
        if not expected:
            server.send(manner.request.encode())
            await asyncio.get_running_loop().sock_recv(server, LARGEST)
            return Found()
        said = await answer(server, manner.request.encode(), lambda data: data)
    if expected not in said:
        raise unexpected(said, manner.expect)
    return Found()
