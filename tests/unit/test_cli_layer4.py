# SPDX-License-Identifier: Apache-2.0
"""The everyday verbs on layer 4 services and servers, and on both layers at once."""

from __future__ import annotations

import pytest

from services.model import Forwarding, Layer4Service, Scheduler, ServerState, real_servers
from services.model.layer4 import Protocol, Tunnel
from tests.fakes import scenes
from tests.fakes.appliance import ScriptedAppliance
from tests.unit.cli import Ballast, against


@pytest.fixture
def fake() -> ScriptedAppliance:
    return scenes.small()


@pytest.fixture
def ballast(fake: ScriptedAppliance, capsys: pytest.CaptureFixture[str]) -> Ballast:
    return against(fake, capsys)


@pytest.fixture
def dns(ballast: Ballast) -> Ballast:
    """With a layer 4 service `dns` by DR, whose servers are `ns1` and, also `web1`'s, `ns2`."""
    made = ballast(
        "vip", "add", "dns", "--layer", "4", "--addresses", "192.168.1.200", "--ports", "53",
        "--protocol", "tcp_udp",
    )  # fmt: skip
    assert (made.status, made.out) == (0, "")
    assert ballast("rip", "add", "dns", "ns1", "--address", "192.168.1.50").status == 0
    assert ballast("rip", "add", "dns", "ns2", "--address", "192.168.1.110").status == 0
    return ballast


def service(fake: ScriptedAppliance, label: str = "dns") -> Layer4Service:
    return next(each for each in fake.running.cluster.layer4 if each.label == label)


def test_every_setting_of_a_layer_4_service_can_be_typed(
    fake: ScriptedAppliance, ballast: Ballast
) -> None:
    ran = ballast(
        "vip", "add", "far", "--layer", "4", "--addresses", "192.168.1.201,2001:db8::201",
        "--ports", "80,443,1000-1010", "--protocol", "tcp", "--forwarding", "tun",
        "--tunnel", "gue", "--tunnel-port", "6081", "--scheduler", "mh", "--persistence-s", "60",
        "--granularity", "24", "--granularity6", "64", "--fallback-address", "none",
        "--email-to", "a@example.com,b@example.com", "--email-from", "lb@example.com",
        "--comment", "two words",
    )  # fmt: skip
    assert (ran.status, ran.out) == (0, "")
    made = service(fake, "far")
    assert (made.ports, made.protocol) == ("80,443,1000-1010", Protocol.TCP)
    assert (made.forwarding, made.tunnel, made.tunnel_port) == (Forwarding.TUN, Tunnel.GUE, 6081)
    assert (made.scheduler, made.persistence_s) == (Scheduler.MH, 60)
    assert (made.granularity, made.granularity6) == (24, 64)
    assert made.fallback_address is None
    assert (made.email_to, made.email_from) == (
        ("a@example.com", "b@example.com"),
        "lb@example.com",
    )
    assert made.id
    assert made.mark, "given by the appliance"


def test_a_service_by_firewall_mark(fake: ScriptedAppliance, ballast: Ballast) -> None:
    wish = ("--layer", "4", "--addresses", "192.168.1.201", "--protocol", "mark")
    ran = ballast("vip", "add", "own", *wish)
    assert ran.status == 1
    assert "  --mark: own is known by a firewall mark of your own" in ran.err
    assert ballast("vip", "add", "own", *wish, "--mark", "7").status == 0
    assert service(fake, "own").mark == 7
    assert "mark 7" in ballast("vip", "list").out


def test_adding_what_exists_updates_what_is_named(fake: ScriptedAppliance, dns: Ballast) -> None:
    before = service(fake)
    assert dns("vip", "add", "dns", "--scheduler", "rr").status == 0
    assert service(fake) == before.model_copy(update={"scheduler": Scheduler.RR})
    assert dns("rip", "add", "dns", "ns1", "--weight", "300", "--max-connections", "9").status == 0
    ns1 = before.servers[0].model_copy(update={"weight": 300, "max_connections": 9})
    assert service(fake).servers == (ns1, before.servers[1])
    assert dns("vip", "add", "dns", "--scheduler", "rr", "--json").json["changes"] == []


def test_a_service_stays_in_its_layer(fake: ScriptedAppliance, dns: Ballast) -> None:
    before = fake.running
    for arguments, told in (
        (("dns", "--layer", "7"), "dns is a layer 4 service, and stays one."),
        (("rds", "--layer", "4"), "rds is a layer 7 service, and stays one."),
        (("dns", "--mode", "tcp"), "--mode: A layer 4 service has no such setting."),
        (("rds", "--forwarding", "dr"), "--forwarding: A layer 7 service has no such setting."),
    ):
        ran = dns("vip", "add", *arguments)
        assert ran.status == 1
        assert told in ran.err
    assert dns("vip", "add", "dns", "--layer", "4").status == 0
    assert fake.running == before


@pytest.mark.parametrize("method", ["dr", "tun"])
def test_where_packets_are_left_as_they_came_a_server_takes_no_port(
    method: str, fake: ScriptedAppliance, dns: Ballast
) -> None:
    dns("vip", "edit", "dns", "--forwarding", method)
    before = service(fake)
    ran = dns("rip", "add", "dns", "ns3", "--address", "192.168.1.51", "--port", "5353")
    assert ran.status == 1
    assert (
        f"  --port: ns3 has a port of its own, but in {method.upper()} it gets the packets as "
        "they came, with the virtual service's port. Write 0, or choose NAT for the service."
    ) in ran.err
    assert service(fake) == before


def test_a_service_whose_servers_have_ports_does_not_become_a_dr_one(
    fake: ScriptedAppliance, dns: Ballast
) -> None:
    dns("vip", "edit", "dns", "--forwarding", "nat", "--protocol", "udp")
    assert dns("rip", "edit", "dns", "ns1", "--port", "5353").status == 0
    ran = dns("vip", "edit", "dns", "--forwarding", "dr")
    assert ran.status == 1
    assert "  dns/ns1.port: ns1 has a port of its own, but in DR" in ran.err


def test_a_clone_gets_a_mark_and_ids_of_its_own(fake: ScriptedAppliance, dns: Ballast) -> None:
    assert dns("vip", "clone", "dns", "dns2", "--addresses", "192.168.1.202").status == 0
    old, new = service(fake), service(fake, "dns2")
    assert [each.label for each in new.servers] == ["ns1", "ns2"]
    assert new.mark
    assert len({0, old.id, new.id}) == 3
    assert old.mark != new.mark


def test_a_label_is_one_object_whatever_its_layer(fake: ScriptedAppliance, dns: Ballast) -> None:
    ran = dns("vip", "edit", "rds", "--label", "dns")
    assert (ran.status, ran.err) == (
        1,
        "ballast: There is a VIP `dns` already. Choose another label.\n",
    )
    assert dns("vip", "edit", "dns", "--label", "names").status == 0
    assert dns("rip", "edit", "names", "ns1", "--label", "first").status == 0
    assert dns("rip", "delete", "names", "ns2").status == 0
    assert [each.label for each in service(fake, "names").servers] == ["first"]
    assert dns("vip", "delete", "names").status == 0
    assert fake.running.cluster.layer4 == ()
    assert len(fake.running.cluster.layer7) == 4


def test_both_layers_are_listed(dns: Ballast) -> None:
    lines = dns("vip", "list").out.splitlines()
    assert lines[1].split() == [
        "dns", "192.168.1.200", "53", "tcp_udp", "4", "DR", "wlc", "300", "s", "connect", "2",
    ]  # fmt: skip
    assert lines[2].split()[:5] == ["web-http", "192.168.1.100", "80", "http", "7"]
    assert [each["layer"] for each in dns("vip", "list", "--json").json] == [4, 7, 7, 7, 7]
    assert len(dns("rip", "list").out.splitlines()) == 1 + 2 + 8
    assert [each["label"] for each in dns("rip", "list", "dns", "--json").json] == ["ns1", "ns2"]


def states(fake: ScriptedAppliance) -> dict[str, ServerState]:
    return {server.label: server.state for server in real_servers(fake.running).values()}


@pytest.mark.parametrize("state", ["drain", "halt", "online"])
def test_a_server_is_switched(state: str, fake: ScriptedAppliance, dns: Ballast) -> None:
    before = states(fake)
    ran = dns(state, "dns", "ns1")
    assert (ran.status, ran.out, ran.err) == (0, "", f"dns/ns1: {state}\n")
    assert states(fake) == before | {"ns1": ServerState(state)}


def test_all_servers_of_a_service_are_one_revision(fake: ScriptedAppliance, dns: Ballast) -> None:
    running = dns("revisions", "--json").json[0]["number"]
    assert dns("halt", "dns", "--all").err == "dns/ns1: halt\ndns/ns2: halt\n"
    whys = [(each["number"], each["why"]) for each in dns("revisions", "--json").json]
    assert whys[0] == (running + 1, "halt dns/ns1, dns/ns2")


def test_an_address_is_switched_in_the_services_of_both_layers_as_one_revision(
    fake: ScriptedAppliance, dns: Ballast
) -> None:
    running = dns("revisions", "--json").json[0]["number"]
    ran = dns("drain", "--address", "192.168.1.110", "--json")
    assert ran.err == "dns/ns2: drain\nweb-http/web1: drain\n"
    assert ran.json["applied"]["revision"] == running + 1
    assert states(fake)["ns2"] is states(fake)["web1"] is ServerState.DRAIN
    dns("online", "--address", "192.168.1.110")
    assert states(fake)["ns2"] is states(fake)["web1"] is ServerState.ONLINE


def test_a_weight_has_the_limits_of_its_layer(fake: ScriptedAppliance, dns: Ballast) -> None:
    assert dns("weight", "dns", "ns1", "65535").status == 0
    assert service(fake).servers[0].weight == 65535
    for number in ("65536", "-1"):
        ran = dns("weight", "dns", "ns1", number)
        assert (ran.status, ran.out) == (1, "")
        assert f"  N: `{number}` is out of range." in ran.err


def test_a_number_below_nothing_is_told_to_be_one(ballast: Ballast) -> None:
    for arguments in (("rollback", "-1"), ("diff", "-1")):
        ran = ballast(*arguments)
        assert ran.status == 2
        assert "Invalid value for" in ran.err
        assert "greater than or equal to 0" in ran.err
    assert "No such option: --wy" in ballast("weight", "a", "b", "1", "--wy").err
