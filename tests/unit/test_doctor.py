# SPDX-License-Identifier: Apache-2.0
"""From answers to findings; what a real wire can show is in `tests/peers/test_doctor.py`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from ipaddress import ip_address
from typing import Any

import pytest

from services.agent.doctor import Doctor
from services.doctor.asked import (
    Frame,
    Heard,
    Kind,
    Knock,
    Observed,
    Reply,
    Routed,
    Verdict,
    WhoHas,
    Wrapped,
)
from services.doctor.cases import cases, services_of, who_has
from services.doctor.finding import Finding
from services.doctor.findings import findings
from services.drivers.knocking import Macs
from services.errors import NotFound
from services.model import Document
from services.model.layer4 import Tunnel

VIP, RIP, OWN = ip_address("192.0.2.10"), ip_address("192.0.2.11"), ip_address("192.0.2.1")
MAC = "02:00:00:00:00:01"
FROM_SERVER = {"device": "eth0", "mac": MAC}
THERE = WhoHas("eth0", RIP)


def document(interfaces: tuple[str, ...] = ("192.0.2.1/24",), **service: Any) -> Document:
    return Document.model_validate(
        {
            "cluster": {
                "layer4": [
                    {
                        "id": 1,
                        "label": "web",
                        "addresses": [str(VIP)],
                        "ports": 80,
                        "servers": [{"id": 1, "label": "web1", "address": str(RIP)}],
                        **service,
                    }
                ]
            },
            "local": {
                "interfaces": [
                    {"name": f"eth{place}", "addresses": [own]}
                    for place, own in enumerate(interfaces)
                ]
            },
        }
    )


def judged(
    whole: Document,
    replies: Mapping[tuple[Kind, str], Reply],
    owners: Mapping[WhoHas, Iterable[str]] | None = None,
    *,
    way: Mapping[str, str] = FROM_SERVER,
) -> tuple[Finding, ...]:
    """What is found about real servers; `replies` by kind and target, `!` before one from afar."""
    listed = services_of(whole, None)
    asked = tuple(cases(whole, listed))
    seen = {question: frozenset[str]() for question in who_has(whole, listed)}
    seen |= {THERE: frozenset({MAC})} if THERE in seen else {}
    seen |= {question: frozenset(macs) for question, macs in (owners or {}).items()}
    heard = {}
    for case in asked:
        for mark, knocks in (("", case.control), ("!" if case.vip is None else "", case.proof)):
            for knock in knocks:
                reply = replies.get((knock.kind, f"{mark}{knock.target}"))
                if reply is not None:
                    heard[knock] = Heard(reply, way["device"], way["mac"])
    found = findings(whole, listed, asked, Observed(seen, heard))
    return tuple(each for each in found if each.server)


def only(found: tuple[Finding, ...]) -> tuple[Verdict, str]:
    [one] = found
    return one.verdict, one.what


WELL = {
    (Kind.TCP, str(RIP)): Reply.OPEN,
    (Kind.TCP, str(VIP)): Reply.OPEN,
    (Kind.ECHO, str(RIP)): Reply.ALIVE,
    (Kind.ECHO, str(VIP)): Reply.ALIVE,
}


def without(*gone: tuple[Kind, str]) -> dict[tuple[Kind, str], Reply]:
    return {key: reply for key, reply in WELL.items() if key not in gone}


def test_a_server_that_answers_everything_is_good() -> None:
    assert only(judged(document(), WELL)) == (
        Verdict.GOOD,
        "web1 (192.0.2.11) answers at 192.0.2.10 port 80.",
    )


def test_a_server_that_redirects_its_port_and_nothing_else_is_good() -> None:
    assert only(judged(document(), without((Kind.ECHO, str(VIP)))))[0] is Verdict.GOOD


@pytest.mark.parametrize(
    ("gone", "verdict", "words"),
    [
        ([(Kind.TCP, str(VIP))], Verdict.FAULT, "open at its own address"),
        ([(Kind.TCP, str(VIP)), (Kind.TCP, str(RIP))], Verdict.UNPROVEN, "port 80 is silent"),
        ([*WELL], Verdict.UNPROVEN, "answers nothing, at its own address neither"),
        (
            [(Kind.TCP, str(VIP)), (Kind.ECHO, str(VIP)), (Kind.TCP, str(RIP))],
            Verdict.FAULT,
            "does not take packets for 192.0.2.10",
        ),
    ],
)
def test_what_is_silent_tells_where_the_fault_is(
    gone: list[tuple[Kind, str]], verdict: Verdict, words: str
) -> None:
    found = judged(document(), without(*gone))
    assert found[0].verdict is verdict
    assert words in found[0].what


def test_two_machines_with_one_address_are_told_before_all_else() -> None:
    verdict, what = only(judged(document(), WELL, {THERE: [MAC, "02:00:00:00:00:02"]}))
    assert verdict is Verdict.FAULT
    assert what == "2 machines say that 192.0.2.11 is theirs: 02:00:00:00:00:01, 02:00:00:00:00:02."


def test_a_card_without_a_link_proves_nothing() -> None:
    whole = document()
    listed = services_of(whole, None)
    found = findings(whole, listed, cases(whole, listed), Observed())
    assert [each.verdict for each in found] == [Verdict.UNPROVEN, Verdict.UNPROVEN]
    assert all("eth0 has no link" in each.what for each in found)


def test_a_vip_of_a_family_that_the_unit_has_no_address_of_cannot_be_asked_for() -> None:
    whole = document(
        addresses=["2001:db8::10"],
        servers=[{"id": 1, "label": "web1", "address": "2001:db8::11"}],
    )
    assert only(judged(whole, {})) == (
        Verdict.UNPROVEN,
        (
            "web1 (2001:db8::11) cannot be asked. This unit has no IPv6 address of its own to ask "
            "from."
        ),
    )


def test_a_nat_server_behind_a_router_is_not_judged() -> None:
    whole = document(forwarding="nat", servers=[{"id": 1, "label": "web1", "address": "10.9.0.1"}])
    [case] = cases(whole, services_of(whole, None))
    assert {type(knock.path) for knock in case.control} == {Routed}
    verdict, what = only(judged(whole, {(Kind.TCP, "10.9.0.1"): Reply.OPEN}))
    assert verdict is Verdict.UNPROVEN
    assert "behind a router" in what


def test_nat_is_asked_from_the_other_card_or_from_a_network_of_nobody() -> None:
    for interfaces, far in (
        (("192.0.2.1/24", "10.1.0.1/16"), "10.1.0.1"),
        (("192.0.2.1/24",), "198.51.100.254"),
        (("192.0.2.1/24", "2001:db8:ffff::1/64"), "198.51.100.254"),
    ):
        whole = document(interfaces, forwarding="nat")
        [case] = cases(whole, services_of(whole, None))
        assert {str(knock.source) for knock in case.proof} == {far}
        assert {str(knock.source) for knock in case.control} == {"192.0.2.1"}


def test_a_nat_answer_counts_only_if_the_servers_own_card_sent_it() -> None:
    replies = WELL | {(Kind.TCP, f"!{RIP}"): Reply.OPEN}
    assert only(judged(document(forwarding="nat"), replies))[0] is Verdict.GOOD
    router = {"device": "eth0", "mac": "02:00:00:00:00:fe"}
    verdict, what = only(judged(document(forwarding="nat"), replies, way=router))
    assert verdict is Verdict.FAULT
    assert "by way of 02:00:00:00:00:fe on eth0" in what


def test_snat_asks_only_whether_the_server_answers() -> None:
    whole = document(forwarding="snat")
    assert only(judged(whole, WELL))[0] is Verdict.GOOD
    refused = only(judged(whole, {(Kind.TCP, str(RIP)): Reply.REFUSED}))
    assert refused == (
        Verdict.FAULT,
        "web1 (192.0.2.11) is there, but nothing listens at port 80.",
    )


@pytest.mark.parametrize("tunnel", Tunnel)
def test_a_tunnel_is_asked_in_its_own_wrapping(tunnel: Tunnel) -> None:
    whole = document(forwarding="tun", tunnel=tunnel.value, tunnel_port=6081)
    [case] = cases(whole, services_of(whole, None))
    assert {knock.path for knock in case.proof} == {Wrapped(OWN, RIP, tunnel, 6081)}
    verdict, what = only(judged(whole, without((Kind.TCP, str(VIP)), (Kind.ECHO, str(VIP)))))
    assert verdict is Verdict.FAULT
    assert f"does not unwrap {tunnel.value.upper()} tunnels" in what


@pytest.mark.parametrize(
    ("protocol", "kinds"),
    [
        ("tcp", {Kind.TCP, Kind.ECHO}),
        ("udp", {Kind.UDP, Kind.ECHO}),
        ("tcp_udp", {Kind.TCP, Kind.UDP, Kind.ECHO}),
        ("one_packet", {Kind.UDP, Kind.ECHO}),
    ],
)
def test_each_protocol_has_its_questions(protocol: str, kinds: set[Kind]) -> None:
    whole = document(protocol=protocol, ports="80,443")
    [case] = cases(whole, services_of(whole, None))
    assert {knock.kind for knock in case.proof} == kinds
    assert {type(knock.path) for knock in case.proof} == {Frame}
    if Kind.TCP in kinds:
        assert case.port == 80


class Silence:
    """A wire on which nobody is, and what was asked there."""

    def __init__(self) -> None:
        self.asked: list[Knock] = []

    async def who_has(self, questions: Iterable[WhoHas]) -> Mapping[WhoHas, frozenset[str]]:
        return {question: frozenset() for question in questions}

    async def knock(self, knocks: Iterable[Knock], macs: Macs) -> Mapping[Knock, Heard]:
        self.asked += knocks
        return {}


async def test_no_more_is_asked_than_can_be_told_apart() -> None:
    servers = [
        {"id": n, "label": f"s{n}", "address": f"10.{n // 250}.{n % 250}.1"} for n in range(1, 1000)
    ]
    services = [
        {
            "id": number,
            "label": f"v{number}",
            "addresses": [f"192.0.2.{100 + number}"],
            "ports": 80,
            "forwarding": "tun",
            "servers": servers,
        }
        for number in range(1, 21)
    ]
    whole = Document.model_validate({"cluster": {"layer4": services}})
    silence = Silence()
    report = await Doctor(silence, lambda: whole).examine()
    assert len(silence.asked) <= 16_000
    assert report.left_out > 0
    assert len(report.findings) + report.left_out == 20 * 1000 - 20 + 20


async def test_a_service_that_is_not_there_is_refused() -> None:
    with pytest.raises(NotFound):
        await Doctor(Silence(), document).examine(99)
