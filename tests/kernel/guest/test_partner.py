# SPDX-License-Identifier: Apache-2.0
"""A second appliance hears of connections, and carries them on when the first is gone."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable
from contextlib import ExitStack
from typing import Any

from services.drivers.announce import Announcer
from services.drivers.ipvs import KernelIpvs
from services.drivers.ipvs_sync import Role, SyncDaemon
from services.plan.state import AddressKey, Device
from tests.kernel.guest.lan import PARTNER, VIP, carry_vips, hardware
from tests.kernel.guest.site import Site, on_site
from tests.kernel.guest.wishes import dest, follow, live, service
from tests.netns import Namespace
from tests.poll import eventually_async

SYNC_ID = 5
NAME = "lb2"


async def at(machine: Namespace, question: Callable[[], Awaitable[Any]]) -> Any:
    """Ask in another machine: our driver works where its thread was born."""
    answers: list[Any] = []

    async def asked() -> None:
        answers.append(await question())

    with machine.entered():
        there = threading.Thread(target=lambda: asyncio.run(asked()), daemon=True)
        there.start()
    await asyncio.to_thread(there.join, 20)
    [answer] = answers
    return answer


async def taken_over() -> None:
    """Have the VIPs, and say so: the router knows where they were."""
    carry_vips()
    card = Device("eth0", up=True, carrier=True, mac=hardware(NAME), mtu=1500)
    announcer = Announcer(lambda: {"eth0": card})
    await announcer.announce([AddressKey("eth0", f"{VIP[4]}/32")])
    await announcer.aclose()


@on_site()
async def test_connections_outlive_the_appliance_that_took_them(site: Site) -> None:
    table = service(dest(1), dest(2))
    partner = Namespace()
    with ExitStack() as left:
        with partner.entered():
            site.lan.plug_in(partner.path, NAME, PARTNER)
        left.callback(site.lan.unplug, NAME)
        await at(partner, lambda: follow(table))
        backup = SyncDaemon(Role.BACKUP, "eth0", SYNC_ID)
        await at(partner, lambda: KernelIpvs().start_daemon(backup))
        await KernelIpvs().start_daemon(SyncDaemon(Role.MASTER, "eth0", SYNC_ID))
        await follow(table)

        call = await site.call()
        number = int(call.server.removeprefix("web"))

        async def known() -> int:
            await call.echo()
            return int((await at(partner, lambda: live(number))).active)

        await eventually_async(known)
        await KernelIpvs().stop_daemon(Role.MASTER)
        site.unplug()
        await at(partner, taken_over)
        await call.echo()
        assert (await at(partner, lambda: live(number))).active == 1
        await at(partner, lambda: KernelIpvs().stop_daemon(Role.BACKUP))
        assert await at(partner, lambda: KernelIpvs().daemons()) == ()
