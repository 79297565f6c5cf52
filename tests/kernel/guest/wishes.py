# SPDX-License-Identifier: Apache-2.0
"""What tests want of layer 4, as the planner's values, and the way into the kernel: ours."""

from __future__ import annotations

from collections.abc import Sequence

from services.drivers.ipvs import KernelIpvs
from services.plan.ipvs import (
    IPIP,
    Dest,
    DestKey,
    Encapsulation,
    Entry,
    Forwarding,
    IpvsSeen,
    IpvsWanted,
    Live,
    Protocol,
    Service,
    ServiceKey,
    Table,
    Timeouts,
)
from services.plan.ipvs_changes import IpvsChange
from services.plan.ipvs_planner import plan_ipvs
from tests.kernel.guest.lan import VIP, rip
from tests.kernel.guest.site import PORT

RR = Service("rr")
Wished = tuple[DestKey, Dest]


def dest(
    number: int,
    weight: int = 1,
    forwarding: Forwarding = Forwarding.DR,
    *,
    version: int = 4,
    port: int = PORT,
    upper: int = 0,
    lower: int = 0,
    encapsulation: Encapsulation = IPIP,
) -> Wished:
    """Real server `number` as a destination."""
    how = Dest(forwarding, weight, upper, lower, encapsulation)
    return DestKey(rip(number, version), port), how


def key(version: int = 4, protocol: Protocol = Protocol.TCP, port: int = PORT) -> ServiceKey:
    """The service at the VIP."""
    return ServiceKey(version, protocol, VIP[version], port)


def service(
    *dests: Wished,
    settings: Service = RR,
    version: int = 4,
    protocols: Sequence[Protocol] = (Protocol.TCP,),
) -> Table:
    """One service at the VIP for each protocol."""
    return {key(version, each): Entry(settings, dict(dests)) for each in protocols}


async def follow(table: Table, timeouts: Timeouts | None = None) -> tuple[IpvsChange, ...]:
    """Make the kernel's table like this as the agent does; what had to be changed for it."""
    wanted, ipvs = IpvsWanted(table, timeouts), KernelIpvs()
    changes = plan_ipvs(wanted, await seen())
    assert await ipvs.write(changes) == ()
    assert plan_ipvs(wanted, await seen()) == ()
    return changes


async def seen() -> IpvsSeen:
    """The kernel's table."""
    found = await KernelIpvs().seen()
    assert found is not None
    return found


async def live(number: int, service_key: ServiceKey | None = None) -> Live:
    """What real server `number` carries now."""
    of_service = (await seen()).live[service_key or key()]
    return next(now for dest_key, now in of_service.items() if dest_key.address == rip(number))
