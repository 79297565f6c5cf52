# SPDX-License-Identifier: Apache-2.0
"""NAT rules and the kernel's switches that go with them, as far as no kernel is needed."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given

from services.difference import difference
from services.model import Document
from services.plan.changes import DropAddress, Effect
from services.plan.planner import plan
from services.plan.state import AddressKey, HaproxySeen, LinksSeen, Seen
from services.render import Place
from services.render.kernel import kernel_settings
from services.render.nat import sources, wants_conntrack
from services.render.nft import nft_wanted
from services.wanted import wanted
from tests.strategies import documents

CONNTRACK = "net/ipv4/vs/conntrack"


def document(
    *services: dict[str, Any], nat: list[dict[str, Any]] | None = None, **advanced: Any
) -> Document:
    common = {"addresses": ["192.168.2.100"], "ports": 80}
    return Document.model_validate(
        {
            "cluster": {
                "layer4": [
                    {"id": number, "label": f"s{number}"} | common | service
                    for number, service in enumerate(services, 1)
                ],
                "nat": nat or [],
                "layer4_advanced": advanced,
            }
        }
    )


ENTRY = {"id": 9, "label": "mail", "address": "192.168.2.150", "server": "10.0.0.5"}


@pytest.mark.parametrize(
    ("method", "one_arm", "asked"),
    [
        ("dr", False, False),
        ("nat", False, False),
        ("tun", True, False),
        ("dr", True, False),
        ("nat", True, True),
        ("snat", False, True),
    ],
)
def test_conntrack_is_told_of_connections_only_where_a_rule_looks_for_them(
    method: str, one_arm: bool, asked: bool
) -> None:
    found = document({"forwarding": method}, one_arm_nat=one_arm)
    assert wants_conntrack(found) is asked
    assert kernel_settings(found)[CONNTRACK] == str(int(asked))
    assert any("ct original" in rule for rule in sources(found)) is asked


def test_what_services_carry_is_spared_only_while_conntrack_sees_it() -> None:
    plain = document({"forwarding": "nat"}, auto_nat="eth0")
    assert not any(rule.endswith("accept") for rule in sources(plain))
    seen = document({"forwarding": "nat"}, {"forwarding": "snat", "ports": 81}, auto_nat="eth0")
    *_, spared, auto = sources(seen)
    assert spared == "ct original ip daddr { 192.168.2.100 } accept"
    assert auto.endswith("masquerade")


def test_nothing_asked_for_is_no_table_at_all() -> None:
    assert nft_wanted(document({"forwarding": "nat"})) == ""


@given(documents())
def test_every_set_of_a_rule_names_each_address_once(found: Document) -> None:
    for line in nft_wanted(found).splitlines():
        for piece in line.split("{ ")[1:]:
            listed = piece.partition(" }")[0].split(", ")
            assert len(set(listed)) == len(listed), line


def test_an_outside_address_comes_up_like_a_vip_and_cuts_whoever_uses_it_when_it_goes() -> None:
    running = wanted(document(nat=[ENTRY]), Place())
    key = AddressKey("eth0", "192.168.2.150/32")
    assert running.links.addresses[key] is True
    seen = Seen(
        haproxy=HaproxySeen(), links=LinksSeen(ours={key: True}), outside=running.links.outside
    )
    [gone] = [
        each for each in plan(wanted(Document(), Place()), seen) if isinstance(each, DropAddress)
    ]
    assert (gone.key, gone.effect) == (key, Effect.DROPS)


def test_people_are_told_of_entries_and_settings_by_name() -> None:
    told = difference(document(), document(nat=[ENTRY], udp_timeout_s=30))
    assert "+ 1:1 NAT mail" in told
    assert "~ layer 4 advanced settings\n-   udp_timeout_s: 300\n+   udp_timeout_s: 30" in told
