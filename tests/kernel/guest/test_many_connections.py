# SPDX-License-Identifier: Apache-2.0
"""More connections than the kernel can list in the time that a look may take.

They come as a partner would tell of them: a sync daemon takes 38 out of each message.
"""

from __future__ import annotations

import asyncio
import socket
import struct
import time

from services.agent.reports import current_connections
from services.api_reports import ConnectionQuery
from services.drivers.ipvs import KernelIpvs
from services.drivers.ipvs_conn import KernelConnections
from services.drivers.ipvs_sync import Role, SyncDaemon
from services.model import Document
from services.render.ipvs import ipvs_wanted
from tests.kernel.guest.wishes import follow
from tests.netns import inside, ip
from tests.poll import eventually_async

ENTRIES = 40_000
BUDGET_S = 0.3
OWN, VIP, RIP, GROUP, PORT = "192.0.2.1", "192.0.2.10", "192.0.2.11", "224.0.0.81", 8848
ESTABLISHED, TCP = 1, 6
EACH = 38
WHOLE = Document.model_validate(
    {
        "cluster": {
            "layer4": [
                {
                    "id": 1,
                    "label": "shop",
                    "addresses": [VIP],
                    "persistence_s": 0,
                    "forwarding": "nat",
                    "servers": [{"id": 1, "label": "web1", "address": RIP}],
                }
            ]
        }
    }
)
# struct ip_vs_sync_mesg and ip_vs_sync_v4 of net/netfilter/ipvs/ip_vs_sync.c
_MESSAGE = struct.Struct("!BBHBbH")
_ENTRY = struct.Struct("!BBHIHHHHII4s4s4s")


def message(first: int) -> bytes:
    """The connections of clients number `first` and those after it."""
    vip, rip = socket.inet_aton(VIP), socket.inet_aton(RIP)
    entries = b"".join(
        _ENTRY.pack(
            *(0, TCP, _ENTRY.size, 0, ESTABLISHED, 40_000, 80, 80, 0, 600),
            *(struct.pack("!I", 0x0A000001 + number), vip, rip),
        )
        for number in range(first, first + EACH)
    )
    return _MESSAGE.pack(0, 0, _MESSAGE.size + len(entries), EACH, 1, 0) + entries


async def told(count: int) -> None:
    """Tell the kernel of so many connections."""
    ip("link set lo multicast on", f"addr add {OWN}/24 dev lo", "route add 224.0.0.0/4 dev lo")
    await KernelIpvs().start_daemon(SyncDaemon(Role.BACKUP, "lo", group=GROUP, port=PORT))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as partner:
        partner.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton(OWN))
        for sent, first in enumerate(range(0, count, EACH)):
            partner.sendto(message(first), (GROUP, PORT))
            if sent % 32 == 0:  # what does not fit into the daemon's buffer is lost
                await asyncio.sleep(0.02)


async def in_turn() -> None:
    await follow(ipvs_wanted(WHOLE).table)
    await told(ENTRIES)

    async def carried() -> int:
        [now] = (await KernelIpvs().statistics()).values()
        return sum(live.active + live.inactive for live in now.live.values())

    carries = await eventually_async(carried, lambda found: found > ENTRIES / 2)
    table = KernelConnections(budget_s=BUDGET_S)
    begun, answers = time.monotonic(), 0
    reading = asyncio.create_task(current_connections(WHOLE, ConnectionQuery(), table))
    while not reading.done():
        await carried()
        answers += 1
        await asyncio.sleep(0.01)
    found = reading.result()
    assert time.monotonic() - begun < BUDGET_S + 2
    assert answers > 1, "others are answered meanwhile"
    assert not found.whole
    assert 0 < found.read < carries
    assert {row.server for row in found.rows} == {"web1"}
    assert found.notes[0].startswith("A random part of the entries")


def test_a_list_that_would_take_too_long_ends_in_time_and_says_so() -> None:
    inside(in_turn)
