# SPDX-License-Identifier: Apache-2.0
"""Questions over UDP.

The socket is connected, so the kernel hands over only what the server asked sends, and tells
when its machine refuses (udp(7)). With IP_RECVERR it tells of a dead way as well, which is
otherwise indistinguishable from silence.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from ipaddress import ip_address
from typing import TypeVar

AGAIN_S = 1.0
"""A question without an answer is asked again after this time: one lost packet says nothing."""

LARGEST = 1 << 16

_IP_RECVERR = 11
_IPV6_RECVERR = 25
"""linux/in.h, linux/in6.h; Python has no names for them."""

_Answer = TypeVar("_Answer")


@contextmanager
def connected(address: str, port: int) -> Iterator[socket.socket]:
    """A socket for this server alone; raises `OSError`."""
    six = ip_address(address).version == 6
    with socket.socket(socket.AF_INET6 if six else socket.AF_INET, socket.SOCK_DGRAM) as made:
        made.settimeout(0)
        if six:
            made.setsockopt(socket.IPPROTO_IPV6, _IPV6_RECVERR, 1)
        else:
            made.setsockopt(socket.IPPROTO_IP, _IP_RECVERR, 1)
        made.connect((address, port))
        yield made


async def answer(
    to: socket.socket, question: bytes, understood: Callable[[bytes], _Answer | None]
) -> _Answer:
    """What `understood` makes of the first datagram it makes something of.

    Others are passed over: they may be late answers to an earlier question. Raises `OSError`.
    """
    loop = asyncio.get_running_loop()
    while True:
        to.send(question)  # a datagram goes whole or not at all, and an empty one goes as well
        try:
            async with asyncio.timeout(AGAIN_S):
                while True:
                    found = understood(await loop.sock_recv(to, LARGEST))
                    if found is not None:
                        return found
        except TimeoutError:
            continue
