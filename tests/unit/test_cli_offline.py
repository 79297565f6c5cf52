# SPDX-License-Identifier: Apache-2.0
"""`ballast check`, `render` and `schema`: documents judged and rendered without an appliance."""

from __future__ import annotations

import json
import resource
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from services.cli import main
from services.model import Document
from tests.fakes import scenes
from tests.tree import ROOT
from tests.unit.cli import Ballast, Ran


@pytest.fixture
def ballast(capsys: pytest.CaptureFixture[str]) -> Ballast:
    """`ballast` that must not ask any agent."""

    def connect(path: Path) -> object:
        raise AssertionError(f"asked the agent on {path}")

    def run(*arguments: str) -> Ran:
        status = main(arguments, connect=connect)  # type: ignore[arg-type]  # never a client
        said = capsys.readouterr()
        assert "AssertionError" not in said.err
        return Ran(status, said.out, said.err)

    return run


@pytest.fixture
def good(tmp_path: Path) -> Path:
    path = tmp_path / "good.json"
    path.write_text(scenes.small().running.model_dump_json())
    return path


@pytest.fixture
def clashing(tmp_path: Path) -> Path:
    """A document whose fields are fine one by one, and whose VIP is an interface's address."""
    path = tmp_path / "clashing.yaml"
    path.write_text(
        "cluster: {layer7: [{label: web, addresses: [192.168.2.21], ports: 80}]}\n"
        "local: {interfaces: [{name: eth0, addresses: [192.168.2.21/24]}]}\n"
    )
    return path


def tree(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def test_a_good_document_is_status_0_and_words_only(good: Path, ballast: Ballast) -> None:
    assert ballast("check", str(good)) == Ran(
        0, "", "The document is valid. Virtual services: 4, real servers: 8.\n"
    )


def test_a_rule_between_objects_is_judged_too(clashing: Path, ballast: Ballast) -> None:
    ran = ballast("check", str(clashing))
    assert (ran.status, ran.out) == (1, "")
    assert "  cluster.layer7[0].addresses" in ran.err


def test_problems_come_as_json_for_programs(
    good: Path, clashing: Path, ballast: Ballast, tmp_path: Path
) -> None:
    ran = ballast("check", str(clashing), "--json")
    assert ran.status == 1
    (problem,) = ran.json
    assert problem["path"][:3] == ["cluster", "layer7", 0]
    assert problem["where"].startswith("cluster.layer7[0].addresses")
    assert problem["what"]
    assert problem["do"]
    (tmp_path / "form.json").write_text('{"cluster": 5, "colour": {}}')
    assert len(ballast("check", str(tmp_path / "form.json"), "--json").json) == 2
    assert ballast("check", str(good), "--json").json == []


@pytest.mark.parametrize("name", ["missing.yaml", "."])
def test_what_is_no_file_is_refused(name: str, ballast: Ballast, tmp_path: Path) -> None:
    ran = ballast("check", str(tmp_path / name), "--json")
    assert (ran.status, ran.out) == (1, "")
    assert len(ran.err.splitlines()) == 1


def test_render_writes_every_file_under_the_folder(
    good: Path, ballast: Ballast, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    ran = ballast("render", str(good), "--out", str(out))
    assert (ran.status, ran.err) == (0, "")
    written = [Path(line) for line in ran.out.splitlines()]
    assert {path.name for path in written} == {"haproxy.cfg", "hostname", "hosts", "resolv.conf"}
    assert {str(path.relative_to(out)) for path in written} == set(tree(out))
    assert stat.S_IMODE((out / "etc/hostname").stat().st_mode) == 0o644
    again = ballast("render", str(good), "--out", str(out), "--json")
    assert again.json == ran.out.splitlines()


def test_the_same_document_makes_the_same_bytes_with_or_without_ids(
    good: Path, ballast: Ballast, tmp_path: Path
) -> None:
    plain = json.loads(good.read_text())
    for service in plain["cluster"]["layer7"]:
        del service["id"]
        for server in service["servers"]:
            del server["id"]
    good.write_text(json.dumps(plain))
    for name in ("one", "two"):
        assert ballast("render", str(good), "--out", str(tmp_path / name)).status == 0
    assert tree(tmp_path / "one") == tree(tmp_path / "two")


def test_a_document_with_problems_writes_nothing(
    clashing: Path, ballast: Ballast, tmp_path: Path
) -> None:
    ran = ballast("render", str(clashing), "--out", str(tmp_path / "out"))
    assert (ran.status, ran.out) == (1, "")
    assert not (tmp_path / "out").exists()


def test_a_folder_that_cannot_be_written_is_told(
    good: Path, ballast: Ballast, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("")
    ran = ballast("render", str(good), "--out", str(tmp_path / "file"))
    assert (ran.status, ran.out) == (3, "")
    assert "could not be written" in ran.err
    assert ballast("render", str(good)).status == 2


def test_the_schema_describes_what_a_document_is(ballast: Ballast) -> None:
    schema = ballast("schema").json
    assert schema == Document.model_json_schema()
    ports = schema["$defs"]["VirtualService"]["properties"]["ports"]
    assert ports["description"] == "80 or 80,443 or 1000-1010."


@pytest.mark.needs("haproxy")
def test_haproxy_itself_accepts_what_was_rendered(
    good: Path, ballast: Ballast, tmp_path: Path
) -> None:
    ballast("render", str(good), "--out", str(tmp_path))
    judged = subprocess.run(
        ["haproxy", "-c", "-f", str(tmp_path / "run/ballast/haproxy/haproxy.cfg")],
        capture_output=True,
        timeout=30,
        check=False,
    )
    assert judged.returncode == 0, judged.stderr.decode()


def test_ten_thousand_servers_are_checked_within_two_seconds(tmp_path: Path) -> None:
    path = tmp_path / "large.json"
    document = scenes.crowd(11_000, servers=10).running
    path.write_text(document.model_dump_json())
    assert sum(len(service.servers) for service in document.cluster.layer7) == 10_000
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(
        [sys.executable, "-m", "services.cli", "check", str(path)],
        capture_output=True,
        timeout=60,
        cwd=ROOT,
        check=False,
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert done.returncode == 0, done.stderr.decode()[:2000]
    # of the processor, not of the wall clock: other tests run beside this one
    assert (after.ru_utime + after.ru_stime) - (before.ru_utime + before.ru_stime) < 2
