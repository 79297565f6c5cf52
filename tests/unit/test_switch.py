# SPDX-License-Identifier: Apache-2.0
"""Servers switched together: which change, and how it is told."""

from __future__ import annotations

import pytest

from services.errors import ConfigInvalid, NotFound
from services.model import Document, ServerState, real_servers
from services.switch import NAMED, reason, switched

MANY = 8


@pytest.fixture
def document() -> Document:
    servers = [
        {"id": number, "label": f"web{number}", "address": f"192.0.2.{number}", "port": 80}
        for number in range(1, MANY + 1)
    ]
    services = [
        {"id": 1, "label": "a", "addresses": ["198.51.100.1"], "ports": "80", "servers": servers},
        {"id": 2, "label": "b", "addresses": ["198.51.100.2"], "ports": "80", "servers": servers},
    ]
    return Document.model_validate({"cluster": {"layer7": services}})


def test_only_what_is_named_changes(document: Document) -> None:
    keys = ((1, 2), (2, 3))
    found = real_servers(switched(document, keys, state=ServerState.HALT, weight=7))
    for key, server in real_servers(document).items():
        wish = {"state": ServerState.HALT, "weight": 7} if key in keys else {}
        assert found[key] == server.model_copy(update=wish)


def test_nothing_wished_changes_nothing(document: Document) -> None:
    assert switched(document, ((1, 1),), state=None, weight=None) == document


def test_an_unknown_server_and_a_weight_out_of_range_are_refused(document: Document) -> None:
    with pytest.raises(NotFound):
        switched(document, ((1, 1), (3, 1)), state=ServerState.HALT, weight=None)
    with pytest.raises(ConfigInvalid) as caught:
        switched(document, ((1, 1),), state=None, weight=257)
    assert [problem.where for problem in caught.value.problems] == ["weight"]


def test_the_reason_names_a_few_and_counts_the_rest(document: Document) -> None:
    both = ((1, 1), (2, 2))
    assert reason(document, both, state=ServerState.DRAIN, weight=None) == "drain a/web1, b/web2"
    assert reason(document, both[:1], state=ServerState.ONLINE, weight=3) == (
        "online a/web1, weight 3 for a/web1"
    )
    every = tuple(real_servers(document))
    told = reason(document, every, state=ServerState.HALT, weight=None)
    assert told == f"halt a/web1, a/web2, a/web3, a/web4, a/web5 and {2 * MANY - NAMED} more"
