# SPDX-License-Identifier: Apache-2.0
"""How often the book of health asks: seldom enough to cost little, soon when a server may turn."""

from __future__ import annotations

import pytest

from services.agent.health import LATEST_S, SHARE, SHARE_IN_HASTE, SOONEST_S, pause_s


def test_a_look_takes_its_share_of_a_core_and_a_larger_one_while_a_server_is_about_to_turn() -> (
    None
):
    assert pause_s(0.05, settled=True) == pytest.approx(0.05 / SHARE)
    assert pause_s(0.1, settled=False) == pytest.approx(0.1 / SHARE_IN_HASTE)


def test_ten_servers_are_asked_about_no_sooner_and_a_hundred_thousand_no_later() -> None:
    for settled in (True, False):
        assert pause_s(0.0001, settled=settled) == SOONEST_S
        assert pause_s(5.0, settled=settled) == LATEST_S
