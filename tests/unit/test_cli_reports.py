# SPDX-License-Identifier: Apache-2.0
"""`ballast connections` and `ballast status --layer 4`."""

from __future__ import annotations

import pytest

from services.api_reports import CheckResult
from tests.fakes import scenes
from tests.fakes.appliance import ScriptedAppliance
from tests.fakes.ipvs_conn import FakeConnections
from tests.unit.cli import Ballast, against


@pytest.fixture
def fake() -> ScriptedAppliance:
    return scenes.layer4()


@pytest.fixture
def ballast(fake: ScriptedAppliance, capsys: pytest.CaptureFixture[str]) -> Ballast:
    return against(fake, capsys)


def test_connections_come_with_totals_and_the_suspect_is_named(ballast: Ballast) -> None:
    ran = ballast("connections", "--limit", "7")
    assert ran.status == 0
    states, servers, rows = ran.out.split("\n\n")
    assert "ESTABLISHED     20" in states
    assert servers.splitlines()[1].split()[:3] == ["shop", "shop1", "192.168.1.150"]
    assert [line.split()[-1] for line in rows.splitlines()[1:]] == [*["suspect"] * 6, "879"]
    assert ran.err.startswith("shop/shop1: 6 wait for their handshake. Likely the ARP problem")


def test_connections_are_filtered_and_sorted(ballast: Ballast) -> None:
    asked = ("--service", "shop", "--server", "shop2", "--state", "FIN_WAIT")
    found = ballast("connections", *asked, "--sort", "client", "--json").json
    assert found["matching"] == 1
    assert found["rows"][0]["client"] == "203.0.113.9:50100"
    page = ballast("connections", "--offset", "28", "--json").json
    assert len(page["rows"]) == 1


@pytest.mark.parametrize(
    ("arguments", "status", "words"),
    [
        (("--client", "shop1"), 1, "neither an address nor a network"),
        (("--service", "web"), 1, "No layer 4 service is called `web`"),
        (("--sort", "colour"), 2, "colour"),
        (("--limit", "1000000"), 2, "1000"),
        (("--state", "x" * 300), 1, "200"),
    ],
)
def test_what_cannot_be_asked_is_refused(
    ballast: Ballast, arguments: tuple[str, ...], status: int, words: str
) -> None:
    ran = ballast("connections", *arguments)
    assert ran.status == status
    assert words in ran.err
    assert ran.out == ""


def test_none_is_said_and_is_no_error(ballast: Ballast, fake: ScriptedAppliance) -> None:
    assert ballast("connections", "--state", "CLOSE").err == "There is no such connection.\n"
    fake.table = FakeConnections()
    assert ballast("connections").err == "There is no connection.\n"


def test_a_list_that_was_cut_says_so(ballast: Ballast, fake: ScriptedAppliance) -> None:
    fake.table.whole = False
    assert "A random part of the entries" in ballast("connections").err


def test_layer_4_status_is_the_kernels_counters(ballast: Ballast) -> None:
    ran = ballast("status", "--layer", "4")
    line = next(line for line in ran.out.splitlines() if line.startswith("shop"))
    assert "98.4 MB" in line
    assert ballast("status", "--layer", "4", "--json").json["services"][1]["label"] == "names"
    assert ballast("status", "--layer", "5").status == 2


def test_without_layer_4_it_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    ran = against(scenes.small(), capsys)("status", "--layer", "4")
    assert (ran.status, ran.out, ran.err) == (0, "", "There is no layer 4 service.\n")


def test_the_last_checks_of_a_server(ballast: Ballast, fake: ScriptedAppliance) -> None:
    assert ballast("checks", "shop", "shop2").status == 1, "nothing is known of it"
    fake.checked[scenes.SHOP, 1] = (
        CheckResult(at=1_700_000_060, check="http 80", ok=False, words="answer 503", ms=4),
        CheckResult(at=1_700_000_000, check="http 80", ok=True, words="", ms=2),
    )
    rows = ballast("checks", "shop", "shop1").out.splitlines()
    assert rows[1].split()[2:] == ["http", "80", "failed", "4", "ms", "answer", "503"]
    assert rows[2].split()[2:] == ["http", "80", "ok", "2", "ms"]
    found = ballast("checks", "shop", "shop1", "--json").json
    assert found["reason"] == "answer 503"
    assert ballast("checks", "shop", "nobody").status == 1
