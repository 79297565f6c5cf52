# SPDX-License-Identifier: Apache-2.0
"""`ballast vip` and `ballast rip`: one object at a time, the rest as it was."""

from __future__ import annotations

import pytest

from services.api import AccessRole
from services.model import CheckKind, Mode, RealServer, VirtualService
from tests.fakes import scenes
from tests.fakes.appliance import ScriptedAppliance
from tests.unit.cli import Ballast, against


@pytest.fixture
def fake() -> ScriptedAppliance:
    return scenes.small()


@pytest.fixture
def ballast(fake: ScriptedAppliance, capsys: pytest.CaptureFixture[str]) -> Ballast:
    return against(fake, capsys)


def service(fake: ScriptedAppliance, label: str) -> VirtualService:
    return next(each for each in fake.running.cluster.layer7 if each.label == label)


def server(fake: ScriptedAppliance, vip: str, label: str) -> RealServer:
    return next(each for each in service(fake, vip).servers if each.label == label)


def test_adding_a_vip_and_its_rip_makes_them(fake: ScriptedAppliance, ballast: Ballast) -> None:
    made = ballast(
        "vip", "add", "new", "--addresses", "192.168.1.150,192.168.1.151", "--ports", "443,80",
        "--mode", "tcp", "--check-kind", "http_get", "--check-path", "/health",
        "--fallback-address", "none",
    )  # fmt: skip
    assert (made.status, made.out) == (0, "")
    assert "Done; revision 2 runs." in made.err
    assert (
        ballast("rip", "add", "new", "a", "--address", "192.168.1.160", "--port", "81").status == 0
    )
    new = service(fake, "new")
    assert [str(each) for each in new.addresses] == ["192.168.1.150", "192.168.1.151"]
    assert (new.ports, new.mode, new.fallback_address) == ("80,443", Mode.TCP, None)
    assert (new.check.kind, new.check.path) == (CheckKind.HTTP_GET, "/health")
    assert new.id
    assert server(fake, "new", "a").port == 81


def test_adding_what_exists_updates_what_is_named_and_nothing_else(
    fake: ScriptedAppliance, ballast: Ballast
) -> None:
    before = service(fake, "web-http")
    assert ballast("vip", "add", "web-http", "--no-x-forwarded-for").status == 0
    assert service(fake, "web-http") == before.model_copy(update={"x_forwarded_for": False})
    assert ballast("rip", "add", "web-http", "web1", "--weight", "7").status == 0
    assert server(fake, "web-http", "web1") == before.servers[0].model_copy(update={"weight": 7})
    assert len(service(fake, "web-http").servers) == 3


def test_what_changes_nothing_applies_nothing(fake: ScriptedAppliance, ballast: Ballast) -> None:
    ran = ballast("vip", "add", "web-http", "--mode", "http", "--json")
    assert ran.status == 0
    assert fake.calls == []
    assert ran.json["revision"] == 1
    assert "nothing to do; revision 1 runs" in ran.err


def test_an_edit_renames_and_keeps_the_id(fake: ScriptedAppliance, ballast: Ballast) -> None:
    assert ballast("vip", "edit", "web-http", "--label", "www").status == 0
    assert service(fake, "www").id == scenes.WEB
    assert ballast("rip", "edit", "www", "web2", "--label", "zwei", "--comment", "Büro").status == 0
    assert server(fake, "www", "zwei").id == 2


def test_a_label_that_is_taken_replaces_nothing(fake: ScriptedAppliance, ballast: Ballast) -> None:
    before = fake.running
    for arguments in (
        ("vip", "edit", "web-http", "--label", "rds"),
        ("vip", "clone", "web-http", "rds"),
        ("rip", "edit", "web-http", "web1", "--label", "web2"),
    ):
        ran = ballast(*arguments)
        assert ran.status == 1
        assert "already. Choose another label." in ran.err
    assert fake.running == before


def test_a_clone_has_the_servers_and_ids_of_its_own(
    fake: ScriptedAppliance, ballast: Ballast
) -> None:
    ran = ballast("vip", "clone", "web-http", "web-https", "--ports", "443")
    assert ran.status == 0
    old, new = service(fake, "web-http"), service(fake, "web-https")
    assert new.ports == "443"
    assert [each.label for each in new.servers] == [each.label for each in old.servers]
    ids = {new.id, *(each.id for each in new.servers)}
    assert not ids & {0, old.id, *(each.id for each in old.servers)}


def test_deleting_takes_one_object_away(fake: ScriptedAppliance, ballast: Ballast) -> None:
    assert ballast("rip", "delete", "web-http", "web2").status == 0
    assert [each.label for each in service(fake, "web-http").servers] == ["web1", "web3"]
    assert ballast("vip", "delete", "smtp").status == 0
    assert [each.label for each in fake.running.cluster.layer7] == ["web-http", "rds", "ftp"]


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("vip", "edit", "web-htp"), "There is no VIP `web-htp`. Did you mean `web-http`?"),
        (
            ("vip", "delete", "zzz"),
            "There is no VIP `zzz`. `ballast vip list` lists what there is.",
        ),
        (("rip", "edit", "rds", "rds"), "There is no RIP `rds` in rds. Did you mean `rds3`?"),
        (("vip", "delete", "a\x1b[2J\n"), "There is no VIP `a\\u001b[2J\\u000a`."),
    ],
)
def test_a_wrong_name_is_answered_with_the_right_one(
    arguments: tuple[str, ...], sentence: str, fake: ScriptedAppliance, ballast: Ballast
) -> None:
    ran = ballast(*arguments)
    assert (ran.status, ran.out) == (1, "")
    assert sentence in ran.err
    assert fake.calls == []


@pytest.mark.parametrize(
    ("arguments", "option"),
    [
        (("vip", "add", "a\nb", "--addresses", "192.0.2.1", "--ports", "80"), "VIP: "),
        (("vip", "add", "a b", "--addresses", "192.0.2.1", "--ports", "80"), "VIP: `a b` is no"),
        (("vip", "clone", "rds", "a b"), "NEW: `a b` is no"),
        (("vip", "edit", "rds", "--label", "a b"), "--label: `a b` is no"),
        (("rip", "add", "rds", "a b", "--address", "192.0.2.9", "--port", "1"), "RIP: `a b` is no"),
        (("vip", "add", "x", "--addresses", "192.0.2.1", "--ports", "80,,90"), "--ports: "),
        (("vip", "add", "x", "--addresses", "192.0.2.1", "--ports", "90-80"), "--ports: "),
        (("vip", "add", "x", "--addresses", "nowhere", "--ports", "80"), "nowhere"),
        (("vip", "add", "x"), "--addresses: "),
        (("vip", "edit", "rds", "--comment", "a\x1b[2J"), "--comment: "),
        (("rip", "add", "rds", "x", "--address", "192.0.2.9", "--port", "65536"), "--port: "),
        (("rip", "add", "rds", "x", "--address", "192.0.2.9", "--port", "many"), "--port: "),
        (("rip", "add", "rds", "x", "--address", "192.0.2.9", "--port", "0"), "--port: "),
    ],
)
def test_a_bad_value_is_refused_at_its_option(
    arguments: tuple[str, ...], option: str, fake: ScriptedAppliance, ballast: Ballast
) -> None:
    ran = ballast(*arguments)
    assert (ran.status, ran.out) == (1, "")
    assert option in ran.err
    assert "\x1b" not in ran.err
    assert fake.calls == []


def test_a_rule_between_objects_is_told_in_what_was_typed(
    fake: ScriptedAppliance, ballast: Ballast
) -> None:
    before = fake.running
    ran = ballast("vip", "add", "x", "--addresses", "192.168.2.21", "--ports", "80")
    assert ran.status == 1
    assert "  --addresses: x has 192.168.2.21, which is eth0's own address" in ran.err
    said = ballast("vip", "add", "RDS", "--addresses", "192.168.2.200", "--ports", "80").err
    assert "  VIP: RDS and rds differ in capitals only" in said
    said = ballast("rip", "add", "rds", "x", "--address", "2001:db8::1", "--port", "80").err
    assert "  --address: x has an IPv6 address" in said
    assert "cluster" not in said
    assert fake.running == before


def test_a_rule_that_another_object_breaks_names_that_object(ballast: Ballast) -> None:
    ran = ballast("vip", "edit", "rds", "--addresses", "2001:db8::1")
    assert ran.status == 1
    assert "  rds/rds1.address: rds1 has an IPv4 address, but rds has no IPv4 VIP." in ran.err


@pytest.mark.parametrize(
    "arguments",
    [
        ("vip", "add", "x", "--mode", "udp"),
        ("vip", "add"),
        ("rip", "add", "rds"),
        ("vip", "add", "x", "--colour", "red"),
        ("vip", "delete", "rds", "--confirm", "0"),
        ("vip", "sing"),
    ],
)
def test_wrong_usage_is_status_2(arguments: tuple[str, ...], ballast: Ballast) -> None:
    ran = ballast(*arguments)
    assert (ran.status, ran.out) == (2, "")
    assert "Usage: ballast" in ran.err


def test_an_edit_is_done_again_on_what_somebody_else_left(
    fake: ScriptedAppliance, ballast: Ballast, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = fake.document
    faster = [
        fake.running.model_copy(
            update={"local": fake.running.local.model_copy(update={"hostname": "theirs"})}
        )
    ]

    async def read_too_early() -> object:
        answer = await real()
        if faster:
            fake.somebody_applies(faster.pop())
        return answer

    monkeypatch.setattr(fake, "document", read_too_early)
    assert ballast("vip", "edit", "rds", "--comment", "ours").status == 0
    assert service(fake, "rds").comment == "ours"
    assert fake.running.local.hostname == "theirs"
    assert fake.calls == ["apply", "apply"]


def test_a_second_conflict_is_told(
    fake: ScriptedAppliance, ballast: Ballast, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = fake.document

    async def read_too_early() -> object:
        answer = await real()
        fake.somebody_applies(fake.running)
        return answer

    monkeypatch.setattr(fake, "document", read_too_early)
    ran = ballast("vip", "edit", "rds", "--comment", "ours")
    assert ran.status == 1
    assert "changed under this edit" in ran.err
    assert service(fake, "rds").comment == ""


def test_an_edit_can_wait_for_a_confirmation(fake: ScriptedAppliance, ballast: Ballast) -> None:
    ran = ballast("vip", "edit", "rds", "--comment", "x", "--confirm", "60")
    assert ran.status == 0
    assert "Revision 1 comes back in 60 s unless `ballast confirm` is given." in ran.err


def test_the_revision_says_why(fake: ScriptedAppliance, ballast: Ballast) -> None:
    ballast("vip", "delete", "smtp")
    ballast("vip", "delete", "ftp", "--why", "ticket 12")
    whys = [row["why"] for row in ballast("revisions", "--json").json]
    assert whys == ["ticket 12", "vip delete smtp", "first start"]


def test_an_account_that_may_not_is_refused(fake: ScriptedAppliance, ballast: Ballast) -> None:
    fake.role = AccessRole.VIEWER
    ran = ballast("vip", "delete", "smtp")
    assert ran.status == 1
    assert "may not do that" in ran.err


def test_vips_are_listed(ballast: Ballast) -> None:
    heads, first, *_ = ballast("vip", "list").out.splitlines()
    assert heads.split()[:3] == ["VIP", "ADDRESSES", "PORTS"]
    assert first.split()[:4] == ["web-http", "192.168.1.100", "80", "http"]
    assert [each["label"] for each in ballast("vip", "list", "--json").json] == [
        "web-http", "rds", "smtp", "ftp",
    ]  # fmt: skip


def test_rips_are_listed_of_all_vips_or_of_one(ballast: Ballast) -> None:
    assert len(ballast("rip", "list").out.splitlines()) == 1 + 8
    assert len(ballast("rip", "list", "rds").out.splitlines()) == 1 + 3
    listed = ballast("rip", "list", "rds", "--json").json
    assert [(each["vip"], each["label"]) for each in listed] == [
        ("rds", "rds1"), ("rds", "rds2"), ("rds", "rds3"),
    ]  # fmt: skip


def test_an_empty_appliance_says_so_to_people_and_nothing_to_programs(
    capsys: pytest.CaptureFixture[str],
) -> None:
    ballast = against(ScriptedAppliance(), capsys)
    assert ballast("vip", "list").out == ""
    assert ballast("vip", "list", "--json").json == []


def test_what_may_be_a_slip_is_said_once_and_done(
    fake: ScriptedAppliance, ballast: Ballast
) -> None:
    ran = ballast("vip", "add", "far", "--addresses", "203.0.113.9", "--ports", "80")
    assert ran.status == 0
    assert "Worth a second look: far has 203.0.113.9, which lies in no network" in ran.err
    assert service(fake, "far").label == "far"
    assert "Worth" not in ballast("vip", "edit", "far", "--comment", "x").err
