# SPDX-License-Identifier: Apache-2.0
"""Drain, halt, online and weight from the command line."""

from __future__ import annotations

import pytest

from services.api import AccessRole
from services.errors import Unable
from services.model import ServerState, VirtualService
from tests.fakes import scenes
from tests.fakes.appliance import ScriptedAppliance
from tests.unit.cli import Ballast, against


@pytest.fixture
def fake() -> ScriptedAppliance:
    return scenes.small()


@pytest.fixture
def ballast(fake: ScriptedAppliance, capsys: pytest.CaptureFixture[str]) -> Ballast:
    return against(fake, capsys)


def states(fake: ScriptedAppliance) -> dict[str, ServerState]:
    return {
        server.label: server.state
        for service in fake.running.cluster.layer7
        for server in service.servers
    }


@pytest.mark.parametrize("state", ["drain", "halt", "online"])
def test_a_verb_sets_one_server(state: str, fake: ScriptedAppliance, ballast: Ballast) -> None:
    before = states(fake)
    ran = ballast(state, "web-http", "web1")
    assert (ran.status, ran.out) == (0, "")
    assert ran.err == f"web-http/web1: {state}\n"
    assert states(fake) == before | {"web1": ServerState(state)}


def test_all_servers_of_a_vip(fake: ScriptedAppliance, ballast: Ballast) -> None:
    ran = ballast("drain", "web-http", "--all", "--yes", "--json")
    assert ran.status == 0
    assert [each["rip"] for each in ran.json["servers"]] == ["web1", "web2", "web3"]
    assert [name for name, state in states(fake).items() if state is ServerState.DRAIN] == [
        "web1", "web2", "web3", "ftp1",
    ]  # fmt: skip


def test_bringing_back_is_never_asked_about(fake: ScriptedAppliance, ballast: Ballast) -> None:
    before = states(fake)
    assert ballast("online", "web-http", "web1", "--yes").status == 2
    assert states(fake) == before


def test_an_address_across_services(fake: ScriptedAppliance, ballast: Ballast) -> None:
    ballast("rip", "add", "smtp", "also", "--address", "192.168.1.110", "--port", "25")
    ran = ballast("halt", "--address", "192.168.1.110", "--yes")
    assert ran.err == "web-http/web1: halt\nsmtp/also: halt\n"
    assert states(fake)["also"] is states(fake)["web1"] is ServerState.HALT


def test_a_weight(fake: ScriptedAppliance, ballast: Ballast) -> None:
    ran = ballast("weight", "rds", "rds1", "7", "--json")
    assert ran.status == 0
    assert ran.json["applied"]["revision"] == 2
    assert fake.running.cluster.layer7[1].servers[0].weight == 7


@pytest.mark.parametrize("number", ["257", "heavy", "1.5", "-1", "-1.5"])
def test_a_weight_the_model_refuses(number: str, fake: ScriptedAppliance, ballast: Ballast) -> None:
    ran = ballast("weight", "rds", "rds1", number)
    assert ran.status == 1
    assert f"  N: `{number}` is " in ran.err
    assert fake.calls == []


def test_an_operator_may(fake: ScriptedAppliance, ballast: Ballast) -> None:
    fake.role = AccessRole.OPERATOR
    assert ballast("drain", "web-http", "web1").status == 0


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("rds",),
        ("rds", "rds1", "--all"),
        ("rds", "--address", "192.0.2.1"),
        ("--all",),
        ("--all", "--address", "192.0.2.1"),
        ("--address", "somewhere"),
    ],
)
def test_servers_are_named_in_one_way(
    arguments: tuple[str, ...], fake: ScriptedAppliance, ballast: Ballast
) -> None:
    ran = ballast("halt", *arguments)
    assert (ran.status, ran.out) == (2, "")
    assert fake.calls == []


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("rd", "rds1"), "There is no VIP `rd`. Did you mean `rds`?"),
        (("rds", "rd1"), "There is no RIP `rd1` in rds. Did you mean `rds1`?"),
        (("--address", "192.0.2.77"), "No real server has the address 192.0.2.77."),
    ],
)
def test_wrong_names(arguments: tuple[str, ...], sentence: str, ballast: Ballast) -> None:
    ran = ballast("drain", *arguments)
    assert ran.status == 1
    assert sentence in ran.err


def test_a_vip_without_servers_has_none_to_drain(fake: ScriptedAppliance, ballast: Ballast) -> None:
    ballast("rip", "delete", "smtp", "mx1")
    ran = ballast("drain", "smtp", "--all")
    assert ran.status == 1
    assert "VIP `smtp` has no real servers." in ran.err


LAST = "No healthy real server would be left for"


@pytest.mark.parametrize(
    ("arguments", "left"),
    [
        (("halt", "rds", "rds1"), "rds"),
        (("drain", "web-http", "--all"), "web-http"),
        (("drain", "shop", "--all"), "shop"),
        (("halt", "names", "dns1"), "names"),
        (("weight", "names", "dns1", "0"), "names"),
        (("drain", "--address", "192.168.1.160"), "names, mail"),
    ],
)
def test_the_last_healthy_server_stays_unless_the_flag_says_so(
    arguments: tuple[str, ...], left: str, capsys: pytest.CaptureFixture[str]
) -> None:
    fake = both_layers()
    ballast = against(fake, capsys)
    before = fake.running
    ran = ballast(*arguments)
    assert (ran.status, ran.out) == (1, "")
    assert f"{LAST} {left}: clients would get the fallback, or nothing." in ran.err
    assert "Add --yes if that is meant." in ran.err
    assert (fake.running, fake.calls) == (before, [])
    assert ballast(*arguments, "--yes").status == 0
    assert fake.calls == ["set_servers"]


@pytest.mark.parametrize(
    "arguments",
    [
        ("halt", "shop", "shop1"),
        ("online", "names", "dns1"),
        ("weight", "names", "dns1", "1"),
        # it serves nobody: this takes nothing from anybody
        ("halt", "rds", "rds2"),
    ],
)
def test_a_server_that_is_not_the_last_needs_no_flag(
    arguments: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    assert against(both_layers(), capsys)(*arguments).status == 0


def both_layers() -> ScriptedAppliance:
    """Those of both scenes, and a service of layer 7 on a machine of layer 4's."""
    fake = scenes.layer4()
    mail = {
        "id": 301,
        "label": "mail",
        "addresses": ["192.168.1.107"],
        "ports": "25",
        "servers": [{"id": 31, "label": "mx", "address": "192.168.1.160", "port": 25}],
    }
    more = scenes.small()
    layer7 = (*more.running.cluster.layer7, VirtualService.model_validate(mail))
    cluster = fake.running.cluster.model_copy(update={"layer7": layer7})
    fake.running = fake.running.model_copy(update={"cluster": cluster})
    fake.down = more.down
    return fake


def test_many_servers_are_one_revision(fake: ScriptedAppliance, ballast: Ballast) -> None:
    ran = ballast("drain", "web-http", "--all", "--yes", "--why", "rack 7", "--json")
    assert ran.json["applied"]["revision"] == 2
    assert fake.calls == ["set_servers"]
    assert "rack 7" in ballast("revisions").out


def test_what_could_not_be_done_is_not_said_to_be(
    fake: ScriptedAppliance, ballast: Ballast
) -> None:
    fake.refusal = Unable("HAProxy is gone.", do="Start it.")
    ran = ballast("drain", "web-http", "web1", "--json")
    assert (ran.status, ran.out) == (3, "")
    assert ran.err == "ballast: HAProxy is gone. Start it.\n"
