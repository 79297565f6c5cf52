# SPDX-License-Identifier: Apache-2.0
"""mh and its table: weights that ask for more places than it has leave servers out, ours do not."""

from __future__ import annotations

import socket
from itertools import accumulate

from services.check import mh
from services.drivers.ipvs import KernelIpvs
from services.health.shares import Shares
from services.model import Document, Forwarding
from services.model.layer4 import Protocol
from services.plan.ipvs import Entry, Table
from services.render.ipvs import ipvs_wanted
from tests.kernel.guest.lan import CLIENTS, VIP, rip
from tests.kernel.guest.site import PORT, Site, on_site
from tests.kernel.guest.test_nat import document, service
from tests.kernel.guest.wishes import follow
from tests.poll import eventually_async

SERVERS = 90
CLIENT_PORTS = 1500
"""So many that each server with a place is met: one in 10,000 runs would miss one."""
SHARES: Shares = {(1, number): 99 for number in range(1, SERVERS + 1, 2)}
"""Every other server asks for a little less: 100 and 99 have nothing in common."""


def fleet() -> Document:
    """Ninety servers, which are ports of one machine, with feedback agents."""
    servers = [
        {"id": number, "label": f"web{number}", "address": rip(1), "port": 8000 + number}
        for number in range(1, SERVERS + 1)
    ]
    hashed = {"protocol": Protocol.UDP, "scheduler": "mh", "hash_port": True, "persistence_s": 0}
    check = {"feedback": "agent"}
    return document(services=(service(4, Forwarding.NAT, servers=servers, check=check, **hashed),))


def as_asked(table: Table) -> Table:
    """The same with the weights that the shares come to by themselves."""
    return {
        key: Entry(
            entry.service,
            {
                place: dest._replace(weight=99 + place.port % 2)
                for place, dest in entry.dests.items()
            },
        )
        for key, entry in table.items()
    }


async def met(site: Site, table: Table, client: str) -> int:
    """How many servers get anything from so many ports of a client."""
    await follow({})
    await follow(table)
    with site.lan.clients.entered():
        for number in range(CLIENT_PORTS):
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as talk:
                talk.bind((client, 10_000 + number))
                talk.sendto(b"?", (VIP[4], PORT))

    async def given() -> list[int]:
        [found] = (await KernelIpvs().statistics()).values()
        return [counters.connections for counters in found.dests.values()]

    counted = await eventually_async(given, lambda found: sum(found) == CLIENT_PORTS)
    return sum(1 for each in counted if each)


@on_site(through=True)
async def test_every_server_has_a_place_whatever_the_shares(site: Site) -> None:
    table = ipvs_wanted(fleet(), SHARES).table
    asked = as_asked(table)
    [entry] = asked.values()
    turns = accumulate(mh.turns([dest.weight for dest in entry.dests.values()]))
    placed = 1 + sum(1 for taken in turns if taken < mh.PLACES)
    assert placed < SERVERS
    assert await met(site, asked, CLIENTS[4][0]) == placed, "so it is without our weights"
    assert await met(site, table, CLIENTS[4][1]) == SERVERS
