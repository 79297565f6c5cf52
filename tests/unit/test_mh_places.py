# SPDX-License-Identifier: Apache-2.0
"""mh has 4,093 places: servers that feedback or a slow start weighs never ask for more."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.check import check, mh
from services.health.shares import Shares
from services.model import Document
from services.render.ipvs import ipvs_wanted

SHARED = ({"feedback": "agent"}, {"slow_start_s": 60})


def document(weights: list[int], **fields: Any) -> Document:
    servers = [
        {
            "id": at,
            "label": f"web{at}",
            "address": f"10.0.{at // 250}.{at % 250 + 1}",
            "weight": each,
        }
        for at, each in enumerate(weights, start=1)
    ]
    service = {"id": 1, "label": "web", "addresses": ["192.168.2.100"], "servers": servers}
    whole = {**service, "scheduler": "mh", "fallback_address": None, **fields}
    return Document.model_validate({"cluster": {"layer4": [whole]}})


def given_to(found: Document, shares: Shares) -> list[int]:
    """The weights in the kernel's table, in the servers' order."""
    [entry] = ipvs_wanted(found, shares).table.values()
    return [dest.weight for dest in entry.dests.values()]


fleets = st.integers(1, 8).flatmap(
    lambda kinds: st.lists(st.integers(0, kinds).map(lambda n: n * 100), min_size=1, max_size=400)
)


@settings(max_examples=50)
@given(fleets.filter(lambda weights: sum(mh.turns(weights)) <= mh.PLACES), st.data())
def test_whatever_the_shares_every_server_that_takes_anything_has_a_place(
    weights: list[int], data: st.DataObject
) -> None:
    percents = st.lists(st.integers(0, 100), min_size=len(weights), max_size=len(weights))
    shares = {(1, at): percent for at, percent in enumerate(data.draw(percents), start=1)}
    check = data.draw(st.sampled_from(SHARED))
    found = given_to(document(weights, check=check), shares)
    assert sum(mh.turns(found)) <= mh.PLACES
    taking = [bool(weight and shares[1, at]) for at, weight in enumerate(weights, start=1)]
    assert [weight > 0 for weight in found] == taking


def test_a_hundred_servers_keep_their_proportion_and_one_share_moves_one_weight() -> None:
    whole = document([100] * 99 + [200], check={"feedback": "agent"})
    before = given_to(whole, {})
    assert before == [40] * 99 + [80]
    assert given_to(whole, {(1, 7): 50}) == [*before[:6], 20, *before[7:]]


def test_weights_that_fit_or_cannot_change_are_the_documents() -> None:
    assert given_to(document([100] * 100), {}) == [100] * 100, "no shares"
    assert given_to(document([100] * 64, check={"feedback": "agent"}), {}) == [100] * 64
    other = document([100] * 100, scheduler="sh", check={"feedback": "agent"})
    assert given_to(other, {}) == [100] * 100


@pytest.mark.parametrize(
    ("weights", "told"),
    [
        ([100, 100, 200], [1, 1, 2]),
        ([100, 99], [50, 49]),
        ([5000, 3], [39, 1]),
        ([63, 0, 1], [63, 0, 1]),
        ([0, 0], [0, 0]),
        ([], []),
    ],
)
def test_turns_are_the_kernels(weights: list[int], told: list[int]) -> None:
    assert mh.turns(weights) == told


def test_weights_that_ask_for_more_places_than_there_are_are_refused() -> None:
    [problem] = check(document([100, 99] * 45, forwarding="nat"))
    assert "shares out 4,093 places, and the servers of web ask for 4,455" in problem.what
    assert check(document([100, 99] * 41, forwarding="nat")) == ()
