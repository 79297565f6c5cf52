# SPDX-License-Identifier: Apache-2.0
"""UDP without a protocol: only a refusal is an answer, unless one is expected.

Nothing tells a server that is silent by nature from one that is dead, so silence counts for a
yes; who knows what the server should say writes it down. Linux refuses a peer once a second at
most (icmp_ratelimit), so a datagram goes out every second until the time is up: a refusal that
was held back once comes the next time.
"""

from __future__ import annotations

from services.health.jobs import Job
from services.health.targets import Manner
from services.model.checks import CheckProtocol
from services.probe.datagrams import answer, connected
from services.probe.found import Found, unexpected


def silence_is_good(manner: Manner) -> bool:
    """Whether a server that says nothing is well."""
    return manner.kind is CheckProtocol.UDP and not manner.expect


async def look(job: Job) -> Found:
    """Send the request, which may be empty, and wait for a word."""
    manner, address, port = job.target
    expected = manner.expect.encode()
    with connected(address, port) as server:
        said = await answer(server, manner.request.encode(), lambda data: data)
    if expected not in said:
        raise unexpected(said, manner.expect)
    return Found()
