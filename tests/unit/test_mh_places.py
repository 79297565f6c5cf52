# SPDX-License-Identifier: Apache-2.0
"""mh has 4,093 places: servers that feedback or a slow start weighs never ask for more."""

from __future__ import annotations

import math
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from services.check.layer4 import MH_PLACES
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


def places(weights: list[int]) -> int:
    """What the kernel shares out (ip_vs_mh.c): weights without what they have in common."""
    return sum(weights) // max(1, math.gcd(*weights))


fleets = st.integers(1, 8).flatmap(
    lambda kinds: st.lists(st.integers(0, kinds).map(lambda n: n * 100), min_size=1, max_size=400)
)


@settings(max_examples=50)
@given(fleets.filter(lambda weights: places(weights) <= MH_PLACES), st.data())
def test_whatever_the_shares_every_server_that_takes_anything_has_a_place(
    weights: list[int], data: st.DataObject
) -> None:
    percents = st.lists(st.integers(0, 100), min_size=len(weights), max_size=len(weights))
    shares = {(1, at): percent for at, percent in enumerate(data.draw(percents), start=1)}
    check = data.draw(st.sampled_from(SHARED))
    found = given_to(document(weights, check=check), shares)
    assert places(found) <= MH_PLACES
    taking = [bool(weight and shares[1, at]) for at, weight in enumerate(weights, start=1)]
    assert [weight > 0 for weight in found] == taking


def test_sixty_servers_keep_their_proportion_and_one_share_moves_one_weight() -> None:
    whole = document([100] * 59 + [200], check={"feedback": "agent"})
    before = given_to(whole, {})
    assert before == [67] * 59 + [134]
    assert given_to(whole, {(1, 7): 50}) == [*before[:6], 34, *before[7:]]


def test_weights_that_fit_or_cannot_change_are_the_documents() -> None:
    assert given_to(document([100] * 60), {}) == [100] * 60, "no shares"
    assert given_to(document([100] * 40, check={"feedback": "agent"}), {}) == [100] * 40
    other = document([100] * 60, scheduler="sh", check={"feedback": "agent"})
    assert given_to(other, {}) == [100] * 60
