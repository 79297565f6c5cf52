# SPDX-License-Identifier: Apache-2.0
"""What must hold for all documents; single cases with their sentences are in tests/golden/check."""

from __future__ import annotations

import time
from ipaddress import IPv4Address
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.check import OWN_PORTS, brought, check, hints, require
from services.errors import ConfigInvalid
from services.model import Cluster, Document, RealServer, VirtualService
from services.model.base import port_ranges
from tests.strategies import documents

VIP = IPv4Address("203.0.113.1")


def service(
    number: int, *, vip: IPv4Address = VIP, ports: str = "80", servers: tuple[RealServer, ...] = ()
) -> VirtualService:
    return VirtualService(label=f"s{number}", addresses=(vip,), ports=ports, servers=servers)


def document(*services: VirtualService) -> Document:
    return Document(cluster=Cluster(layer7=services))


@settings(max_examples=30)
@given(documents())
def test_sound_documents_have_no_problem(found: Document) -> None:
    assert check(found) == ()
    require(found)


def test_the_factorys_document_is_sound() -> None:
    assert check(Document()) == ()


def test_all_problems_are_raised_at_once() -> None:
    found = document(service(1, ports="22"), service(1, ports="22"))
    with pytest.raises(ConfigInvalid) as caught:
        require(found)
    assert caught.value.problems == check(found)
    assert len(caught.value.problems) == 4


PORTS = st.lists(st.tuples(st.integers(100, 140), st.integers(0, 12)), min_size=1, max_size=3).map(
    lambda found: ",".join(str(a) if not more else f"{a}-{a + more}" for a, more in found)
)


@given(st.lists(PORTS, max_size=6))
def test_every_service_that_shares_a_port_is_named(wished: list[str]) -> None:
    services = []
    for number, ports in enumerate(wished):
        try:
            services.append(service(number, ports=ports))
        except ValueError:  # it listed a port twice; the model's own rule
            continue
    taken = [
        {port for first, last in port_ranges(each.ports) for port in range(first, last + 1)}
        for each in services
    ]
    sharing = {
        each.label
        for here, each in enumerate(services)
        if any(here != there and taken[here] & taken[there] for there in range(len(services)))
    }
    said = " ".join(problem.what for problem in check(document(*services))).split()
    assert {word for word in said if word in {each.label for each in services}} == sharing


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), max_size=10, unique=True))
def test_rings_are_found_and_chains_are_not(edges: list[tuple[int, int]]) -> None:
    reached = set(edges)
    for middle in range(6):  # Warshall: who leads to whom in the end
        reached |= {(a, d) for a, b in reached for c, d in reached if b == c == middle}
    services = [
        service(
            here,
            vip=VIP + here,
            servers=tuple(
                RealServer(label=f"to-{there}", address=VIP + there, port=80)
                for start, there in edges
                if start == here
            ),
        )
        for here in range(6)
    ]
    problems = check(document(*services))
    assert bool(problems) == any(a == b for a, b in reached)
    assert all("ring" in problem.what for problem in problems)


def test_a_long_chain_of_services_is_judged_without_recursion() -> None:
    last = 3000
    services = [
        service(
            here,
            vip=VIP + here,
            servers=(RealServer(label="next", address=VIP + (here + 1) % last, port=80),),
        )
        for here in range(last)
    ]
    (problem,) = check(document(*services))
    assert "s0 to s1 to s2 to s3 to s4 to … to s2999 to s0" in problem.what


def test_the_cost_is_that_of_a_sort_even_if_all_share_one_vip() -> None:
    services = tuple(service(here, ports="80-1000") for here in range(2000))
    begun = time.perf_counter()
    problems = check(document(*services))
    assert len(problems) == len(services) - 1
    assert time.perf_counter() - begun < 2


def test_a_service_keeps_clear_of_every_own_port() -> None:
    for port in OWN_PORTS:
        (problem,) = check(document(service(1, ports=str(port))))
        assert problem.path == ("cluster", "layer7", 0, "ports")
        assert str(port) in problem.what


def hinted(tree: dict[str, Any]) -> dict[str, str]:
    document = Document.model_validate(tree)
    assert check(document) == ()
    return {hint.where: f"{hint.what} {hint.do}" for hint in hints(document)}


def test_a_vip_in_no_network_of_the_unit_is_a_hint_and_no_problem() -> None:
    found = hinted(
        {
            "cluster": {
                "layer4": [
                    {
                        "label": "shop",
                        "addresses": ["192.168.2.110", "203.0.113.9"],
                        "forwarding": "nat",
                    }
                ],
                "layer7": [{"label": "web", "addresses": ["2001:db8::9"], "ports": "80"}],
                "nat": [{"label": "mail", "address": "203.0.113.8", "server": "10.0.0.5"}],
            },
            "local": {"interfaces": [{"name": "eth0", "addresses": ["192.168.2.21/24"]}]},
        }
    )
    assert set(found) == {
        "cluster.layer4[0].addresses[1]",
        "cluster.layer7[0].addresses[0]",
        "cluster.nat[0].address",
    }
    assert found["cluster.layer4[0].addresses[1]"].startswith(
        "shop has 203.0.113.9, which lies in no network of this unit's interfaces"
    )
    assert all("let the router send it here." in words for words in found.values())


def test_of_a_change_only_what_it_brings_is_told() -> None:
    old = Document.model_validate(
        {"cluster": {"layer7": [{"label": "web", "addresses": ["203.0.113.9"], "ports": "80"}]}}
    )
    [web] = old.cluster.layer7
    other = web.model_copy(update={"label": "other", "ports": "81"})
    new = old.model_copy(
        update={"cluster": old.cluster.model_copy(update={"layer7": (web, other)})}
    )
    assert [hint.what[:9] for hint in brought(new, old)] == ["other has"]
    assert brought(old, old) == ()
