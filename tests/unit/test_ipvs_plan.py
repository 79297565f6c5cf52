# SPDX-License-Identifier: Apache-2.0
"""The planner of layer 4 reaches what is wanted with the least writes; it adds, then removes."""

from __future__ import annotations

import asyncio
from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

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
    sentence,
)
from services.plan.ipvs_planner import plan_ipvs
from tests.fakes.ipvs import FakeIpvs

WEB = ServiceKey(4, Protocol.TCP, "192.0.2.100", 80)
DNS = ServiceKey(4, Protocol.UDP, "192.0.2.100", 53)
A, B = DestKey("192.0.2.101", 80), DestKey("192.0.2.102", 80)
DR = Dest(Forwarding.DR, 100)
WLC = Service("wlc")

HOSTS = {4: "192.0.2.{}", 6: "2001:db8::{}"}
weights = st.integers(0, 3)
limits = st.integers(0, 3).flatmap(lambda upper: st.tuples(st.just(upper), st.integers(0, upper)))
encapsulations = st.sampled_from(
    [
        Encapsulation(),
        Encapsulation(Tunnel.GUE, 6080),
        Encapsulation(Tunnel.GUE, 6081, Checksum.FULL),
        Encapsulation(Tunnel.GRE),
    ]
)


@st.composite
def dests(draw: st.DrawFn, version: int) -> dict[DestKey, Dest]:
    """Up to three destinations, those of the other IP version by tunnel."""
    found = {}
    for last in draw(st.lists(st.integers(1, 3), unique=True)):
        other = draw(st.booleans())
        tunnel = other or draw(st.booleans())
        way = Forwarding.TUN if tunnel else draw(st.sampled_from([Forwarding.NAT, Forwarding.DR]))
        upper, lower = draw(limits)
        address = HOSTS[10 - version if other else version].format(last)
        wrapping = draw(encapsulations) if tunnel else Encapsulation()
        found[DestKey(address, 80)] = Dest(way, draw(weights), upper, lower, wrapping)
    return found


persistences = st.sampled_from([(0, 0), (60, 24), (60, 32), (300, 32)])
services = st.builds(
    lambda scheduler, flags, kept: Service(scheduler, flags, *kept),
    st.sampled_from(["wlc", "rr", "mh"]),
    st.sampled_from([Flags.NONE, Flags.ONE_PACKET, Flags.FALLBACK | Flags.PORT]),
    persistences,
)
keys = st.one_of(
    st.builds(
        lambda version, protocol, last: ServiceKey(
            version, protocol, HOSTS[version].format(200 + last), 80
        ),
        st.sampled_from([4, 6]),
        st.sampled_from([Protocol.TCP, Protocol.UDP]),
        st.integers(1, 2),
    ),
    st.builds(
        lambda version, mark: ServiceKey(version, Protocol.MARK, mark=mark),
        st.sampled_from([4, 6]),
        st.integers(1, 2),
    ),
)
tables: st.SearchStrategy[Table] = st.lists(keys, unique=True, max_size=4).flatmap(
    lambda found: st.fixed_dictionaries(
        {key: st.builds(Entry, services, dests(key.version)) for key in found}
    )
)
timeouts = st.sampled_from([Timeouts(), Timeouts(60, 30, 10)])
wanteds = st.builds(IpvsWanted, tables, st.none() | timeouts)
seens = st.builds(IpvsSeen, tables, timeouts)


def follow(seen: IpvsSeen, changes: tuple[IpvsChange, ...], *, refused: bool = False) -> IpvsSeen:
    """What is there after the changes, by the rules of the kernel; `refused`: some may fail."""
    fake = FakeIpvs(
        services={key: entry.service for key, entry in seen.table.items()},
        dests={key: dict(entry.dests) for key, entry in seen.table.items()},
        timeouts=seen.timeouts,
    )

    async def whole() -> IpvsSeen:
        assert await fake.write(changes) == () or refused
        found = await fake.seen()
        assert found is not None
        return found

    return asyncio.run(whole())


@given(wanteds, seens)
def test_following_the_plan_leads_to_what_is_wanted(wanted: IpvsWanted, seen: IpvsSeen) -> None:
    found = follow(seen, plan_ipvs(wanted, seen))
    assert found.table == wanted.table
    assert found.timeouts == (wanted.timeouts or seen.timeouts)


@given(tables, timeouts)
def test_what_is_as_wanted_needs_nothing(table: Table, found: Timeouts) -> None:
    assert plan_ipvs(IpvsWanted(table, found), IpvsSeen(table, found)) == ()
    assert plan_ipvs(IpvsWanted(table), IpvsSeen(table, found)) == ()


@settings(max_examples=30)
@given(wanteds, seens)
def test_no_plan_has_a_write_too_many(wanted: IpvsWanted, seen: IpvsSeen) -> None:
    changes = plan_ipvs(wanted, seen)
    for left_out in range(len(changes)):
        rest = changes[:left_out] + changes[left_out + 1 :]
        found = follow(seen, rest, refused=True)
        settled = (found.table, found.timeouts)
        assert settled != (wanted.table, wanted.timeouts or seen.timeouts)


@given(wanteds, seens)
def test_everything_comes_before_anything_goes(wanted: IpvsWanted, seen: IpvsSeen) -> None:
    changes = plan_ipvs(wanted, seen)
    goes = [isinstance(change, DropDest | DropService) for change in changes]
    assert goes == sorted(goes)


@given(wanteds, seens)
def test_every_change_has_words(wanted: IpvsWanted, seen: IpvsSeen) -> None:
    for change in plan_ipvs(wanted, seen):
        assert sentence(change)


def test_a_server_replaced_is_there_before_the_old_one_goes() -> None:
    seen = IpvsSeen({WEB: Entry(WLC, {A: DR})})
    wanted = IpvsWanted({WEB: Entry(WLC, {B: DR})})
    assert plan_ipvs(wanted, seen) == (
        PutDest(service=WEB, key=B, dest=DR),
        DropDest(service=WEB, key=A),
    )


def test_a_new_weight_writes_the_server_and_not_its_service() -> None:
    seen = IpvsSeen({WEB: Entry(WLC, {A: DR, B: DR})})
    drained = DR._replace(weight=0)
    [change] = plan_ipvs(IpvsWanted({WEB: Entry(WLC, {A: DR, B: drained})}), seen)
    assert change == PutDest(service=WEB, key=B, dest=drained, exists=True)
    assert sentence(change) == "drain 192.0.2.102:80 of tcp 192.0.2.100:80 (weight 0)"


def test_a_new_scheduler_writes_the_service_and_none_of_its_servers() -> None:
    seen = IpvsSeen({WEB: Entry(WLC, {A: DR})})
    [change] = plan_ipvs(IpvsWanted({WEB: Entry(Service("mh"), {A: DR})}), seen)
    assert change == PutService(key=WEB, service=Service("mh"), exists=True)


def test_a_service_goes_whole_with_one_write() -> None:
    seen = IpvsSeen({WEB: Entry(WLC, {A: DR, B: DR})})
    assert plan_ipvs(IpvsWanted(), seen) == (DropService(key=WEB),)


def test_what_goes_says_how_many_connections_end_with_it() -> None:
    live = {WEB: {A: Live(7, 100), B: Live(5)}, DNS: {A: Live(0, 9)}}
    table = {WEB: Entry(WLC, {A: DR, B: DR}), DNS: Entry(WLC, {A: DR})}
    seen = IpvsSeen(table, live=live)
    kept = IpvsWanted({WEB: Entry(WLC, {B: DR})})
    assert [(type(change), change.drops) for change in plan_ipvs(kept, seen)] == [
        (DropDest, 7),
        (DropService, 9),
    ]
    assert [change.drops for change in plan_ipvs(IpvsWanted(), seen)] == [12, 9]


def test_timeouts_that_nobody_asked_for_stay() -> None:
    seen = IpvsSeen(timeouts=Timeouts(1, 2, 3))
    assert plan_ipvs(IpvsWanted(), seen) == ()
    [change] = plan_ipvs(IpvsWanted(timeouts=Timeouts()), seen)
    assert change == SetTimeouts(timeouts=Timeouts())
    assert sentence(change) == "set layer 4 timeouts to TCP 900 s, closed TCP 120 s, UDP 300 s"


def test_a_large_table_with_one_difference_is_one_write() -> None:
    table = {
        ServiceKey(4, Protocol.TCP, f"10.1.{number >> 8}.{number & 255}", 80): Entry(
            WLC, {DestKey(f"10.2.0.{last}", 80): DR for last in range(1, 11)}
        )
        for number in range(1000)
    }
    wanted = table | {WEB: Entry(WLC, {A: DR})}
    seen = IpvsSeen(table | {WEB: Entry(WLC, {A: DR._replace(weight=1)})})
    assert len(plan_ipvs(IpvsWanted(wanted), seen)) == 1
    assert plan_ipvs(IpvsWanted(wanted), replace(seen, table=wanted)) == ()
