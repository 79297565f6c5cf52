# SPDX-License-Identifier: Apache-2.0
"""Drafts merge by object: two people meet only where both changed the same one."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given

from services.draft import Change, assembled, merge, objects
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


def edit(document: Document, key: str, **fields: Any) -> Change:
    before = objects(document)[key]
    return Change(key, before, {**before, **fields}, label=key)


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
    change = edit(document, WEB1, weight=10)
    theirs = merge(document, [change]).document
    assert theirs is not None
    assert merge(theirs, [change]).document == theirs


def test_deleting_a_service_takes_its_servers_along(document: Document) -> None:
    gone = merge(document, [Change(WEB, objects(document)[WEB], None)]).document
    assert gone is not None
    assert [service.label for service in gone.cluster.layer7] == ["mail"]


def test_a_server_for_a_service_deleted_meanwhile_is_a_clash(document: Document) -> None:
    theirs = merge(document, [Change(WEB, objects(document)[WEB], None)]).document
    assert theirs is not None
    merged = merge(theirs, [Change(f"{WEB}/99", None, server(99, "web9", 9), "web/web9")])
    assert [clash.what for clash in merged.clashes] == [
        "The service of web/web9 was deleted meanwhile."
    ]


def test_a_new_service_with_its_server_lands_at_the_end(document: Document) -> None:
    service = {"label": "api", "addresses": ["198.51.100.3"], "ports": "80"}
    changes = [Change(NEW, None, service), Change(f"{NEW}/31", None, server(31, "api1", 31))]
    merged = merge(document, changes).document
    assert merged is not None
    last = merged.cluster.layer7[-1]
    assert (last.id, last.label, last.servers[0].id) == (3, "api", 31)


def test_an_object_keeps_the_id_its_key_names(document: Document) -> None:
    before = objects(document)[WEB1]
    merged = merge(document, [Change(WEB1, before, {**before, "id": 12, "weight": 7})]).document
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
