# SPDX-License-Identifier: Apache-2.0
"""What becomes of a failed server's entry: weight 0 while quiescent, else none."""

from __future__ import annotations

from typing import Any

import pytest

from services.health.shares import GONE, Standing, shares_of
from services.model import Document
from services.plan.ipvs import DestKey, IpvsSeen
from services.plan.ipvs_changes import DropDest, PutDest
from services.plan.ipvs_planner import plan_ipvs
from services.render.ipvs import ipvs_wanted

UP, DOWN = Standing(up=True), Standing(up=False)
ONE, TWO = DestKey("192.168.2.101", 80), DestKey("192.168.2.102", 80)


def document(*, quiescent: bool, second: str = "online") -> Document:
    servers = [
        {"id": 1, "label": "web1", "address": ONE.address},
        {"id": 2, "label": "web2", "address": TWO.address, "state": second},
    ]
    service: dict[str, Any] = {
        "id": 1,
        "label": "web",
        "addresses": ["192.168.2.100"],
        "servers": servers,
        "fallback_address": None,
    }
    advanced = {"quiescent": quiescent}
    return Document.model_validate({"cluster": {"layer4": [service], "layer4_advanced": advanced}})


def weights(found: Document, second: Standing) -> dict[DestKey, int]:
    standings = {(1, 1): UP, (1, 2): second}
    shares = shares_of(found, standings, {}, frozenset())
    [entry] = ipvs_wanted(found, shares).table.values()
    return {key: dest.weight for key, dest in entry.dests.items()}


@pytest.mark.parametrize("state", ["online", "drain"])
def test_a_failed_server_keeps_its_entry_while_quiescent_and_loses_it_otherwise(state: str) -> None:
    quiescent = document(quiescent=True, second=state)
    assert weights(quiescent, DOWN) == {ONE: 100, TWO: 0}
    assert weights(document(quiescent=False, second=state), DOWN) == {ONE: 100}


def test_a_healthy_server_that_takes_nothing_keeps_its_entry_either_way() -> None:
    for quiescent in (True, False):
        assert weights(document(quiescent=quiescent, second="drain"), UP) == {ONE: 100, TWO: 0}
        found = document(quiescent=quiescent)
        shares = shares_of(found, {(1, 1): UP, (1, 2): UP}, {(1, 2): 0}, frozenset())
        assert shares == {(1, 2): 0}


def test_one_that_fails_is_removed_and_added_again_when_it_is_back() -> None:
    found = document(quiescent=False)
    whole, without = ipvs_wanted(found), ipvs_wanted(found, {(1, 2): GONE})
    assert whole.timeouts is not None
    [drop] = plan_ipvs(without, IpvsSeen(whole.table, whole.timeouts))
    assert isinstance(drop, DropDest)
    [put] = plan_ipvs(whole, IpvsSeen(without.table, whole.timeouts))
    assert isinstance(put, PutDest)
    assert (put.key, put.exists) == (TWO, False)
