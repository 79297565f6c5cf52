# SPDX-License-Identifier: Apache-2.0
"""`ballast nat` and `ballast layer4`: what is no service, from the command line."""

from __future__ import annotations

import pytest

from services.api import AccessRole
from services.model import NatEntry, NatProtocol
from tests.fakes import scenes
from tests.fakes.appliance import ScriptedAppliance
from tests.unit.cli import Ballast, against


@pytest.fixture
def fake() -> ScriptedAppliance:
    return scenes.layer4()


@pytest.fixture
def ballast(fake: ScriptedAppliance, capsys: pytest.CaptureFixture[str]) -> Ballast:
    return against(fake, capsys)


def entries(fake: ScriptedAppliance) -> dict[str, NatEntry]:
    return {entry.label: entry for entry in fake.running.cluster.nat}


MAIL = ("mail1", "--address", "192.168.2.150", "--server", "10.0.0.5")


def test_an_entry_is_made_changed_listed_and_deleted(
    fake: ScriptedAppliance, ballast: Ballast
) -> None:
    assert "There is no 1:1 NAT entry yet." in ballast("nat", "list").err
    ran = ballast("nat", "add", *MAIL, "--protocol", "tcp", "--ports", "3389,25", "--json")
    assert (ran.status, ran.json["revision"]) == (0, 2)
    made = entries(fake)["mail1"]
    assert (str(made.address), str(made.server)) == ("192.168.2.150", "10.0.0.5")
    assert (made.protocol, made.ports) == (NatProtocol.TCP, "25,3389")
    assert made.id, "given by the appliance"

    # adding what exists changes what is named
    assert ballast("nat", "add", "mail1", "--comment", "the old one").status == 0
    assert entries(fake)["mail1"] == made.model_copy(update={"comment": "the old one"})
    assert ballast("nat", "edit", "mail1", "--label", "mail", "--ports", "none").status == 0
    assert (entries(fake)["mail"].id, entries(fake)["mail"].ports) == (made.id, None)

    [told] = ballast("nat", "list", "--json").json
    assert told["address"] == "192.168.2.150"
    assert "mail   192.168.2.150    10.0.0.5     tcp       all    the old one" in (
        ballast("nat", "list").out
    )
    assert ballast("nat", "delete", "mail").status == 0
    assert entries(fake) == {}
    assert "nat delete mail" in ballast("revisions").out


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("add", "x", "--server", "10.0.0.6"), "--address: Outside address is missing."),
        (("add", "x", "--address", "b", "--server", "c"), "--address: `b` is no IP address."),
        (("add", "no blanks", *MAIL[1:]), "ENTRY: `no blanks` is no label."),
        (("edit", "mail1", "--server", "2001:db8::5"), "--server: mail1 leads from an IPv4"),
        (("edit", "mail1", "--address", "192.168.2.21"), "--address: mail1 has the outside"),
        (("edit", "mail2", "--ports", "25"), "There is no 1:1 NAT entry `mail2`. Did you mean"),
        (("delete", "x"), "`ballast nat list` lists what there is."),
        (("edit", "mail1", "--label", "web1"), "There is a 1:1 NAT entry `web1` already."),
    ],
)
def test_a_refusal_names_what_was_typed(
    fake: ScriptedAppliance, ballast: Ballast, arguments: tuple[str, ...], told: str
) -> None:
    for made in (MAIL, ("web1", "--address", "192.168.2.151", "--server", "10.0.0.7")):
        assert ballast("nat", "add", *made).status == 0
    before = fake.running
    ran = ballast("nat", *arguments)
    assert (ran.status, ran.out) == (1, "")
    assert told in ran.err
    assert fake.running == before


def test_an_entry_may_be_called_as_a_service_is(fake: ScriptedAppliance, ballast: Ballast) -> None:
    assert ballast("nat", "add", "shop", *MAIL[1:]).status == 0
    ran = ballast("nat", "edit", "shop", "--address", "192.168.1.104")
    assert "--address: shop has the outside address 192.168.1.104, which is" in ran.err
    assert ballast("vip", "edit", "shop", "--comment", "still mine").status == 0
    assert fake.running.cluster.layer4[0].comment == "still mine"


def test_the_settings_of_all_layer_4_services_are_shown_and_changed(
    fake: ScriptedAppliance, ballast: Ballast
) -> None:
    shown = ballast("layer4", "show")
    assert "tcp-timeout-s" in shown.out
    assert ballast("layer4", "show", "--json").json["tcp_timeout_s"] == 900
    ran = ballast("layer4", "edit", "--tcp-timeout-s", "3600", "--auto-nat", "eth0", "--json")
    assert (ran.status, ran.json["revision"]) == (0, 2)
    advanced = fake.running.cluster.layer4_advanced
    assert (advanced.tcp_timeout_s, advanced.auto_nat) == (3600, "eth0")
    assert advanced.udp_timeout_s == 300
    assert "eth0" in ballast("layer4", "show").out
    assert ballast("layer4", "edit", "--auto-nat", "none").status == 0
    assert fake.running.cluster.layer4_advanced.auto_nat is None


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("--tcp-timeout-s", "0"), "--tcp-timeout-s: "),
        (("--auto-nat", "eth3"), "--auto-nat: Auto-NAT lends real servers the address of eth3"),
        (("--auto-nat", "br0"), "--auto-nat: "),
        (("--no-release-persistent",), "--release-persistent: A failed server keeps its entry"),
    ],
)
def test_a_refused_setting_is_named_as_it_was_typed(
    fake: ScriptedAppliance, ballast: Ballast, arguments: tuple[str, ...], told: str
) -> None:
    before = fake.running
    ran = ballast("layer4", "edit", *arguments)
    assert (ran.status, ran.out) == (1, "")
    assert told in ran.err
    assert fake.running == before


@pytest.mark.parametrize("verb", [("nat", "add", *MAIL), ("layer4", "edit", "--no-quiescent")])
def test_who_is_no_administrator_may_look_only(
    fake: ScriptedAppliance, ballast: Ballast, verb: tuple[str, ...]
) -> None:
    fake.role = AccessRole.OPERATOR
    before = fake.running
    assert ballast(*verb).status == 1
    assert fake.running == before
    fake.role = AccessRole.VIEWER
    assert ballast("nat", "list").status == ballast("layer4", "show").status == 0
