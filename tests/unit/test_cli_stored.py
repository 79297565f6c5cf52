# SPDX-License-Identifier: Apache-2.0
"""`ballast secret` and `ballast script`."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from services.api import StoredKind
from services.model import CheckType, Layer4Check
from tests.fakes import scenes
from tests.fakes.appliance import ScriptedAppliance
from tests.unit.cli import Ballast, against

SCRIPT = "#!/bin/sh\nexit 0\n"


class _Input(io.TextIOWrapper):
    def __init__(self, content: bytes) -> None:
        super().__init__(io.BytesIO(content))


@pytest.fixture
def fake() -> ScriptedAppliance:
    return scenes.small()


@pytest.fixture
def ballast(fake: ScriptedAppliance, capsys: pytest.CaptureFixture[str]) -> Ballast:
    return against(fake, capsys)


def test_a_secret_comes_from_standard_input_and_is_shown_nowhere(
    fake: ScriptedAppliance, ballast: Ballast, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", _Input(b"Kn0bel\n"))
    ran = ballast("secret", "set", "mail")
    assert (ran.status, ran.out) == (0, "")
    assert "The secret mail is stored." in ran.err
    assert fake.files.texts[StoredKind.SECRET]["mail"].strip() == "Kn0bel"
    told = ballast("secret", "list"), ballast("secret", "list", "--json"), ballast("journal")
    assert told[1].json == ["mail"]
    assert all("mail" in each.out and "Kn0bel" not in each.out + each.err for each in told)
    assert ballast("secret", "delete", "mail").status == 0
    again = ballast("secret", "delete", "mail")
    assert (again.status, again.out) == (1, "")


def test_a_script_comes_from_a_file_or_standard_input(
    ballast: Ballast, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "look"
    file.write_text(SCRIPT)
    assert ballast("script", "add", "one", str(file)).status == 0
    monkeypatch.setattr("sys.stdin", _Input(SCRIPT.encode()))
    assert ballast("script", "add", "two", "-").status == 0
    listed = ballast("script", "list", "--json").json
    assert listed == [{"name": name, "size": len(SCRIPT)} for name in ("one", "two")]
    assert ballast("script", "delete", "one").status == 0
    assert "one" not in ballast("script", "list").out


def test_a_script_is_shown_as_it_was_stored_and_on_a_terminal_does_nothing_to_it(
    ballast: Ballast, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hostile = "#!/bin/sh\nif true; then\n\techo '\x1b[2J\u202e'; fi"
    (tmp_path / "look").write_text(hostile)
    assert ballast("script", "add", "one", str(tmp_path / "look")).status == 0
    assert ballast("script", "show", "one").out == hostile
    assert ballast("script", "show", "one", "--json").json == {"name": "one", "text": hostile}
    with monkeypatch.context() as patched:
        patched.setattr("sys.stdout.isatty", lambda: True, raising=False)
        shown = ballast("script", "show", "one").out
    assert shown == "#!/bin/sh\nif true; then\n        echo '\\x1b[2J\\u202e'; fi\n"
    absent = ballast("script", "show", "two")
    assert (absent.status, absent.out) == (1, "")
    assert ballast("secret", "show", "one").status == 2


def test_the_lists_tell_who_needs_each(capsys: pytest.CaptureFixture[str]) -> None:
    fake = scenes.layer4()
    check = Layer4Check(kind=CheckType.EXTERNAL, script="one")
    services = [
        service.model_copy(update={"check": check}) for service in fake.running.cluster.layer4
    ]
    cluster = fake.running.cluster.with_services(services)
    fake.running = fake.running.model_copy(update={"cluster": cluster})
    for name in ("one", "two"):
        fake.files.put(StoredKind.SCRIPT, name, SCRIPT)
    lines = against(fake, capsys)("script", "list").out.splitlines()
    assert [line.split() for line in lines[1:]] == [["one", "17", "shop,", "names"], ["two", "17"]]


@pytest.mark.parametrize(
    ("content", "told"),
    [(b"\xff\xfe", "is not in UTF-8"), (b"#" * 70_000, "is larger than 64 kB")],
)
def test_what_is_no_text_or_too_long_is_refused(
    ballast: Ballast, tmp_path: Path, content: bytes, told: str
) -> None:
    file = tmp_path / "look"
    file.write_bytes(content)
    ran = ballast("script", "add", "one", str(file))
    assert ran.status == 1
    assert told in ran.err
    missing = ballast("script", "add", "one", str(tmp_path / "nobody"))
    assert missing.status == 1
    assert "cannot be read" in missing.err
