# SPDX-License-Identifier: Apache-2.0
"""What every appliance does behind `services.client.Client`'s methods, scripted or real.

Run here on the scripted appliance that the console's tests use, and in
`tests/peers/test_appliance_contract.py` on the agent behind its socket: a screen tested
against the one then works against the other.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from console.appliance import Appliance
from services.api import (
    AccessRole,
    AddressProbe,
    ApplyRequest,
    DraftApply,
    Edit,
    Effect,
    Health,
    KnobRequest,
    PowerAction,
    PowerRequest,
    Status,
    System,
)
from services.api_reports import ConnectionQuery
from services.draft import objects
from services.errors import ConfigInvalid, EditConflict, NotFound, Refused, Unable
from services.model import Document, RealServer, ServerState, VirtualService
from tests.contract.conftest import base
from tests.poll import eventually_async

NEW_SERVICE, NEW_SERVER = 1_999_000_001, 1_999_000_002


SERVICE, SERVER = "layer7/71", "layer7/71/711"


async def bare(appliance: Appliance, key: str) -> dict[str, Any]:
    return objects((await appliance.document()).document)[key]


async def change(appliance: Appliance, key: str, **fields: object) -> Edit:
    """An edit of the object as it runs now."""
    before = await bare(appliance, key)
    return Edit(key=key, before=before, after=before | fields, label=str(fields.get("label", "")))


async def running_servers(appliance: Appliance) -> tuple[RealServer, ...]:
    return (await appliance.document()).document.cluster.layer7[0].servers


def with_label(document: Document, label: str) -> Document:
    tree = document.model_dump(mode="json")
    tree["cluster"]["layer7"][0]["label"] = label
    return Document.model_validate(tree)


async def seen(appliance: Appliance, good: Callable[[Status], bool]) -> None:
    async def probe() -> bool:
        return good(await appliance.status())

    await eventually_async(probe)


def new_objects() -> tuple[Edit, Edit]:
    service = VirtualService.model_validate(
        {"id": NEW_SERVICE, "label": "shop", "addresses": ["192.168.2.110"], "ports": "8080"}
    ).model_dump(mode="json", exclude={"servers"})
    server = RealServer.model_validate(
        {"id": NEW_SERVER, "label": "shop1", "address": "192.168.2.101", "port": 80}
    ).model_dump(mode="json")
    return (
        Edit(key=f"layer7/{NEW_SERVICE}", before=None, after=service, label="shop"),
        Edit(key=f"layer7/{NEW_SERVICE}/{NEW_SERVER}", before=None, after=server, label="shop1"),
    )


# ------------------------------------------------------------------------------------- looking


async def test_it_says_who_is_asking_and_what_they_may_do(appliance: Appliance) -> None:
    who = await appliance.whoami()
    assert who.user
    assert who.role is AccessRole.ADMIN
    assert who.draft


async def test_status_document_and_revisions_agree(appliance: Appliance) -> None:
    status, document = await appliance.status(), await appliance.document()
    newest = (await appliance.revisions())[0]
    assert status.node.revision == document.info.number == newest.number
    assert [service.label for service in status.services] == ["web"]
    assert [server.label for server in status.services[0].servers] == ["web1", "web2", "web3"]
    assert status.node.hostname == document.document.local.hostname
    stored = await appliance.revision(newest.number)
    assert stored.document == document.document


async def test_revisions_come_newest_first_and_unknown_ones_are_not_found(
    appliance: Appliance,
) -> None:
    await appliance.apply(ApplyRequest(document=with_label(base(), "web2nd"), why="to see"))
    numbers = [info.number for info in await appliance.revisions()]
    assert numbers == sorted(numbers, reverse=True)
    assert (await appliance.revisions())[0].why == "to see"
    with pytest.raises(NotFound):
        await appliance.revision(1_000_000)


async def test_reports_of_layer_4_are_empty_or_refused_where_there_is_none(
    appliance: Appliance,
) -> None:
    assert (await appliance.layer4()).services == ()
    with pytest.raises(Refused, match="neither an address nor a network"):
        await appliance.current_connections(ConnectionQuery(client="web1"))
    with pytest.raises(NotFound, match="`web`"):
        await appliance.current_connections(ConnectionQuery(service="web"))


# ------------------------------------------------------------------------------------- drafts


async def test_an_empty_draft_is_the_running_document(appliance: Appliance) -> None:
    draft = await appliance.draft()
    assert (draft.edits, draft.problems, draft.clashes) == ((), (), ())
    assert draft.document == (await appliance.document()).document
    assert draft.base == (await appliance.status()).node.revision


async def test_an_edit_changes_the_draft_and_not_what_runs(appliance: Appliance) -> None:
    edit = await change(appliance, SERVICE, label="shop")
    draft = await appliance.edit(edit)
    assert draft.edits == (edit,)
    assert draft.document is not None
    assert draft.document.cluster.layer7[0].label == "shop"
    assert len(draft.document.cluster.layer7[0].servers) == 3
    assert (await appliance.document()).document.cluster.layer7[0].label == "web"
    assert await appliance.draft() == draft


async def test_a_second_edit_goes_on_from_the_first_and_coming_back_is_none(
    appliance: Appliance,
) -> None:
    first = await change(appliance, SERVICE, label="one")
    await appliance.edit(first)
    assert first.after is not None
    two = first.after | {"label": "two"}
    draft = await appliance.edit(Edit(key=SERVICE, before=first.after, after=two))
    assert [(edit.before, edit.after) for edit in draft.edits] == [(first.before, two)]
    draft = await appliance.edit(Edit(key=SERVICE, before=two, after=first.before))
    assert draft.edits == ()


async def test_new_objects_keep_the_ids_their_console_picked(appliance: Appliance) -> None:
    service, server = new_objects()
    await appliance.edit(service)
    draft = await appliance.edit(server)
    assert draft.document is not None
    last = draft.document.cluster.layer7[-1]
    assert (last.id, last.servers[0].id) == (NEW_SERVICE, NEW_SERVER)
    await appliance.apply_draft(DraftApply())
    last = (await appliance.document()).document.cluster.layer7[-1]
    assert (last.id, last.servers[0].id) == (NEW_SERVICE, NEW_SERVER)


async def test_dropping_a_service_drops_its_servers_and_leaves_the_rest(
    appliance: Appliance,
) -> None:
    service, server = new_objects()
    await appliance.edit(service)
    await appliance.edit(server)
    await appliance.edit(await change(appliance, SERVER, weight=7))
    draft = await appliance.drop_edit(service.key)
    assert [edit.key for edit in draft.edits] == [SERVER]
    assert (await appliance.discard()).edits == ()


async def test_deleting_a_service_takes_its_servers_along(appliance: Appliance) -> None:
    edit = Edit(key=SERVICE, before=await bare(appliance, SERVICE), after=None)
    draft = await appliance.edit(edit)
    assert draft.document is not None
    assert draft.document.cluster.layer7 == ()


async def test_problems_are_listed_with_paths_and_nothing_of_the_draft_is_lost(
    appliance: Appliance,
) -> None:
    edit = await change(appliance, SERVICE, addresses=["192.168.2.21"])
    draft = await appliance.edit(edit)
    assert [problem.path for problem in draft.problems] == [
        ("cluster", "layer7", 0, "addresses", 0)
    ]
    assert (await appliance.review()).plan is None
    with pytest.raises(ConfigInvalid):
        await appliance.apply_draft(DraftApply())
    assert (await appliance.draft()).edits == (edit,)


async def test_a_draft_that_deletes_the_unit_is_shown_with_its_problem(
    appliance: Appliance,
) -> None:
    draft = await appliance.edit(Edit(key="local", before=await bare(appliance, "local")))
    assert [problem.path for problem in draft.problems] == [("local",)]
    with pytest.raises(ConfigInvalid):
        await appliance.apply_draft(DraftApply())
    assert (await appliance.discard()).edits == ()


async def test_applying_a_draft_empties_it_and_makes_a_revision(appliance: Appliance) -> None:
    before = (await appliance.status()).node.revision
    await appliance.edit(await change(appliance, SERVICE, label="shop"))
    applied = await appliance.apply_draft(DraftApply(why="ticket 7"))
    assert applied.revision == before + 1
    assert applied.confirm is None
    assert (await appliance.draft()).edits == ()
    newest = (await appliance.revisions())[0]
    assert (newest.number, newest.why) == (applied.revision, "ticket 7")
    with pytest.raises(Refused):
        await appliance.apply_draft(DraftApply())


async def test_the_same_object_changed_by_somebody_else_is_a_clash(appliance: Appliance) -> None:
    mine = await change(appliance, SERVICE, label="mine")
    await appliance.edit(mine)
    await appliance.apply(ApplyRequest(document=with_label(base(), "theirs")))
    draft = await appliance.draft()
    assert draft.document is None
    assert [clash.key for clash in draft.clashes] == [SERVICE]
    assert "label" in draft.clashes[0].what
    assert draft.edits == (mine,)
    with pytest.raises(EditConflict):
        await appliance.apply_draft(DraftApply())
    theirs = await bare(appliance, SERVICE)
    draft = await appliance.edit(mine.model_copy(update={"before": theirs}))
    assert draft.clashes == ()
    await appliance.apply_draft(DraftApply())
    assert (await bare(appliance, SERVICE))["label"] == "mine"


async def test_another_object_changed_by_somebody_else_is_none(appliance: Appliance) -> None:
    await appliance.edit(await change(appliance, SERVER, weight=7))
    await appliance.apply(ApplyRequest(document=with_label(base(), "theirs")))
    assert (await appliance.draft()).clashes == ()
    await appliance.apply_draft(DraftApply())
    assert (await bare(appliance, SERVER))["weight"] == 7
    assert (await bare(appliance, SERVICE))["label"] == "theirs"


# ------------------------------------------------------------------------------------- plans


async def test_a_plan_for_what_runs_is_empty(appliance: Appliance) -> None:
    running = (await appliance.document()).document
    plan = await appliance.plan(ApplyRequest(document=running))
    assert (plan.changes, plan.diff, plan.connections) == ((), "", 0)
    assert plan.effect is Effect.NONE


async def test_a_new_label_needs_a_reload_and_a_weight_does_not(appliance: Appliance) -> None:
    await appliance.edit(await change(appliance, SERVER, weight=7))
    review = await appliance.review()
    assert review.plan is not None
    assert review.plan.effect is Effect.NONE
    assert "weight" in review.plan.diff
    await appliance.edit(await change(appliance, SERVICE, ports="81"))
    review = await appliance.review()
    assert review.plan is not None
    assert review.plan.effect is Effect.RELOAD
    assert not review.plan.confirm_advised


async def test_changing_the_units_own_address_advises_to_confirm(appliance: Appliance) -> None:
    before = await bare(appliance, "local/eth0")
    more = [*before["addresses"], "192.168.2.22/24"]
    await appliance.edit(await change(appliance, "local/eth0", addresses=more))
    review = await appliance.review()
    assert review.plan is not None
    assert review.plan.confirm_advised


# ------------------------------------------------------------------------------------- servers


async def test_a_switch_acts_at_once_and_leaves_the_draft_alone(appliance: Appliance) -> None:
    edit = await change(appliance, SERVICE, label="later")
    await appliance.edit(edit)
    await appliance.set_servers(KnobRequest(servers=((71, 711),), state=ServerState.DRAIN))
    assert (await bare(appliance, SERVER))["state"] == "drain"
    assert (await appliance.draft()).edits == (edit,)
    await seen(appliance, lambda s: s.services[0].servers[0].health is Health.DRAIN)
    await appliance.set_servers(
        KnobRequest(servers=((71, 711),), state=ServerState.ONLINE, weight=9)
    )
    assert (await bare(appliance, SERVER))["weight"] == 9


async def test_a_switch_of_a_server_in_the_draft_clashes(appliance: Appliance) -> None:
    await appliance.edit(await change(appliance, SERVER, weight=7))
    await appliance.set_servers(KnobRequest(servers=((71, 711),), state=ServerState.HALT))
    assert [clash.key for clash in (await appliance.draft()).clashes] == [SERVER]


async def test_a_server_that_is_not_there_is_not_found(appliance: Appliance) -> None:
    with pytest.raises(NotFound):
        await appliance.set_servers(KnobRequest(servers=((71, 5),), state=ServerState.HALT))


async def test_many_servers_switched_at_once_are_one_change(appliance: Appliance) -> None:
    before = (await appliance.status()).node.revision
    keys = ((71, 711), (71, 713))
    applied = await appliance.set_servers(KnobRequest(servers=keys, state=ServerState.DRAIN))
    assert applied.revision == before + 1
    states = [server.state for server in (await running_servers(appliance))]
    assert states == [ServerState.DRAIN, ServerState.ONLINE, ServerState.DRAIN]
    said = [line.what for line in await appliance.journal(20)]
    assert sum("drain web/web1, web/web3" in line for line in said) == 1


async def test_one_server_of_many_that_is_not_there_leaves_the_others(
    appliance: Appliance,
) -> None:
    keys = ((71, 711), (71, 5))
    with pytest.raises(NotFound):
        await appliance.set_servers(KnobRequest(servers=keys, state=ServerState.HALT))
    assert {server.state for server in (await running_servers(appliance))} == {ServerState.ONLINE}


async def test_a_switch_that_changes_nothing_makes_no_revision(appliance: Appliance) -> None:
    before = (await appliance.status()).node.revision
    wish = KnobRequest(servers=((71, 711),), state=ServerState.ONLINE)
    assert (await appliance.set_servers(wish)).revision == before
    assert (await appliance.revisions())[0].number == before


async def test_a_weight_out_of_range_is_refused_with_its_field(appliance: Appliance) -> None:
    with pytest.raises(ConfigInvalid) as caught:
        await appliance.set_servers(KnobRequest(servers=((71, 711),), weight=1000))
    assert [problem.where for problem in caught.value.problems] == ["weight"]
    assert (await bare(appliance, SERVER))["weight"] == 100


async def test_a_service_with_every_server_offline_on_purpose_is_off(appliance: Appliance) -> None:
    for server in (711, 712, 713):
        await appliance.set_servers(KnobRequest(servers=((71, server),), state=ServerState.HALT))
    await seen(appliance, lambda s: s.services[0].health is Health.OFF)
    status = await appliance.status()
    assert {server.health for server in status.services[0].servers} == {Health.HALT}


# ------------------------------------------------------------------------------------- windows


async def test_a_change_to_be_confirmed_runs_without_a_revision_until_it_is(
    appliance: Appliance,
) -> None:
    before = (await appliance.status()).node.revision
    await appliance.edit(await change(appliance, SERVICE, label="shop"))
    applied = await appliance.apply_draft(DraftApply(confirm_s=60))
    assert applied.revision == before
    assert applied.confirm is not None
    confirm = (await appliance.status()).node.confirm
    assert confirm is not None
    assert confirm.revision == before
    assert 50 <= confirm.seconds_left <= 60
    assert (await bare(appliance, SERVICE))["label"] == "shop"
    with pytest.raises(Refused):
        await appliance.apply(ApplyRequest(document=base()))
    assert (await appliance.confirm()).revision == before + 1
    assert (await appliance.status()).node.confirm is None
    with pytest.raises(Refused):
        await appliance.confirm()


async def test_a_switch_inside_the_window_is_refused_and_moves_nothing(
    appliance: Appliance,
) -> None:
    await appliance.edit(await change(appliance, "local", domain="new.example"))
    await appliance.apply_draft(DraftApply(confirm_s=60))
    with pytest.raises(Refused, match="waits to be confirmed"):
        await appliance.set_servers(KnobRequest(servers=((71, 711),), state=ServerState.HALT))
    [service] = (await appliance.status()).services
    assert service.servers[0].health is not Health.HALT
    await appliance.rollback()


async def test_rolling_back_inside_the_window_ends_it(appliance: Appliance) -> None:
    before = (await appliance.status()).node.revision
    await appliance.edit(await change(appliance, SERVICE, label="shop"))
    await appliance.apply_draft(DraftApply(confirm_s=60))
    assert (await appliance.rollback()).revision == before
    assert (await bare(appliance, SERVICE))["label"] == "web"
    assert (await appliance.status()).node.confirm is None


async def test_what_nobody_confirms_comes_back_by_itself_and_is_pending_again(
    appliance: Appliance,
) -> None:
    draft = await appliance.edit(await change(appliance, SERVICE, label="shop"))
    await appliance.apply_draft(DraftApply(confirm_s=1))
    assert (await appliance.draft()).edits == ()
    await seen(appliance, lambda s: s.node.confirm is None)
    assert (await bare(appliance, SERVICE))["label"] == "web"
    assert (await appliance.draft()).edits == draft.edits


async def test_what_was_confirmed_is_not_pending_again(appliance: Appliance) -> None:
    await appliance.edit(await change(appliance, SERVICE, label="shop"))
    await appliance.apply_draft(DraftApply(confirm_s=60))
    await appliance.confirm()
    assert (await appliance.draft()).edits == ()


async def test_what_runs_already_makes_no_revision(appliance: Appliance) -> None:
    running = await appliance.document()
    applied = await appliance.apply(ApplyRequest(document=running.document, why="cron"))
    assert (applied.revision, applied.changes) == (running.info.number, ())
    assert (await appliance.document()).info.number == running.info.number


# ------------------------------------------------------------------------------------- the wire


async def test_an_address_is_taken_when_somebody_on_the_wire_has_it(appliance: Appliance) -> None:
    for address in ("192.168.2.101", "fd00:2::101"):
        taken = await appliance.probe_address("eth0", address)
        assert (taken.interface, taken.address, taken.carrier) == ("eth0", address, True)
        assert len(taken.owner.split(":")) == 6
    free = AddressProbe(interface="eth0", address="192.168.2.77")
    assert await appliance.probe_address("eth0", "192.168.2.77") == free
    assert not (await appliance.probe_address("eth0", "192.168.2.21")).owner


@pytest.mark.parametrize("typed", ["", "192.168.2.77/24", "192.168.2", "fe80::1%eth0", "\x1b[2J"])
async def test_the_wire_is_asked_for_addresses_only(appliance: Appliance, typed: str) -> None:
    with pytest.raises(Refused):
        await appliance.probe_address("eth0", typed)


async def test_a_card_that_is_not_there_cannot_be_asked(appliance: Appliance) -> None:
    with pytest.raises(Unable, match="eth9 does not exist"):
        await appliance.probe_address("eth9", "192.168.2.77")


async def test_a_card_tells_its_driver_and_with_a_link_its_speed(appliance: Appliance) -> None:
    card = (await appliance.status()).node.interfaces[0]
    assert (card.name, card.driver, card.speed_mbit) == ("eth0", "veth", 10_000)


# ------------------------------------------------------------------------------------- power


@pytest.mark.parametrize("action", list(PowerAction))
async def test_the_machine_is_not_switched_without_a_reason(
    appliance: Appliance, action: PowerAction
) -> None:
    for why in ("", "  \n "):
        with pytest.raises(Refused, match="reason"):
            await appliance.power(PowerRequest(action=action, why=why))


async def test_a_machine_that_is_not_its_own_is_left_alone_and_the_journal_tells(
    appliance: Appliance,
) -> None:
    with pytest.raises(Unable):
        await appliance.power(PowerRequest(action=PowerAction.RESTART, why="new kernel"))
    newest = (await appliance.journal(1))[0]
    assert "the machine: new kernel" in newest.what


# ------------------------------------------------------------------------------------- history


async def test_going_back_makes_a_new_revision_of_the_old_document(appliance: Appliance) -> None:
    old = (await appliance.status()).node.revision
    await appliance.apply(ApplyRequest(document=with_label(base(), "other")))
    applied = await appliance.rollback(old)
    assert applied.revision == old + 2
    assert (await bare(appliance, SERVICE))["label"] == "web"
    with pytest.raises(NotFound):
        await appliance.rollback(1_000_000)


async def test_a_document_made_from_another_revision_is_refused(appliance: Appliance) -> None:
    old = (await appliance.status()).node.revision
    await appliance.apply(ApplyRequest(document=with_label(base(), "other"), base=old))
    with pytest.raises(EditConflict):
        await appliance.apply(ApplyRequest(document=base(), base=old))


async def test_the_journal_tells_what_was_done_newest_first(appliance: Appliance) -> None:
    await appliance.set_servers(KnobRequest(servers=((71, 711),), state=ServerState.DRAIN))
    await appliance.apply(ApplyRequest(document=with_label(base(), "other"), why="the last one"))
    entries = await appliance.journal(50)
    assert "the last one" in entries[0].what
    assert any("drain web/web1" in entry.what for entry in entries)
    assert len(await appliance.journal(1)) == 1


async def test_the_doctor_examines_one_service_or_all(appliance: Appliance) -> None:
    for service in (None, 71):
        report = await appliance.examine(service)
        assert {finding.service for finding in report.findings} == {"web"}
    with pytest.raises(NotFound):
        await appliance.examine(72)


async def test_servers_of_layer_7_have_no_set_up(appliance: Appliance) -> None:
    with pytest.raises(NotFound, match="No layer 4 service"):
        await appliance.server_setup(71, 711, System.LINUX)
    with pytest.raises(NotFound, match="no such real server"):
        await appliance.server_setup(71, 9, System.LINUX)
