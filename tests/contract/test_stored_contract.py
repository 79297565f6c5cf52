# SPDX-License-Identifier: Apache-2.0
"""What every appliance does with secrets and scripts, like `test_appliance_contract`."""

from __future__ import annotations

import pytest

from console.appliance import Appliance
from services.api import ApplyRequest, Edit, StoredKind
from services.errors import ConfigInvalid, NotFound, Refused
from services.model import Document
from tests.contract.conftest import base

MAIL = {
    "id": 72,
    "label": "mail",
    "addresses": ["192.168.2.111"],
    "ports": "143",
    "servers": [{"id": 721, "label": "mail1", "address": "192.168.2.101"}],
    "check": {"kind": "negotiate", "protocol": "imap", "login": "anna", "password": "contract"},
}


def with_mail() -> Document:
    tree = base().model_dump(mode="json")
    tree["cluster"]["layer4"] = [MAIL]
    return Document.model_validate(tree)


async def test_what_is_stored_is_listed_by_name_and_thrown_away_again(appliance: Appliance) -> None:
    for kind, text in ((StoredKind.SECRET, "Kn0bel"), (StoredKind.SCRIPT, "#!/bin/sh\nexit 0\n")):
        await appliance.store(kind, "kept", text)
        [kept] = [each for each in await appliance.stored(kind) if each.name == "kept"]
        assert bool(kept.size) is (kind is StoredKind.SCRIPT)
        if kind is StoredKind.SCRIPT:
            assert (await appliance.script("kept")).text == text
        await appliance.forget(kind, "kept")
        assert "kept" not in {each.name for each in await appliance.stored(kind)}
        with pytest.raises(NotFound):
            await appliance.forget(kind, "kept")
    with pytest.raises(NotFound):
        await appliance.script("kept")
    assert not any("Kn0bel" in entry.what for entry in await appliance.journal(50))


@pytest.mark.parametrize(
    ("kind", "name", "text"),
    [
        (StoredKind.SECRET, "empty", ""),
        (StoredKind.SECRET, "..%2Fup", "x"),
        (StoredKind.SCRIPT, "bare", "exit 0"),
    ],
)
async def test_what_will_not_do_is_not_stored(
    appliance: Appliance, kind: StoredKind, name: str, text: str
) -> None:
    with pytest.raises(Refused):
        await appliance.store(kind, name, text)
    assert name not in {each.name for each in await appliance.stored(kind)}


async def test_a_document_that_names_a_secret_nobody_stored_is_refused(
    appliance: Appliance,
) -> None:
    for attempt in (appliance.apply, appliance.plan):
        with pytest.raises(ConfigInvalid) as refused:
            await attempt(ApplyRequest(document=with_mail()))
        [problem] = refused.value.problems
        assert problem.where == "cluster.layer4[0].check.password"
        assert "ballast secret set contract" in problem.do
    after = {name: value for name, value in MAIL.items() if name != "servers"}
    draft = await appliance.edit(Edit(key="layer4/72", before=None, after=after, label="mail"))
    assert any("not stored" in problem.what for problem in draft.problems)
