# SPDX-License-Identifier: Apache-2.0
"""Drafts merge by object: two people meet only where both changed the same one."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given

from services.api import Edit
from services.draft import assembled, merge, objects, with_edit, without_edit
from services.model import Document
from tests.strategies import documents

WEB, MAIL, NEW = "layer7/1", "layer7/2", "layer7/3"
WEB1, WEB2 = "layer7/1/11", "layer7/1/12"


def server(number: int, label: str, last: int) -> dict[str, Any]:
    return {"id": number, "label": label, "address": f"192.0.2.{last}", "port": 80}


@pytest.fixture
def document() -> Document:
    return Document.model_validate(
        {
            "cluster": {
                "layer7": [
                    {
                        "id": 1,
                        "label": "web",
                        "addresses": ["198.51.100.1"],
                        "ports": "80",
                        "servers": [server(11, "web1", 11), server(12, "web2", 12)],
                    },
                    {"id": 2, "label": "mail", "addresses": ["198.51.100.2"], "ports": "25"},
                ]
            }
        }
    )


def change(key: str, before: object, after: object, label: str = "") -> Edit:
    return Edit.model_validate({"key": key, "before": before, "after": after, "label": label})


def edit(document: Document, key: str, **fields: Any) -> Edit:
    before = objects(document)[key]
    return change(key, before, {**before, **fields}, label=key)


@given(documents())
def test_taking_apart_and_assembling_gives_the_same_document(document: Document) -> None:
    assert Document.model_validate(assembled(objects(document))) == document


def test_edits_of_two_objects_by_two_people_both_count(document: Document) -> None:
    mine = edit(document, WEB1, weight=50)
    theirs = merge(document, [edit(document, WEB2, weight=10)]).document
    assert theirs is not None
    both = merge(theirs, [mine]).document
    assert both is not None
    assert [found.weight for found in both.cluster.layer7[0].servers] == [50, 10]


def test_an_object_changed_underneath_is_a_clash_that_names_the_fields(document: Document) -> None:
    theirs = merge(document, [edit(document, WEB1, weight=10)]).document
    assert theirs is not None
    merged = merge(theirs, [edit(document, WEB1, port=8080)])
    assert merged.document is None
    assert [str(clash.what) for clash in merged.clashes] == [
        "layer7/1/11 was changed meanwhile: weight."
    ]


def test_the_same_change_by_two_people_is_no_clash(document: Document) -> None:
    mine = edit(document, WEB1, weight=10)
    theirs = merge(document, [mine]).document
    assert theirs is not None
    assert merge(theirs, [mine]).document == theirs


def test_deleting_a_service_takes_its_servers_along(document: Document) -> None:
    gone = merge(document, [change(WEB, objects(document)[WEB], None)]).document
    assert gone is not None
    assert [service.label for service in gone.cluster.layer7] == ["mail"]


def test_a_server_for_a_service_deleted_meanwhile_is_a_clash(document: Document) -> None:
    theirs = merge(document, [change(WEB, objects(document)[WEB], None)]).document
    assert theirs is not None
    merged = merge(theirs, [change(f"{WEB}/99", None, server(99, "web9", 9), "web/web9")])
    assert [clash.what for clash in merged.clashes] == [
        "The service of web/web9 was deleted meanwhile."
    ]


def test_a_new_service_with_its_server_lands_at_the_end(document: Document) -> None:
    service = {"label": "api", "addresses": ["198.51.100.3"], "ports": "80"}
    edits = [change(NEW, None, service), change(f"{NEW}/31", None, server(31, "api1", 31))]
    merged = merge(document, edits).document
    assert merged is not None
    last = merged.cluster.layer7[-1]
    assert (last.id, last.label, last.servers[0].id) == (3, "api", 31)


def test_an_object_keeps_the_id_its_key_names(document: Document) -> None:
    before = objects(document)[WEB1]
    merged = merge(document, [change(WEB1, before, {**before, "id": 12, "weight": 7})]).document
    assert merged is not None
    assert [(found.id, found.weight) for found in merged.cluster.layer7[0].servers] == [
        (11, 7),
        (12, 100),
    ]


def test_a_field_the_model_refuses_is_a_problem_with_its_path(document: Document) -> None:
    merged = merge(document, [edit(document, WEB2, port=0), edit(document, MAIL, ports="80,,90")])
    assert merged.document is None
    assert [problem.where for problem in merged.problems] == [
        "cluster.layer7[0].servers[1].port",
        "cluster.layer7[1].ports",
    ]


def test_nat_entries_and_the_advanced_settings_are_objects_of_their_own(
    document: Document,
) -> None:
    entry = {"label": "mail1", "address": "198.51.100.9", "server": "192.0.2.9"}
    merged = merge(
        document,
        [
            change("nat/7", None, entry),
            edit(document, "layer4_advanced", tcp_timeout_s=60, auto_nat="eth0"),
            edit(document, WEB, ports="81"),
        ],
    ).document
    assert merged is not None
    assert [(each.id, each.label) for each in merged.cluster.nat] == [(7, "mail1")]
    assert merged.cluster.layer4_advanced.auto_nat == "eth0"
    assert merged.cluster.layer7[0].ports == "81"

    gone = merge(merged, [change("nat/7", objects(merged)["nat/7"], None)]).document
    assert gone is not None
    assert gone.cluster.nat == ()
    [clash] = merge(gone, [edit(merged, "nat/7", server="192.0.2.8")]).clashes
    assert clash.what == "nat/7 was deleted meanwhile."


def test_advanced_settings_that_are_deleted_are_the_factorys_again(document: Document) -> None:
    changed = merge(document, [edit(document, "layer4_advanced", tcp_timeout_s=60)]).document
    assert changed is not None
    before = objects(changed)["layer4_advanced"]
    assert merge(changed, [change("layer4_advanced", before, None)]).document == document


def test_the_units_own_settings_cannot_be_deleted(document: Document) -> None:
    merged = merge(document, [change("local", objects(document)["local"], None)])
    assert merged.document is None
    assert [problem.where for problem in merged.problems] == ["local"]


# ----------------------------------------------------------------------------- pending edits


def pending(*edits: Edit) -> dict[str, Edit]:
    found: dict[str, Edit] = {}
    for each in edits:
        found = with_edit(found, each)
    return found


def test_a_second_edit_that_begins_where_the_first_ended_is_one_from_its_beginning() -> None:
    found = pending(
        change(WEB1, {"weight": 1}, {"weight": 2}), change(WEB1, {"weight": 2}, {"weight": 3})
    )
    assert found == {WEB1: change(WEB1, {"weight": 1}, {"weight": 3})}


def test_a_second_edit_that_begins_elsewhere_takes_the_firsts_place() -> None:
    mine = change(WEB1, {"weight": 9}, {"weight": 3})
    assert pending(change(WEB1, {"weight": 1}, {"weight": 2}), mine) == {WEB1: mine}


def test_coming_back_to_the_beginning_is_no_edit() -> None:
    there, back = (
        change(WEB1, {"weight": 1}, {"weight": 2}),
        change(WEB1, {"weight": 2}, {"weight": 1}),
    )
    assert pending(there, back) == {}


def test_deleting_a_service_forgets_the_edits_inside_it_and_no_others(document: Document) -> None:
    renamed = edit(document, WEB, label="shop")
    gone = change(WEB, renamed.after, None)
    mail = edit(document, MAIL, comment="new")
    found = pending(renamed, edit(document, WEB1, weight=7), mail, gone)
    assert found == {WEB: change(WEB, renamed.before, None), MAIL: mail}
    merged = merge(document, found.values()).document
    assert merged is not None
    assert [service.label for service in merged.cluster.layer7] == ["mail"]


def test_a_new_service_deleted_again_leaves_nothing_of_it() -> None:
    service = {"label": "api"}
    made = change(NEW, None, service), change(f"{NEW}/31", None, server(31, "api1", 31))
    assert pending(*made, change(NEW, service, None)) == {}


def test_dropping_the_edit_of_a_service_drops_those_of_its_servers_and_no_others() -> None:
    edits = pending(
        *(change(key, None, {"label": "x"}) for key in (WEB, WEB1, f"{WEB}0", MAIL, "local"))
    )
    assert list(without_edit(edits, WEB)) == [f"{WEB}0", MAIL, "local"]
    assert list(without_edit(edits, WEB1)) == [WEB, f"{WEB}0", MAIL, "local"]


def test_the_local_half_and_its_cards_are_objects_apart() -> None:
    edits = pending(*(change(key, None, {"mtu": 1}) for key in ("local", "local/eth0")))
    assert list(without_edit(edits, "local")) == ["local/eth0"]
