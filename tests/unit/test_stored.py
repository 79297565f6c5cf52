# SPDX-License-Identifier: Apache-2.0
"""Secrets and scripts beside the document: what is taken, where it lies, who may not lose it."""

from __future__ import annotations

import stat
from pathlib import Path
from typing import Any

import pytest

from services.agent.stored import LONGEST_SECRET, Stored
from services.api import LARGEST_STORED, StoredFile, StoredKind, StoreRequest
from services.errors import NotFound, Refused
from services.model import Document

SCRIPT = "#!/bin/sh\nexit 0\n"


@pytest.fixture
def stored(tmp_path: Path) -> Stored:
    return Stored(tmp_path)


def checked(**check: Any) -> Document:
    service = {
        "label": "mail",
        "addresses": ["192.168.2.110"],
        "ports": "143",
        "check": check,
        "servers": [{"label": "mail1", "address": "192.168.2.101"}],
    }
    return Document.model_validate({"cluster": {"layer4": [service]}})


IMAP = {"kind": "negotiate", "protocol": "imap", "login": "anna", "password": "mail"}
EXTERNAL = {"kind": "external", "script": "look"}


def test_a_secret_is_for_root_alone_and_only_its_name_is_told(
    stored: Stored, tmp_path: Path
) -> None:
    assert stored.put(StoredKind.SECRET, "mail", "Kn0bel\n")
    assert stored.listed(StoredKind.SECRET) == (StoredFile(name="mail"),)
    assert stored.secret_of("mail") == "Kn0bel"
    [file] = (path for path in tmp_path.rglob("mail"))
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700
    assert "Kn0bel" not in repr(StoreRequest(text="Kn0bel"))


def test_the_units_own_secrets_are_no_checks_secrets(stored: Stored, tmp_path: Path) -> None:
    own = tmp_path / "secrets" / "heartbeat-authkeys"
    own.parent.mkdir()
    own.write_text("auth 1\n1 sha1 00\n")
    assert stored.names(StoredKind.SECRET) == ()
    assert stored.secret_of("heartbeat-authkeys") == ""
    with pytest.raises(NotFound):
        stored.remove(StoredKind.SECRET, "heartbeat-authkeys")
    stored.put(StoredKind.SECRET, "heartbeat-authkeys", "another")
    assert own.read_text().startswith("auth 1")


def test_a_script_may_be_read_and_started_by_everybody_and_changed_by_nobody(
    stored: Stored,
) -> None:
    assert stored.put(StoredKind.SCRIPT, "look", SCRIPT.replace("\n", "\r\n"))
    file = stored.scripts / "look"
    assert file.read_text() == SCRIPT
    assert stat.S_IMODE(file.stat().st_mode) == 0o755
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o755
    assert not stored.put(StoredKind.SCRIPT, "look", SCRIPT)
    assert stored.listed(StoredKind.SCRIPT) == (StoredFile(name="look", size=len(SCRIPT)),)


def test_a_script_is_read_back_and_nothing_else_is(stored: Stored, tmp_path: Path) -> None:
    stored.put(StoredKind.SCRIPT, "look", SCRIPT)
    stored.put(StoredKind.SECRET, "mail", "Kn0bel")
    assert stored.script("look") == SCRIPT
    with pytest.raises(NotFound, match="There is no script mail"):
        stored.script("mail")
    for name in ("../secrets/checks/mail", ".hidden", "", "look/../../secrets/checks/mail"):
        with pytest.raises(Refused, match="is no name of a stored file"):
            stored.script(name)
    (tmp_path / "scripts" / "binary").write_bytes(b"#!/bin/sh\xff")
    with pytest.raises(Refused, match="is not in UTF-8"):
        stored.script("binary")


@pytest.mark.parametrize(
    ("kind", "name", "text", "told"),
    [
        (StoredKind.SECRET, "../journal", "x", "is no name of a stored file"),
        (StoredKind.SECRET, "", "x", "is no name of a stored file"),
        (StoredKind.SCRIPT, ".hidden", SCRIPT, "is no name of a stored file"),
        (StoredKind.SECRET, "a", "\n", "would be empty"),
        (StoredKind.SECRET, "a", "x" * (LONGEST_SECRET + 1), "is longer than"),
        (StoredKind.SECRET, "a", "one\ntwo\nthree", "more than two lines"),
        (StoredKind.SECRET, "a", "one\x00", "control characters"),
        (StoredKind.SCRIPT, "a", "exit 0\n", "does not say what runs it"),
        (StoredKind.SCRIPT, "a", "#!/bin/sh\n\0", "does not say what runs it"),
        (StoredKind.SCRIPT, "a", "#!/bin/sh\n" + "#" * LARGEST_STORED, "is larger than 64 kB"),
    ],
)
def test_what_will_not_do_is_refused_and_nothing_is_stored(
    stored: Stored, tmp_path: Path, kind: StoredKind, name: str, text: str, told: str
) -> None:
    with pytest.raises(Refused, match=told) as refused:
        stored.put(kind, name, text)
    assert refused.value.do
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("kind", "check", "name", "remedy"),
    [
        (StoredKind.SECRET, IMAP, "mail", "Store it: `ballast secret set mail`,"),
        (StoredKind.SCRIPT, EXTERNAL, "look", "Store it: `ballast script add look`,"),
    ],
)
def test_a_document_that_names_what_is_missing_is_told_the_remedy(
    stored: Stored, kind: StoredKind, check: dict[str, str], name: str, remedy: str
) -> None:
    document = checked(**check)
    [problem] = stored.missing(document)
    assert problem.where.startswith("cluster.layer4[0].check.")
    assert problem.do.startswith(remedy)
    stored.put(kind, name, SCRIPT)
    assert stored.missing(document) == []
    with pytest.raises(Refused, match="is needed for the checks of mail"):
        stored.require_unused(document, kind, name)
    stored.require_unused(checked(kind="connect"), kind, name)
    stored.remove(kind, name)
    assert stored.names(kind) == ()


def test_a_name_that_the_chosen_check_has_no_use_for_is_not_missed(stored: Stored) -> None:
    assert stored.missing(checked(kind="connect", password="mail", script="look")) == []
