# SPDX-License-Identifier: Apache-2.0
"""`ballast import` and `ballast export`: a document out, the rest told, nothing applied."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from services.exchange.ldirectord_words import NOT_SENT
from services.model import Document
from services.reading import read_document
from tests.fakes import scenes
from tests.fakes.appliance import ScriptedAppliance
from tests.tree import ROOT
from tests.unit.cli import Ballast, against

GOLDEN = ROOT / "tests" / "golden"
LAYER4 = GOLDEN / "check" / "layer4-good" / "document.yaml"
FARM = """\
emailalert = "admin@example.com"
virtual = 192.168.1.200:80
\treal = 192.168.1.50:80 gate 5
\treal = 192.168.1.51:80 gate
\tcolour = \x1b[31mred
"""


@pytest.fixture
def fake() -> ScriptedAppliance:
    return scenes.small()


@pytest.fixture
def ballast(fake: ScriptedAppliance, capsys: pytest.CaptureFixture[str]) -> Ballast:
    return against(fake, capsys)


@pytest.fixture
def farm(tmp_path: Path) -> str:
    path = tmp_path / "ldirectord.cf"
    path.write_text(FARM)
    return str(path)


def test_an_import_adds_to_what_runs_and_applies_nothing(
    fake: ScriptedAppliance, ballast: Ballast, farm: str
) -> None:
    before = fake.running
    ran = ballast("import", "ldirectord", farm)
    assert (ran.status, fake.calls, fake.running) == (0, [], before)
    came = read_document(ran.out.encode(), name="out")
    (added,) = came.cluster.layer4
    assert [str(each.address) for each in added.servers] == ["192.168.1.50", "192.168.1.51"]
    assert came.cluster.layer7 == before.cluster.layer7
    assert came.local == before.local
    assert (added.email_to, added.email_from) == (("admin@example.com",), "")
    came_to = "virtual services: 1, real servers: 2. They are added to the running document."
    assert ran.err.splitlines() == [
        f"Read from {farm}: {came_to}",
        "Not understood, or not as it stands (2):",
        f'  line 1: emailalert = "admin@example.com": {NOT_SENT}',
        "  line 5: colour = \\u001b[31mred: `colour` is no setting that is known.",
    ]


def test_what_was_printed_can_be_applied(
    fake: ScriptedAppliance, ballast: Ballast, farm: str, tmp_path: Path
) -> None:
    out = tmp_path / "new.json"
    out.write_text(ballast("import", "ldirectord", farm, "--json").out)
    assert ballast("apply", str(out)).status == 0
    assert [each.label for each in fake.running.cluster.layer4] == ["192.168.1.200-80"]
    again = ballast("import", "ldirectord", farm)
    assert "label: 192.168.1.200-80-2" in again.out
    assert "Before the document can be applied, correct these" in again.err
    assert "both listen on 192.168.1.200:80" in again.err


def test_a_new_document_needs_no_agent(
    fake: ScriptedAppliance, ballast: Ballast, farm: str
) -> None:
    fake.silent = True
    assert ballast("import", "ldirectord", farm).status == 3
    ran = ballast("import", "ldirectord", farm, "--new", "--json")
    assert ran.status == 0
    assert Document.model_validate(ran.json).local == Document().local
    assert "to a factory-new document" in ran.err
    # the factory's only network is another one
    assert "192.168.1.50) is in no network of this unit's interfaces" in ran.err


@pytest.mark.parametrize(
    ("kind", "case", "marks"),
    [
        ("ipvsadm", "ipvsadm-saved/ipvsadm", "7=192.0.2.20, 2001:db8::20"),
        ("ldirectord", "ldirectord-web-farm/ldirectord.cf", "9=192.0.2.1"),
        ("keepalived", "keepalived-nat-web/keepalived.conf", "9=192.0.2.1"),
    ],
)
def test_every_kind_of_file_is_read(kind: str, case: str, marks: str, ballast: Ballast) -> None:
    file = GOLDEN / "exchange" / case
    ran = ballast("import", kind, str(file), "--new", "--mark", marks)
    assert ran.status == 0
    assert ran.out == (file.parent / "document.yaml").read_text()


def test_a_file_in_the_wrong_format_gives_no_service_and_every_line(
    ballast: Ballast, farm: str
) -> None:
    ran = ballast("import", "ipvsadm", farm, "--new")
    assert "layer4: []" in ran.out or "layer4" not in ran.out
    assert "(5):" in ran.err


@pytest.mark.parametrize(
    ("name", "data"),
    [("missing", None), ("core", b"\x7fELF\0"), ("large", b"x\n" * (9 << 20))],
    ids=["missing", "core", "large"],
)
def test_what_is_no_such_file_is_refused(
    name: str, data: bytes | None, ballast: Ballast, tmp_path: Path
) -> None:
    path = tmp_path / name
    if data is not None:
        path.write_bytes(data)
    ran = ballast("import", "keepalived", str(path), "--new")
    assert (ran.status, ran.out) == (1, "")
    assert len(ran.err.splitlines()) <= 2


@pytest.mark.parametrize("mark", ["7", "7=", "seven=192.0.2.1", "7=192.0.2.1;192.0.2.2"])
def test_a_mark_that_is_none(mark: str, ballast: Ballast, farm: str) -> None:
    ran = ballast("import", "ldirectord", farm, "--mark", mark)
    assert (ran.status, ran.out) == (2, "")
    assert "MARK=ADDRESS" in ran.err


def test_the_running_table_is_exported(fake: ScriptedAppliance, ballast: Ballast) -> None:
    assert ballast("export", "ipvsadm").err == "There is no layer 4 service.\n"
    ballast("vip", "add", "dns", "--layer", "4", "--addresses", "192.168.1.200", "--ports", "53")
    ballast("rip", "add", "dns", "ns1", "--address", "192.168.1.50")
    ran = ballast("export", "ipvsadm")
    assert ran.err == ""
    assert ran.out.splitlines() == [
        "-A -t 192.168.1.200:53 -s wlc -p 300",
        "-a -t 192.168.1.200:53 -r 192.168.1.50:53 -g -w 100",
    ]
    assert ballast("export", "nftables").err == "No layer 4 service needs rules.\n"


def test_a_document_is_exported_without_an_agent(fake: ScriptedAppliance, ballast: Ballast) -> None:
    fake.silent = True
    ran = ballast("export", "ipvsadm", str(LAYER4))
    assert ran.status == 0
    assert ran.err == "These rules need those of `ballast export nftables`.\n"
    assert (
        "-a -t [2001:db8::102]:443 -r 198.51.100.7:443 -i -w 300 --tun-type gue --tun-port 6080 "
        "--tun-nocsum"
    ) in ran.out.splitlines()
    assert ballast("export", "nftables", str(LAYER4)).out.startswith("table inet ballast {\n")
    assert ballast("export", "ipvsadm").status == 3


def test_a_document_with_problems_is_not_exported(ballast: Ballast, tmp_path: Path) -> None:
    whole = yaml.safe_load(LAYER4.read_text())
    whole["cluster"]["layer4"][0]["servers"][0]["port"] = 8080
    path = tmp_path / "bad.json"
    path.write_text(json.dumps(whole))
    ran = ballast("export", "ipvsadm", str(path))
    assert (ran.status, ran.out) == (1, "")
    assert "cluster.layer4[0].servers[0].port" in ran.err
