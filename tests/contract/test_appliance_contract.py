# SPDX-License-Identifier: Apache-2.0
"""What every appliance does for its console: the scripted one, and the agent on its socket.

The scripted appliance stands in for the agent in every test of a screen, so both answer
these cases alike. A case begins with one service `web` of two servers and an empty draft.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator

import pytest

from services.api import AccessRole, ApplyRequest, DraftApply, Edit, Health, KnobRequest
from services.client import Client
from services.draft import objects
from services.errors import ConfigInvalid, EditConflict, NotFound, Refused
from services.model import Document, ServerState
from tests.fakes.appliance import ScriptedAppliance
from tests.lab import Lab

Appliance = Client | ScriptedAppliance
Case = Callable[[Appliance], Awaitable[None]]
CASES: list[Case] = []

WEB, WEB1 = "layer7/7", "layer7/7/1"
BEGINNING = Document.model_validate(
    {
        "cluster": {
            "layer7": [
                {
                    "id": 7,
                    "label": "web",
                    "addresses": ["192.168.2.100"],
                    "ports": "80",
                    "servers": [
                        {"id": 1, "label": "web1", "address": "192.168.2.101", "port": 80},
                        {"id": 2, "label": "web2", "address": "192.168.2.102", "port": 80},
                    ],
                }
            ]
        }
    }
)


def case(function: Case) -> Case:
    CASES.append(function)
    return function


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.__name__)
async def test_as_scripted(case: Case) -> None:
    await case(ScriptedAppliance(running=BEGINNING))


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    with Lab(servers=2, spares=0) as lab:
        lab.start_agent(first={})
        yield lab


@pytest.mark.needs("root", "netns", "haproxy")
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.__name__)
async def test_as_the_agent(case: Case, lab: Lab) -> None:
    client = Client(lab.socket)
    try:
        await client.discard()
        if (await client.status()).node.confirm is not None:
            await client.rollback()
        await client.apply(ApplyRequest(document=BEGINNING))
        await case(client)
    finally:
        await client.aclose()


def edit(document: Document, key: str, **fields: object) -> Edit:
    before = objects(document)[key]
    return Edit(key=key, before=before, after={**before, **fields})


def commented(document: Document, comment: str) -> Document:
    local = document.local.model_copy(update={"domain": comment})
    return document.model_copy(update={"local": local})


@case
async def the_account_that_owns_it_may_do_everything(appliance: Appliance) -> None:
    assert (await appliance.whoami()).role is AccessRole.ADMIN


@case
async def a_draft_is_planned_applied_and_then_empty(appliance: Appliance) -> None:
    before = await appliance.document()
    await appliance.edit(edit(before.document, WEB, max_connections=500))
    review = await appliance.review()
    assert [found.key for found in review.draft.edits] == [WEB]
    assert review.plan is not None
    assert "reload HAProxy" in [change.what for change in review.plan.changes]
    assert "max_connections: 500" in review.plan.diff
    applied = await appliance.apply_draft(DraftApply(why="less"))
    after = await appliance.document()
    assert applied.revision == after.info.number == before.info.number + 1
    assert after.document.cluster.layer7[0].max_connections == 500
    assert (await appliance.draft()).edits == ()


@case
async def an_edit_can_be_dropped_and_a_draft_discarded(appliance: Appliance) -> None:
    document = (await appliance.document()).document
    await appliance.edit(edit(document, WEB, ports="8080"))
    await appliance.edit(edit(document, WEB1, weight=5))
    assert [found.key for found in (await appliance.drop_edit(WEB)).edits] == []
    await appliance.edit(edit(document, WEB1, weight=5))
    assert (await appliance.discard()).edits == ()
    with pytest.raises(Refused, match="nothing to apply"):
        await appliance.apply_draft(DraftApply())


@case
async def a_draft_that_breaks_a_rule_says_so_and_is_not_applied(appliance: Appliance) -> None:
    before = await appliance.document()
    view = await appliance.edit(edit(before.document, WEB, addresses=["192.168.2.21"]))
    assert [problem.path[-2:] for problem in view.problems] == [("addresses", 0)]
    assert (await appliance.review()).plan is None
    with pytest.raises(ConfigInvalid):
        await appliance.apply_draft(DraftApply())
    assert (await appliance.document()) == before
    assert len((await appliance.draft()).edits) == 1


@case
async def an_object_changed_underneath_clashes_and_the_edit_is_kept(appliance: Appliance) -> None:
    document = (await appliance.document()).document
    await appliance.edit(edit(document, WEB1, weight=5))
    await appliance.set_server(7, 1, KnobRequest(weight=9))
    with pytest.raises(EditConflict) as caught:
        await appliance.apply_draft(DraftApply())
    assert [clash.key for clash in caught.value.clashes] == [WEB1]
    view = await appliance.draft()
    assert [found.after and found.after["weight"] for found in view.edits] == [5]
    assert view.document is None


@case
async def a_drained_server_shows_so_and_keeps_its_weight(appliance: Appliance) -> None:
    await appliance.set_server(7, 1, KnobRequest(state=ServerState.DRAIN))
    [service] = (await appliance.status()).services
    assert service.servers[0].health is Health.DRAIN
    await appliance.set_server(7, 1, KnobRequest(state=ServerState.ONLINE))
    web1 = (await appliance.document()).document.cluster.layer7[0].servers[0]
    assert (web1.state, web1.weight) == (ServerState.ONLINE, 100)


@case
async def a_server_nobody_knows_is_not_found(appliance: Appliance) -> None:
    with pytest.raises(NotFound):
        await appliance.set_server(7, 99, KnobRequest(weight=9))


@case
async def a_document_made_from_another_revision_is_refused(appliance: Appliance) -> None:
    before = await appliance.document()
    old = before.info.number - 1
    with pytest.raises(EditConflict):
        await appliance.apply(ApplyRequest(document=before.document, base=old))
    assert await appliance.document() == before


@case
async def a_window_holds_others_off_and_goes_back_on_request(appliance: Appliance) -> None:
    before = await appliance.document()
    wish = ApplyRequest(document=commented(before.document, "new.example"), confirm_s=60)
    applied = await appliance.apply(wish)
    assert applied.confirm is not None
    assert applied.confirm.revision == before.info.number
    with pytest.raises(Refused, match="waits to be confirmed"):
        await appliance.apply(ApplyRequest(document=before.document))
    await appliance.rollback()
    assert await appliance.document() == before
    with pytest.raises(Refused, match="Nothing waits"):
        await appliance.confirm()


@case
async def a_confirmed_window_is_a_revision(appliance: Appliance) -> None:
    before = await appliance.document()
    wish = ApplyRequest(document=commented(before.document, "new.example"), confirm_s=60)
    await appliance.apply(wish)
    await appliance.confirm()
    after = await appliance.document()
    assert after.info.number == before.info.number + 1
    assert after.document.local.domain == "new.example"


@case
async def an_earlier_revision_can_be_read_and_brought_back(appliance: Appliance) -> None:
    before = await appliance.document()
    await appliance.apply(ApplyRequest(document=commented(before.document, "other.example")))
    assert (await appliance.revision(before.info.number)).document == before.document
    assert (await appliance.revisions())[1].number == before.info.number
    await appliance.rollback()
    assert (await appliance.document()).document == before.document
    with pytest.raises(NotFound):
        await appliance.revision(999_999)


@case
async def the_journal_names_who_did_what(appliance: Appliance) -> None:
    user = (await appliance.whoami()).user
    document = (await appliance.document()).document
    wish = ApplyRequest(document=commented(document, "j.example"), why="for the journal")
    await appliance.apply(wish)
    newest = (await appliance.journal(1))[0]
    assert newest.who == user
    assert "for the journal" in newest.what
