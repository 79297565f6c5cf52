# SPDX-License-Identifier: Apache-2.0
"""`ballast rip setup` and `ballast doctor`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from services.api import AccessRole
from tests.console.test_realservers import FAULT, GOOD, layer4
from tests.fakes.appliance import ScriptedAppliance
from tests.unit.cli import Ballast, against


@pytest.fixture
def fake() -> ScriptedAppliance:
    return layer4()


@pytest.fixture
def ballast(fake: ScriptedAppliance, capsys: pytest.CaptureFixture[str]) -> Ballast:
    return against(fake, capsys)


def test_a_servers_commands_are_told_whole_with_what_they_are_for(ballast: Ballast) -> None:
    told = ballast("rip", "setup", "web", "web2", "--system", "freebsd")
    assert (told.status, told.err) == (0, "")
    assert told.out.startswith("# web/web2 (192.168.2.102) on FreeBSD\n")
    for words in (
        "---- Apply ",
        "---- Verify ",
        "---- Undo ",
        "ifconfig lo7 inet 192.168.2.100/32",
    ):
        assert words in told.out


def test_one_part_goes_out_bare(ballast: Ballast) -> None:
    told = ballast("rip", "setup", "web", "web1", "--part", "undo")
    assert told.out.splitlines()[0] == "ip address del 192.168.2.100/32 dev lo"
    assert "----" not in told.out


def test_without_a_server_all_of_them_are_told(ballast: Ballast) -> None:
    told = ballast("rip", "setup", "web", "--json")
    assert [view["title"].split()[0] for view in told.json] == ["web/web1", "web/web2"]
    assert ballast("rip", "setup", "web").out.count("---- Undo ") == 2


def test_commands_go_into_a_file(ballast: Ballast, tmp_path: Path) -> None:
    file = tmp_path / "web1.sh"
    told = ballast("rip", "setup", "web", "web1", "--out", str(file))
    assert (told.status, told.out) == (0, "")
    assert file.read_text() == ballast("rip", "setup", "web", "web1").out
    nowhere = ballast("rip", "setup", "web", "web1", "--out", str(tmp_path / "no" / "where"))
    assert nowhere.status == 3
    assert "could not be written: No such file or directory." in nowhere.err


@pytest.mark.parametrize(
    ("words", "status", "said"),
    [
        (("shop",), 1, "shop` is a layer 7 service."),
        (("wbe",), 1, "Did you mean `web`?"),
        (("web", "web9"), 1, "Did you mean `web"),
        (("web", "web1", "--system", "dos"), 2, "dos"),
        (("web", "web1", "--part", "all"), 2, "Name one of apply, verify, undo."),
    ],
)
def test_what_is_not_there_is_answered_with_the_remedy(
    ballast: Ballast, words: tuple[str, ...], status: int, said: str
) -> None:
    told = ballast("rip", "setup", *words)
    assert (told.status, told.out) == (status, "")
    assert said in told.err


def test_the_doctors_faults_are_told_with_the_way_out_and_the_status(
    fake: ScriptedAppliance, ballast: Ballast
) -> None:
    fake.findings = (FAULT, GOOD)
    told = ballast("doctor", "web")
    assert told.status == 1
    assert told.out == (
        "FAULT  web: web2 (192.168.2.102) answers at its own address, but does not take packets "
        "for 192.168.2.100: it does not have the VIP.\n"
        "  Set web2 up for 192.168.2.100.\n"
        "  `ballast rip setup web web2` has the commands.\n"
        "\n"
        "GOOD  web: Nobody else says so.\n"
    )
    found = json.loads(ballast("doctor", "--json").out)["findings"]
    assert [each["verdict"] for each in found] == ["fault", "good"]
    fake.findings = (GOOD,)
    assert ballast("doctor").status == 0


def test_the_doctor_is_an_operators(fake: ScriptedAppliance, ballast: Ballast) -> None:
    fake.role = AccessRole.VIEWER
    assert ballast("doctor").status == 1
    fake.role = AccessRole.OPERATOR
    assert ballast("doctor").status == 0
    assert ballast("doctor", "nobody").status == 1
