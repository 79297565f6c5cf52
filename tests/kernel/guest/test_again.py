# SPDX-License-Identifier: Apache-2.0
"""An agent that starts over a table that carries traffic disturbs none of it."""

from __future__ import annotations

from services.drivers.ipvs import KernelIpvs
from services.plan.ipvs import Dest, DestKey, Forwarding, Service
from services.plan.ipvs_changes import PutDest, PutService
from tests.kernel.guest.calls import Call
from tests.kernel.guest.hands import by_hand, ipvsadm
from tests.kernel.guest.lan import rip
from tests.kernel.guest.site import PORT, Site, on_site
from tests.kernel.guest.wishes import dest, follow, key, live, service
from tests.poll import eventually_async

TWO = (dest(1), dest(2))


async def counted() -> dict[int, int]:
    """Connections that each server was given."""
    found = (await KernelIpvs().statistics())[key()].dests
    numbers = {dest(number)[0]: number for number in (1, 2, 3)}
    return {numbers[each]: counters.connections for each, counters in found.items()}


async def counted_four(site: Site) -> list[Call]:
    """Four connections, two at each server, that the counters show; they lag by two seconds."""
    calls = [await site.call() for _ in range(4)]
    await eventually_async(counted, lambda found: found == {1: 2, 2: 2})
    return calls


@on_site()
async def test_the_same_again_changes_nothing_and_interrupts_nobody(site: Site) -> None:
    await follow(service(*TWO))
    calls = await counted_four(site)
    assert await follow(service(*TWO)) == ()
    assert await counted() == {1: 2, 2: 2}
    for call in calls:
        await call.echo()


@on_site()
async def test_one_change_leaves_the_counters_of_everything(site: Site) -> None:
    await follow(service(*TWO))
    calls = await counted_four(site)
    changed = service(dest(1, 5), dest(2), dest(3), settings=Service("wrr"))
    changes = await follow(changed)
    assert [type(each) for each in changes] == [PutService, PutDest, PutDest]
    assert await counted() == {1: 2, 2: 2, 3: 0}
    for call in calls:
        await call.echo()


@on_site()
async def test_what_a_person_did_is_undone_around_what_runs(site: Site) -> None:
    await follow(service(*TWO))
    first, second = await site.call(), await site.call()
    stranger = DestKey(rip(3), PORT)
    by_hand(PutDest(service=key(), key=stranger, dest=Dest(Forwarding.DR, 100)))
    ipvsadm("-A", "-t", "198.51.100.1:443")
    changes = await follow(service(*TWO))
    assert len(changes) == 2
    for call in (first, second):
        await call.echo()
    assert (await live(1)).active == (await live(2)).active == 1
    assert {(await site.answer()).server for _ in range(4)} == {"web1", "web2"}
