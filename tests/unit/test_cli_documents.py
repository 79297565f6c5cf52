# SPDX-License-Identifier: Apache-2.0
"""Whole documents from the command line: show, plan, apply, confirm, roll back, look back."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from services.api import ProblemView
from services.errors import ApplyFailed
from services.model import Document
from services.reading import read_document
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
def wanted(fake: ScriptedAppliance, tmp_path: Path) -> Path:
    """A document that gives smtp another port, as a file."""
    tree = json.loads(fake.running.model_dump_json())
    tree["cluster"]["layer7"][2]["ports"] = "587"
    path = tmp_path / "wanted.json"
    path.write_text(json.dumps(tree))
    return path


@pytest.mark.parametrize("option", [(), ("--yaml",), ("--json",)])
def test_what_is_shown_can_be_applied_again(
    option: tuple[str, ...], fake: ScriptedAppliance, ballast: Ballast
) -> None:
    shown = ballast("show", *option)
    assert (shown.status, shown.err) == (0, "")
    assert read_document(shown.out.encode(), name="what was shown") == fake.running
    assert (shown.out.lstrip()[0] == "{") is (option == ("--json",))


def test_show_takes_one_format(ballast: Ballast) -> None:
    assert ballast("show", "--json", "--yaml").status == 2


def test_an_earlier_revision_is_shown(
    fake: ScriptedAppliance, ballast: Ballast, wanted: Path
) -> None:
    before = fake.running
    ballast("apply", str(wanted))
    assert Document.model_validate(ballast("show", "--revision", "1", "--json").json) == before
    missing = ballast("show", "--revision", "9")
    assert (missing.status, missing.out) == (1, "")


def test_a_plan_says_what_it_does_to_traffic_and_changes_nothing(
    fake: ScriptedAppliance, ballast: Ballast, wanted: Path
) -> None:
    before = fake.running
    ran = ballast("plan", str(wanted))
    assert ran.status == 0
    assert "reload HAProxy  reload, no connection lost" in ran.out
    assert "+   ports: 587" in ran.out
    assert ballast("plan", str(wanted), "--json").json["changes"][0]["what"] == "reload HAProxy"
    assert (fake.running, fake.calls) == (before, [])


def test_a_plan_that_may_cut_the_person_off_says_so(
    fake: ScriptedAppliance, ballast: Ballast, tmp_path: Path
) -> None:
    tree = json.loads(fake.running.model_dump_json())
    tree["local"]["interfaces"][0]["addresses"] = ["192.168.2.22/24"]
    path = tmp_path / "moved.json"
    path.write_text(json.dumps(tree))
    assert "--confirm 60" in ballast("plan", str(path)).err


def test_a_plan_says_what_this_machine_lacks(
    fake: ScriptedAppliance, ballast: Ballast, wanted: Path
) -> None:
    fake.lacking = (ProblemView(path=(), what="This kernel has no IPVS.", do="Load it."),)
    ran = ballast("plan", str(wanted))
    assert ran.status == 0
    assert "It would be refused: This kernel has no IPVS. Load it." in ran.err
    assert ballast("plan", str(wanted), "--json").json["lacking"][0]["do"] == "Load it."
    assert ballast("apply", str(wanted)).status == 1


def test_a_plan_of_what_runs_is_empty(
    ballast: Ballast, fake: ScriptedAppliance, tmp_path: Path
) -> None:
    path = tmp_path / "same.json"
    path.write_text(fake.running.model_dump_json())
    ran = ballast("plan", str(path))
    assert (ran.status, ran.out) == (0, "")
    assert "nothing to do" in ran.err


def test_an_apply_says_what_it_did(fake: ScriptedAppliance, ballast: Ballast, wanted: Path) -> None:
    ran = ballast("apply", str(wanted), "--why", "submission port")
    assert (ran.status, ran.out) == (0, "")
    assert ran.err == "  reload HAProxy: reload, no connection lost\nDone; revision 2 runs.\n"
    assert fake.running.cluster.layer7[2].ports == "587"
    assert ballast("revisions", "--json").json[0]["why"] == "submission port"


def test_an_apply_on_another_revision_than_said_is_refused(
    fake: ScriptedAppliance, ballast: Ballast, wanted: Path
) -> None:
    fake.somebody_applies(fake.running)
    ran = ballast("apply", str(wanted), "--base", "1")
    assert ran.status == 1
    assert "Revision 2 runs." in ran.err
    assert ballast("apply", str(wanted), "--base", "2").status == 0


def test_an_apply_is_kept_when_it_is_confirmed(
    fake: ScriptedAppliance, ballast: Ballast, wanted: Path
) -> None:
    ran = ballast("apply", str(wanted), "--confirm", "30", "--json")
    assert ran.json["confirm"]["seconds_left"] == 30
    assert "A change of admin waits for `ballast confirm`" in ballast("status").out
    kept = ballast("confirm")
    assert (kept.status, kept.err) == (0, "Kept; revision 2 runs.\n")
    assert ballast("confirm").status == 1


def test_a_rollback_goes_one_back_or_to_the_revision_named(
    fake: ScriptedAppliance, ballast: Ballast, wanted: Path
) -> None:
    first = fake.running
    ballast("apply", str(wanted))
    second = fake.running
    assert ballast("rollback").status == 0
    assert fake.running == first
    assert ballast("rollback", "2", "--json").json["revision"] == 4
    assert fake.running == second
    assert ballast("rollback", "77").status == 1
    assert ballast("rollback", "yesterday").status == 2


def test_a_diff_names_objects_and_fields(
    fake: ScriptedAppliance, ballast: Ballast, wanted: Path
) -> None:
    assert ballast("diff").status == 1
    ballast("apply", str(wanted))
    for arguments in ((), ("1",), ("1", "2")):
        ran = ballast("diff", *arguments)
        assert ran.out == "~ virtual service smtp\n-   ports: 25\n+   ports: 587\n"
    assert ballast("diff", "2", "2").out == ""


def test_a_difference_as_json_names_each_object_as_it_was_and_is(ballast: Ballast) -> None:
    ballast("vip", "edit", "smtp", "--ports", "26")
    ran = ballast("diff", "--json")
    [found] = ran.json["changed"]
    assert (ran.status, ran.json["old"], ran.json["new"]) == (0, 1, 2)
    assert found["name"] == "virtual service smtp"
    assert (found["before"]["ports"], found["after"]["ports"]) == ("25", "26")
    assert ballast("diff", "2", "2", "--json").json["changed"] == []


def test_what_the_appliance_could_not_is_status_3(
    fake: ScriptedAppliance, ballast: Ballast, wanted: Path
) -> None:
    fake.refusal = ApplyFailed("HAProxy would not start\x1b[2J.", do="See the journal.")
    ran = ballast("apply", str(wanted))
    assert (ran.status, ran.out) == (3, "")
    assert ran.err == "ballast: HAProxy would not start\\x1b[2J. See the journal.\n"


@pytest.mark.parametrize(
    "verb", ["status", "show", "vip list", "revisions", "journal", "drain rds rds1", "confirm"]
)
def test_without_an_agent_every_verb_is_status_3(
    verb: str, fake: ScriptedAppliance, ballast: Ballast
) -> None:
    fake.silent = True
    ran = ballast(*verb.split())
    assert (ran.status, ran.out) == (3, "")
    assert "The agent does not answer on" in ran.err


def test_a_fault_of_the_program_is_one_sentence(
    fake: ScriptedAppliance, ballast: Ballast, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken() -> None:
        raise KeyError("\x1b[2Jwhat")

    monkeypatch.setattr(fake, "status", broken)
    ran = ballast("status")
    assert (ran.status, ran.out) == (3, "")
    assert len(ran.err.splitlines()) == 1
    assert "\x1b" not in ran.err


def test_status_shows_services_servers_states_and_rates(
    fake: ScriptedAppliance, ballast: Ballast
) -> None:
    fake.notices = ("revision 7 was damaged\x1b[2J",)
    fake.down[scenes.RDS, 5] = "answer 503 \x9b2J\nfake line"
    ran = ballast("status")
    assert (ran.status, ran.err) == (0, "")
    assert all(line.isprintable() for line in ran.out.splitlines())
    rows = {tuple(line.split()[:1]): line.split() for line in ran.out.splitlines() if line}
    assert rows["web-http",][1:6] == ["192.168.1.100", "80", "L7", "http", "UP"]
    assert rows["rds",][5] == "WARN"
    assert rows["rds2",][1:4] == ["192.168.1.121", "3389", "DOWN"]
    assert rows["web1",][-4:-2] == ["700.0", "kB"]
    assert rows["notice",][1:3] == ["revision", "7"]
    assert "answer 503 \\x9b2J\\nfake line" in ran.out


def test_status_as_json_is_the_whole_status(ballast: Ballast) -> None:
    seen = ballast("status", "--json").json
    assert seen["node"]["hostname"] == "lbmaster"
    assert [each["health"] for each in seen["services"]] == ["UP", "WARN", "DOWN", "OFF"]
    assert seen["services"][0]["servers"][0]["connections"] == 402


def test_the_journal_cannot_forge_lines(
    fake: ScriptedAppliance, ballast: Ballast, wanted: Path
) -> None:
    ballast("apply", str(wanted), "--why", "x\n2026-01-01 00:00:00  root  all is well")
    ran = ballast("journal", "--limit", "5")
    assert len(ran.out.splitlines()) == 2
    assert "x\\n2026" in ran.out
    assert ballast("journal", "--json").json[0]["who"] == "admin"
    assert ballast("journal", "--limit", "0").status == 2


def test_revisions_are_listed(ballast: Ballast, wanted: Path) -> None:
    ballast("apply", str(wanted), "--why", "submission port")
    _, newest, oldest = ballast("revisions").out.splitlines()
    assert (newest.split()[0], oldest.split()[0]) == ("2", "1")
    assert newest.endswith("admin  submission port")
