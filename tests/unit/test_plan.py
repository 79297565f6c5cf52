# SPDX-License-Identifier: Apache-2.0
"""The planner reaches what is wanted, asks for nothing more, and makes before it breaks."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from services.plan.changes import (
    AddAddress,
    DropAddress,
    Effect,
    EndStrays,
    ReloadHaproxy,
    SetServer,
    SetSysctls,
    StartHaproxy,
    WriteFile,
)
from services.plan.planner import plan
from services.plan.state import (
    AddressKey,
    Device,
    File,
    HaproxySeen,
    HaproxyWanted,
    LinksSeen,
    LinksWanted,
    Seen,
    ServerKnobs,
    Wanted,
)
from services.plan.words import sentence
from tests.pretend import after, settled

DEVICES = ("eth0", "eth1")
keys = st.builds(
    AddressKey,
    st.sampled_from(DEVICES),
    st.integers(1, 6).map(lambda last: f"192.0.2.{last}/32"),
)
gateways = st.dictionaries(st.sampled_from([4, 6]), st.sampled_from(["192.0.2.254", "192.0.2.253"]))
knobs = st.builds(ServerKnobs, st.integers(0, 2), halted=st.booleans())
servers = st.dictionaries(st.tuples(st.integers(1, 3), st.integers(1, 3)), knobs)
configs = st.sampled_from([b"one", b"two"])
settings = st.sampled_from([f"net/{letter}" for letter in "abcdef"])
mtus = st.sampled_from([1500, 9000])

wanteds = st.builds(
    Wanted,
    haproxy=st.builds(
        HaproxyWanted,
        config=configs.map(lambda data: File("/run/haproxy.cfg", data)),
        fingerprint=st.sampled_from(["a", "b"]),
        servers=servers,
        running=st.booleans(),
    ),
    links=st.builds(
        LinksWanted,
        addresses=st.dictionaries(keys, st.booleans()),
        gateways=gateways,
        mtu=st.dictionaries(st.sampled_from(DEVICES), mtus),
    ),
    files=st.sampled_from([(), (File("/etc/hosts", b"h"), File("/etc/resolv.conf", b"r"))]),
    hostname=st.sampled_from(["lbmaster", "lb2"]),
    sysctls=st.dictionaries(settings, st.sampled_from(["0", "1"])),
)


def device(name: str) -> st.SearchStrategy[Device]:
    return mtus.map(lambda mtu: Device(name, up=True, carrier=True, mac="", mtu=mtu))


devices = st.fixed_dictionaries({name: device(name) for name in DEVICES})
seens = st.builds(
    Seen,
    haproxy=st.builds(
        HaproxySeen,
        config=st.none() | configs,
        running=st.booleans(),
        fingerprint=st.sampled_from(["", "a", "b"]),
        servers=servers,
        masters=st.integers(0, 2),
    ),
    links=st.builds(
        LinksSeen, devices=devices, ours=st.dictionaries(keys, st.booleans()), gateways=gateways
    ),
    files=st.sampled_from([{}, {"/etc/hosts": b"x"}]),
    hostname=st.sampled_from(["lbmaster", "localhost"]),
    sysctls=st.dictionaries(settings, st.sampled_from(["0", "1", None])),
    rules=st.sampled_from(["", "table a", "table b"]),
)

WEB = AddressKey("eth0", "192.0.2.100/32")
OTHER = AddressKey("eth0", "192.0.2.101/32")
SERVER = (1, 1)


def named(key: tuple[int, int]) -> str:
    return f"{key[0]}/{key[1]}"


def running(**fields: object) -> Wanted:
    haproxy = HaproxyWanted(
        File("/run/haproxy.cfg", b"new"), "new", {SERVER: ServerKnobs(100, halted=False)}
    )
    return replace(Wanted(haproxy, LinksWanted({WEB: True})), **fields)  # type: ignore[arg-type]


@given(wanteds, seens)
def test_following_the_plan_leaves_nothing_to_do(wanted: Wanted, seen: Seen) -> None:
    # servers that HAProxy does not have cannot be set at run time: a second round may be due
    for _ in range(2):
        seen = after(seen, plan(wanted, seen), wanted)
    assert plan(wanted, seen) == ()


@given(wanteds)
def test_a_settled_system_needs_nothing(wanted: Wanted) -> None:
    assert plan(wanted, settled(wanted)) == ()


@given(wanteds, seens)
def test_every_change_has_words(wanted: Wanted, seen: Seen) -> None:
    for change in plan(wanted, seen):
        assert sentence(change, named)


@given(wanteds, seens)
def test_addresses_of_others_are_never_touched(wanted: Wanted, seen: Seen) -> None:
    foreign = frozenset({AddressKey("eth0", "198.51.100.7/24")})
    seen = replace(seen, links=replace(seen.links, foreign=foreign))
    dropped = {change.key for change in plan(wanted, seen) if isinstance(change, DropAddress)}
    assert not dropped & foreign


def test_an_address_comes_up_before_the_reload_and_goes_after_it() -> None:
    seen = settled(running())
    seen = replace(
        seen,
        haproxy=replace(seen.haproxy, config=b"old", fingerprint="old"),
        links=LinksSeen(ours={OTHER: True}),
    )
    kinds = [type(change) for change in plan(running(), seen)]
    assert kinds == [AddAddress, WriteFile, ReloadHaproxy, DropAddress]


def test_a_new_weight_is_set_at_run_time_and_written_but_not_reloaded() -> None:
    wanted = running()
    knobs = {SERVER: ServerKnobs(50, halted=False)}
    seen = settled(wanted)
    seen = replace(seen, haproxy=replace(seen.haproxy, config=b"old", servers=knobs))
    kinds = [type(change) for change in plan(wanted, seen)]
    assert kinds == [SetServer, WriteFile]


def test_a_halt_says_how_many_connections_it_drops() -> None:
    wanted = running(
        haproxy=HaproxyWanted(
            File("/run/haproxy.cfg", b"new"), "new", {SERVER: ServerKnobs(100, halted=True)}
        )
    )
    seen = settled(running())
    seen = replace(seen, haproxy=replace(seen.haproxy, connections={SERVER: 88}))
    [halt, *_] = plan(wanted, seen)
    assert (halt.effect, halt.drops) == (Effect.DROPS, 88)
    assert sentence(halt, named) == "halt 1/1"


def test_a_drain_drops_nothing() -> None:
    wanted = running(
        haproxy=HaproxyWanted(
            File("/run/haproxy.cfg", b"new"), "new", {SERVER: ServerKnobs(0, halted=False)}
        )
    )
    seen = settled(running())
    seen = replace(seen, haproxy=replace(seen.haproxy, connections={SERVER: 88}))
    assert [change.effect for change in plan(wanted, seen)] == [Effect.NONE]


def test_deleting_a_service_counts_the_connections_that_end_with_its_address() -> None:
    wanted = running(links=LinksWanted({WEB: True}))
    seen = settled(running())
    seen = replace(
        seen,
        haproxy=replace(seen.haproxy, fingerprint="old", clients={9: 7, 1: 5}),
        links=LinksSeen(ours={WEB: True, OTHER: True}),
        clients={WEB: frozenset({1}), OTHER: frozenset({9})},
    )
    [drop] = [change for change in plan(wanted, seen) if isinstance(change, DropAddress)]
    assert drop.drops == 7


def test_taking_a_services_address_down_is_never_called_harmless() -> None:
    seen = replace(
        settled(running()),
        links=LinksSeen(ours={WEB: True, OTHER: True}),
        clients={WEB: frozenset({1}), OTHER: frozenset({9})},
    )
    [drop] = [change for change in plan(running(), seen) if isinstance(change, DropAddress)]
    assert (drop.drops, drop.effect) == (0, Effect.DROPS)


def test_settings_of_the_kernel_are_set_in_one_step_before_any_address() -> None:
    wanted = running(sysctls={"net/a": "1", "net/b": "1", "net/c": "1"})
    seen = replace(settled(running()), links=LinksSeen(), sysctls={"net/a": "0", "net/b": "1"})
    first, second = plan(wanted, seen)[:2]
    assert first == SetSysctls(values=(("net/a", "1"),))
    assert isinstance(second, AddAddress)
    assert sentence(first, named) == "set net.a to 1"


def test_a_setting_that_the_kernel_does_not_have_is_left_out() -> None:
    wanted = running(sysctls={"net/ipv4/vs/conntrack": "0"})
    seen = replace(settled(running()), sysctls={"net/ipv4/vs/conntrack": None})
    assert plan(wanted, seen) == ()


def test_many_settings_are_counted_in_words() -> None:
    values = tuple((f"net/{letter}", "1") for letter in "abcd")
    assert sentence(SetSysctls(values=values), named) == "set 4 network settings of the kernel"


def test_a_dead_haproxy_is_started_and_not_reloaded() -> None:
    wanted = running()
    seen = replace(settled(wanted), haproxy=HaproxySeen(config=b"new"))
    assert [type(change) for change in plan(wanted, seen)] == [StartHaproxy]


def test_a_second_master_is_ended() -> None:
    wanted = running()
    seen = settled(wanted)
    seen = replace(seen, haproxy=replace(seen.haproxy, masters=2))
    assert [type(change) for change in plan(wanted, seen)] == [EndStrays]
