# SPDX-License-Identifier: Apache-2.0
"""What every `Ipvs` does, in memory and in the kernel.

Each case is a coroutine that gets an empty table. The kernel's half runs in the guest, which
has IPVS (`tests/kernel/guest/test_ipvs_contract.py`), each case in a network namespace of its
own; there the hands of a person are ipvsadm, so that what one of the two writes the other reads.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import pytest

from services.drivers.ipvs import Ipvs
from services.drivers.ipvs_proc import sketched
from services.drivers.ipvs_sync import Role, SyncDaemon
from services.drivers.ipvs_wire import Counters
from services.errors import Unable
from services.plan.ipvs import (
    Checksum,
    Dest,
    DestKey,
    Encapsulation,
    Entry,
    Flags,
    Forwarding,
    IpvsSeen,
    IpvsWanted,
    Live,
    Protocol,
    Service,
    ServiceKey,
    Table,
    Timeouts,
    Tunnel,
)
from services.plan.ipvs_changes import (
    DropDest,
    DropService,
    IpvsChange,
    PutDest,
    PutService,
    SetTimeouts,
)
from services.plan.ipvs_planner import plan_ipvs
from tests.cases import Case, Cases
from tests.fakes.ipvs import FakeIpvs

WEB = ServiceKey(4, Protocol.TCP, "192.0.2.100", 80)
DNS = ServiceKey(4, Protocol.UDP, "192.0.2.100", 53)
WEB6 = ServiceKey(6, Protocol.TCP, "2001:db8::100", 80)
MARK = ServiceKey(4, Protocol.MARK, mark=7)
MARK6 = ServiceKey(6, Protocol.MARK, mark=7)
ONE, TWO = DestKey("192.0.2.101", 80), DestKey("192.0.2.102", 80)
ONE6 = DestKey("2001:db8::101", 80)
DR = Dest(Forwarding.DR, 100)
WLC = Service("wlc")

EVERYTHING: Table = {
    WEB: Entry(
        Service("wlc", persistence_s=300, granularity=24),
        {
            ONE: Dest(Forwarding.DR, 100, upper=50, lower=10),
            TWO: Dest(Forwarding.DR, 0),
            DestKey("192.0.2.103", 8080): Dest(Forwarding.NAT, 65535),
        },
    ),
    DNS: Entry(
        Service("rr", Flags.ONE_PACKET), {DestKey("192.0.2.101", 53): Dest(Forwarding.NAT, 1)}
    ),
    WEB6: Entry(
        Service("mh", Flags.FALLBACK, persistence_s=60, granularity=64),
        {
            ONE6: DR,
            DestKey("2001:db8::102", 80): Dest(Forwarding.TUN, 1),
            DestKey("192.0.2.101", 80): Dest(Forwarding.TUN, 2),
        },
    ),
    ServiceKey(4, Protocol.TCP, "192.0.2.100", 443): Entry(
        Service("sh", Flags.FALLBACK | Flags.PORT),
        {
            DestKey("192.0.2.101", 443): Dest(
                Forwarding.TUN, 1, encapsulation=Encapsulation(Tunnel.GUE, 6080, Checksum.FULL)
            ),
            DestKey("192.0.2.102", 443): Dest(
                Forwarding.TUN, 1, encapsulation=Encapsulation(Tunnel.GUE, 6081, Checksum.REMOTE)
            ),
            DestKey("192.0.2.103", 443): Dest(
                Forwarding.TUN, 1, encapsulation=Encapsulation(Tunnel.GRE)
            ),
            DestKey("2001:db8::101", 443): Dest(Forwarding.TUN, 1),
        },
    ),
    ServiceKey(4, Protocol.SCTP, "192.0.2.100", 3868): Entry(Service("nq")),
    MARK: Entry(WLC, {DestKey("192.0.2.101", 0): DR}),
    MARK6: Entry(
        Service("rr", persistence_s=10, granularity=128), {DestKey("2001:db8::101", 0): DR}
    ),
}
"""Something of all that the model can ask for."""


@dataclass
class World:
    """A table, and the hands of a person at the same machine."""

    ipvs: Ipvs
    by_hand: Callable[[IpvsChange], object]


case: Cases[World] = Cases()


@case.each
async def test_in_memory(case: Case[World]) -> None:
    fake = FakeIpvs()
    await case(World(fake, fake.by_hand))


async def looked(world: World) -> IpvsSeen:
    seen = await world.ipvs.seen()
    assert seen is not None
    return seen


async def follow(world: World, table: Table) -> None:
    changes = plan_ipvs(IpvsWanted(table), await looked(world))
    assert await world.ipvs.write(changes) == ()


async def refusals(world: World, *changes: IpvsChange) -> list[tuple[str, str]]:
    """What is told of changes, all of which are refused and change nothing."""
    before = await looked(world)
    told = await world.ipvs.write(changes)
    assert [each.change for each in told] == list(changes)
    assert await looked(world) == before
    return [(each.what, each.do) for each in told]


@case
async def a_new_table_is_empty(world: World) -> None:
    assert await looked(world) == IpvsSeen()
    assert await world.ipvs.glance() == frozenset()
    assert await world.ipvs.statistics() == {}
    assert await world.ipvs.write([]) == ()


@case
async def everything_that_can_be_wanted_is_seen_as_it_was_written(world: World) -> None:
    await follow(world, EVERYTHING)
    seen = await looked(world)
    assert seen.table == EVERYTHING
    assert plan_ipvs(IpvsWanted(EVERYTHING), seen) == ()


@case
async def what_a_person_writes_is_seen(world: World) -> None:
    for change in plan_ipvs(IpvsWanted(EVERYTHING), IpvsSeen()):
        world.by_hand(change)
    assert (await looked(world)).table == EVERYTHING


@case
async def a_glance_shows_the_sketch_of_the_table(world: World) -> None:
    await follow(world, EVERYTHING)
    assert await world.ipvs.glance() == sketched(EVERYTHING)


@case
async def a_glance_shows_whatever_a_person_adds_removes_moves_or_weighs(world: World) -> None:
    await follow(world, EVERYTHING)
    entry = EVERYTHING[WEB]
    persistent = entry.service
    for there, back in (
        (
            PutService(key=WEB._replace(port=81), service=WLC),
            DropService(key=WEB._replace(port=81)),
        ),
        (PutService(key=WEB, service=persistent._replace(scheduler="rr"), exists=True), None),
        (PutService(key=WEB, service=WLC, exists=True), None),
        (DropDest(service=WEB, key=ONE), None),
        (PutDest(service=WEB, key=TWO, dest=Dest(Forwarding.DR, 1), exists=True), None),
        (PutDest(service=WEB, key=TWO, dest=Dest(Forwarding.NAT, 0), exists=True), None),
        (DropService(key=MARK), None),
    ):
        world.by_hand(there)
        assert await world.ipvs.glance() != sketched(EVERYTHING), there
        if back is not None:
            world.by_hand(back)
        await follow(world, EVERYTHING)
        assert await world.ipvs.glance() == sketched(EVERYTHING)


@case
async def every_setting_of_a_service_can_change(world: World) -> None:
    for service in (
        WLC,
        Service("sh"),
        Service("sh", Flags.FALLBACK),
        Service("sh", Flags.PORT, persistence_s=300, granularity=32),
        Service("rr", persistence_s=60, granularity=8),
        Service("rr", Flags.ONE_PACKET),
        WLC,
    ):
        await follow(world, {WEB: Entry(service, {ONE: DR})})
        assert (await looked(world)).table[WEB].service == service


@case
async def every_setting_of_a_destination_can_change(world: World) -> None:
    for dest in (
        DR,
        Dest(Forwarding.DR, 0),
        Dest(Forwarding.DR, 7, upper=5, lower=2),
        Dest(Forwarding.NAT, 7),
        Dest(Forwarding.TUN, 7),
        Dest(Forwarding.TUN, 7, encapsulation=Encapsulation(Tunnel.GUE, 6080)),
        Dest(Forwarding.TUN, 7, encapsulation=Encapsulation(Tunnel.GRE, checksum=Checksum.FULL)),
        DR,
    ):
        await follow(world, {WEB: Entry(WLC, {ONE: dest})})
        assert (await looked(world)).table[WEB].dests == {ONE: dest}


@case
async def what_is_no_longer_wanted_goes_and_the_rest_stays(world: World) -> None:
    await follow(world, EVERYTHING)
    fewer = {key: entry for key, entry in EVERYTHING.items() if key not in {WEB6, MARK}}
    fewer[WEB] = replace(EVERYTHING[WEB], dests={TWO: DR})
    await follow(world, fewer)
    assert (await looked(world)).table == fewer


@case
async def both_families_may_have_the_same_mark(world: World) -> None:
    await follow(world, {MARK: Entry(WLC), MARK6: Entry(WLC)})
    assert await world.ipvs.write([DropService(key=MARK)]) == ()
    assert set((await looked(world)).table) == {MARK6}


@case
async def many_come_and_go_in_one_batch(world: World) -> None:
    many = {
        WEB._replace(port=port): Entry(
            WLC, {DestKey(f"192.0.2.{last}", port): DR for last in range(1, 6)}
        )
        for port in range(1000, 1050)
    }
    await follow(world, many)
    assert (await looked(world)).table == many
    assert await world.ipvs.glance() == sketched(many)
    await follow(world, {})
    assert (await looked(world)).table == {}


@case
async def adding_what_is_there_makes_it_as_wanted(world: World) -> None:
    world.by_hand(PutService(key=WEB, service=Service("rr")))
    world.by_hand(PutDest(service=WEB, key=ONE, dest=Dest(Forwarding.NAT, 1)))
    assert (
        await world.ipvs.write(
            [PutService(key=WEB, service=WLC), PutDest(service=WEB, key=ONE, dest=DR)]
        )
        == ()
    )
    assert (await looked(world)).table == {WEB: Entry(WLC, {ONE: DR})}


@case
async def changing_what_is_gone_makes_it(world: World) -> None:
    assert (
        await world.ipvs.write(
            [
                PutService(key=WEB, service=WLC, exists=True),
                PutService(key=WEB6, service=WLC),
                PutDest(service=WEB6, key=ONE6, dest=DR, exists=True),
            ]
        )
        == ()
    )
    assert (await looked(world)).table == {WEB: Entry(WLC), WEB6: Entry(WLC, {ONE6: DR})}


@case
async def removing_what_is_not_there_is_success(world: World) -> None:
    assert await world.ipvs.write([DropDest(service=WEB, key=ONE), DropService(key=WEB)]) == ()
    await follow(world, {WEB: Entry(WLC)})
    assert await world.ipvs.write([DropDest(service=WEB, key=ONE)]) == ()
    assert (await looked(world)).table == {WEB: Entry(WLC)}


@case
async def a_refusal_in_the_middle_stops_none_of_the_others(world: World) -> None:
    bad = PutService(key=WEB6, service=Service("nosuch"))
    told = await world.ipvs.write(
        [
            PutService(key=WEB, service=WLC),
            bad,
            PutDest(service=WEB6, key=ONE6, dest=DR),
            PutDest(service=WEB, key=ONE, dest=DR),
        ]
    )
    assert [each.change for each in told] == [bad, PutDest(service=WEB6, key=ONE6, dest=DR)]
    assert (await looked(world)).table == {WEB: Entry(WLC, {ONE: DR})}


@case
async def a_scheduler_that_the_kernel_lacks_is_named(world: World) -> None:
    await follow(world, {WEB6: Entry(WLC)})
    told = await refusals(
        world,
        PutService(key=WEB, service=Service("nosuch")),
        PutService(key=WEB6, service=Service("nosuch"), exists=True),
    )
    assert told == [
        (
            f"Layer 4 service {what}: the kernel has no scheduler nosuch.",
            "Load its module (modprobe ip_vs_nosuch), or choose another.",
        )
        for what in (
            "tcp 192.0.2.100:80 cannot be added",
            "tcp [2001:db8::100]:80 cannot be changed",
        )
    ]


@case
async def a_destination_without_its_service_is_refused(world: World) -> None:
    told = await refusals(
        world,
        PutDest(service=WEB, key=ONE, dest=DR),
        PutDest(service=WEB, key=ONE, dest=DR, exists=True),
    )
    assert {what.partition(": ")[2] for what, _ in told} == {"its service is not there."}


@case
async def limits_and_weights_out_of_range_are_refused(world: World) -> None:
    await follow(world, {WEB: Entry(WLC)})
    told = await refusals(
        world,
        PutDest(service=WEB, key=ONE, dest=Dest(Forwarding.DR, 1, upper=5, lower=6)),
        PutDest(service=WEB, key=ONE, dest=Dest(Forwarding.DR, 1, upper=0, lower=1)),
        PutDest(service=WEB, key=ONE, dest=Dest(Forwarding.DR, -1)),
    )
    where = "192.0.2.101:80 of tcp 192.0.2.100:80 cannot be added: "
    lower = "the lower limit of {} connections is above the upper one."
    assert told == [
        (where + lower.format(6), "Write 5 at most."),
        (where + lower.format(1), "Write 0 at most."),
        (where + "it cannot have weight -1.", "Write a weight from 0 on."),
    ]


@case
async def servers_of_the_other_ip_version_are_reached_by_tunnel_only(world: World) -> None:
    await follow(world, {WEB: Entry(WLC), WEB6: Entry(WLC)})
    for way in (Forwarding.DR, Forwarding.NAT):
        [(what, do), _] = await refusals(
            world,
            PutDest(service=WEB, key=ONE6, dest=Dest(way, 1)),
            PutDest(service=WEB6, key=ONE, dest=Dest(way, 1)),
        )
        assert what.endswith("an IPv4 service reaches IPv6 servers by tunnel only.")
        assert do == "Choose TUN, or give the server an IPv4 address."


@case
async def what_is_no_address_of_one_host_is_refused(world: World) -> None:
    await follow(world, {WEB: Entry(WLC), WEB6: Entry(WLC)})
    told = await refusals(
        world,
        *(
            PutDest(service=WEB, key=DestKey(address, 80), dest=DR)
            for address in ("224.0.0.1", "0.0.0.0")
        ),
        *(
            PutDest(service=WEB6, key=DestKey(address, 80), dest=DR)
            for address in ("ff02::1", "::", "fe80::1")
        ),
    )
    assert all(what.endswith("is not the address of one host.") for what, _ in told)


@case
async def a_gue_tunnel_needs_its_port(world: World) -> None:
    await follow(world, {WEB: Entry(WLC)})
    gue = Dest(Forwarding.TUN, 1, encapsulation=Encapsulation(Tunnel.GUE))
    [(what, do)] = await refusals(world, PutDest(service=WEB, key=ONE, dest=gue))
    assert what.endswith(": a GUE tunnel ends at a port.")
    assert do == "Write its port, 6080 as a rule."


@case
async def persistence_of_no_bits_is_refused_for_ipv6(world: World) -> None:
    for prefix in (0, 129):
        service = Service("rr", persistence_s=60, granularity=prefix)
        [(what, _)] = await refusals(world, PutService(key=WEB6, service=service))
        assert what.endswith(f": it cannot keep clients by /{prefix}.")


@case
async def schedulers_it_lacks_are_told_and_nothing_stays_of_the_asking(world: World) -> None:
    await follow(world, EVERYTHING)
    before = await looked(world)
    assert await world.ipvs.lacking(["wlc", "mh", "nonesuch", "rr", "other"]) == {
        "nonesuch",
        "other",
    }
    assert await world.ipvs.lacking([]) == frozenset()
    assert (await looked(world)).table == before.table


@case
async def a_service_as_it_is_asked_about_schedulers_with_is_never_made(world: World) -> None:
    key, unfit = ServiceKey(6, Protocol.MARK, mark=2**32 - 1), Service("rr", persistence_s=1)
    [(what, _)] = await refusals(world, PutService(key=key, service=unfit))
    assert what.endswith(": it cannot keep clients by /0.")
    # before that it is looked for its scheduler
    unknown = unfit._replace(scheduler="nonesuch")
    [(what, _)] = await refusals(world, PutService(key=key, service=unknown))
    assert what.endswith(": the kernel has no scheduler nonesuch.")


@case
async def timeouts_are_set_and_what_is_too_long_is_refused(world: World) -> None:
    assert await world.ipvs.write([SetTimeouts(timeouts=Timeouts(901, 121, 301))]) == ()
    assert (await looked(world)).timeouts == Timeouts(901, 121, 301)
    told = await refusals(world, SetTimeouts(timeouts=Timeouts(2**31, 120, 300)))
    assert told == [
        (
            "The layer 4 timeouts cannot be set: one is longer than the kernel counts.",
            "Write 2147483 s at most.",
        )
    ]


@case
async def statistics_name_everything_and_begin_at_nothing(world: World) -> None:
    await follow(world, EVERYTHING)
    found = await world.ipvs.statistics()
    assert found.keys() == EVERYTHING.keys()
    for key, entry in EVERYTHING.items():
        assert found[key].counters == Counters()
        assert found[key].dests == dict.fromkeys(entry.dests, Counters())
        assert found[key].live == dict.fromkeys(entry.dests, Live())
    live: Mapping[ServiceKey, Mapping[DestKey, Live]] = (await looked(world)).live
    assert live == {key: dict.fromkeys(entry.dests, Live()) for key, entry in EVERYTHING.items()}


@case
async def counters_of_all_or_of_one_service_are_zeroed(world: World) -> None:
    await follow(world, {WEB: Entry(WLC)})
    await world.ipvs.zero()
    await world.ipvs.zero(WEB)
    with pytest.raises(
        Unable, match=r"counters of tcp .*::100.*:80 cannot be zeroed: there is none"
    ):
        await world.ipvs.zero(WEB6)


@case
async def a_flush_leaves_nothing(world: World) -> None:
    await follow(world, EVERYTHING)
    await world.ipvs.flush()
    assert (await looked(world)).table == {}
    await world.ipvs.flush()


@case
async def sync_daemons_of_both_roles_start_and_stop(world: World) -> None:
    master = SyncDaemon(Role.MASTER, "lo", 7, max_length=1400)
    backup = SyncDaemon(Role.BACKUP, "lo", 7, "ff02::81", 8849, 2, 1300)
    assert await world.ipvs.daemons() == ()
    await world.ipvs.start_daemon(master)
    assert await world.ipvs.daemons() == (master,)
    await world.ipvs.start_daemon(backup)
    assert await world.ipvs.daemons() == (master, backup)
    await world.ipvs.stop_daemon(Role.MASTER)
    await world.ipvs.stop_daemon(Role.MASTER)
    assert await world.ipvs.daemons() == (backup,)
    await world.ipvs.stop_daemon(Role.BACKUP)
    assert await world.ipvs.daemons() == ()


@case
async def a_sync_daemon_chooses_the_length_of_its_messages(world: World) -> None:
    await world.ipvs.start_daemon(SyncDaemon(Role.MASTER, "lo"))
    [running] = await world.ipvs.daemons()
    assert running == SyncDaemon(Role.MASTER, "lo", max_length=1472)
    await world.ipvs.stop_daemon(Role.MASTER)


@case
async def a_sync_daemon_that_cannot_run_is_refused(world: World) -> None:
    with pytest.raises(Unable, match="its card does not exist"):
        await world.ipvs.start_daemon(SyncDaemon(Role.MASTER, "eth9"))
    await world.ipvs.start_daemon(SyncDaemon(Role.MASTER, "lo"))
    with pytest.raises(Unable, match=r"\(master\) cannot be started: one runs already\. Stop it"):
        await world.ipvs.start_daemon(SyncDaemon(Role.MASTER, "lo"))
    await world.ipvs.stop_daemon(Role.MASTER)


@case
async def two_ip_versions_in_a_service_cannot_be_synchronised(world: World) -> None:
    tunnel = PutDest(service=WEB, key=ONE6, dest=Dest(Forwarding.TUN, 1))
    await follow(world, {WEB: Entry(WLC)})
    await world.ipvs.start_daemon(SyncDaemon(Role.BACKUP, "lo"))
    [(what, _)] = await refusals(world, tunnel)
    assert what.endswith("two IP versions cannot be synchronised with a partner.")
    await world.ipvs.stop_daemon(Role.BACKUP)
    assert await world.ipvs.write([tunnel]) == ()
    with pytest.raises(Unable, match="services and servers of two IP versions"):
        await world.ipvs.start_daemon(SyncDaemon(Role.BACKUP, "lo"))


@case
async def the_kernel_tells_its_version_and_its_table_of_connections(world: World) -> None:
    version, chains = await world.ipvs.info()
    assert version == "1.2.1"
    assert chains.bit_count() == 1
    assert chains >= 1 << 8
