# SPDX-License-Identifier: Apache-2.0
"""Permanent ids: given ones stay, known objects are recognised, fresh ones are nobody's."""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable
from ipaddress import IPv4Address

from hypothesis import given, settings
from hypothesis import strategies as st

from services.identity import LARGEST_ID, with_ids
from services.model import (
    AnyService,
    Cluster,
    Document,
    Layer4Service,
    RealServer,
    VirtualService,
)
from services.model.layer4 import OWN_MARKS, Protocol, has_own_mark
from tests.strategies import documents


def chance(seed: int = 1) -> Callable[[], int]:
    source = random.Random(seed)
    return lambda: source.randint(1, LARGEST_ID)


def counter() -> Callable[[], int]:
    return itertools.count(1).__next__


def stripped(document: Document) -> Document:
    """As somebody would write it by hand: without ids."""
    services = (
        service.model_copy(
            update={
                "id": 0,
                "servers": tuple(s.model_copy(update={"id": 0}) for s in service.servers),
                **({"mark": 0} if has_mark(service) else {}),
            }
        )
        for service in document.cluster.services
    )
    nat = tuple(entry.model_copy(update={"id": 0}) for entry in document.cluster.nat)
    cluster = document.cluster.with_services(services).model_copy(update={"nat": nat})
    return document.model_copy(update={"cluster": cluster})


def has_mark(service: AnyService) -> bool:
    return isinstance(service, Layer4Service) and has_own_mark(service)


def server(label: str, number: int = 0) -> RealServer:
    return RealServer(id=number, label=label, address=IPv4Address("198.51.100.1"), port=80)


def service(label: str, number: int = 0, *servers: RealServer) -> VirtualService:
    return VirtualService(
        id=number,
        label=label,
        addresses=(IPv4Address("203.0.113.1"),),
        ports="80",
        servers=servers,
    )


def document(*services: AnyService) -> Document:
    return Document(cluster=Cluster().with_services(services))


def ids(found: Document) -> list[tuple[int, list[int]]]:
    return [(each.id, [s.id for s in each.servers]) for each in found.cluster.services]


@settings(max_examples=15)
@given(documents())
def test_the_same_document_without_ids_is_the_same_configuration(before: Document) -> None:
    assert with_ids(stripped(before), before, chance()) == before


@settings(max_examples=15)
@given(documents(), st.none() | documents(), st.integers(0, 5), st.booleans())
def test_every_object_gets_an_id_of_its_own(
    wished: Document, before: Document | None, seed: int, counted: bool
) -> None:
    partly = random.Random(seed)
    services = tuple(
        each if partly.random() < 0.5 else stripped(document(each)).cluster.services[0]
        for each in wished.cluster.services
    )
    nat = tuple(
        each if partly.random() < 0.5 else each.model_copy(update={"id": 0})
        for each in wished.cluster.nat
    )
    cluster = wished.cluster.with_services(services).model_copy(update={"nat": nat})
    wished = wished.model_copy(update={"cluster": cluster})
    found = with_ids(wished, before, counter() if counted else chance(seed))

    for objects in (found.cluster.services, found.cluster.nat):
        numbers = [each.id for each in objects]
        assert len(set(numbers)) == len(numbers)
        assert all(1 <= number <= LARGEST_ID for number in numbers)
    for old, new in zip(wished.cluster.services, found.cluster.services, strict=True):
        assert 1 <= new.id <= LARGEST_ID
        assert old.id in {0, new.id}
        inside = [each.id for each in new.servers]
        assert len(set(inside)) == len(inside)
        assert all(1 <= number <= LARGEST_ID for number in inside)
        assert all(a.id in {0, b.id} for a, b in zip(old.servers, new.servers, strict=True))
    assert stripped(found) == stripped(wished)
    assert with_ids(found, before, chance()) is found


@settings(max_examples=15)
@given(documents(), documents())
def test_a_fresh_id_was_never_anybodys(wished: Document, before: Document) -> None:
    found = with_ids(stripped(wished), before, counter())
    known = {(each.label.lower(), each.id) for each in before.cluster.services}
    everybody = {number for each, servers in ids(before) for number in (each, *servers)}
    for each in found.cluster.services:
        assert (each.label.lower(), each.id) in known or each.id not in everybody


def test_a_renamed_service_keeps_its_id_and_its_old_label_is_free() -> None:
    before = document(service("web", 7, server("a", 1)))
    after = with_ids(document(service("shop", 7), service("web")), before, lambda: 99)
    assert ids(after) == [(7, []), (99, [])]


def test_a_server_is_known_within_its_service_only() -> None:
    before = document(service("web", 7, server("a", 1)), service("mail", 8, server("b", 2)))
    after = with_ids(
        document(service("web", 0, server("b")), service("mail", 0, server("a"), server("b"))),
        before,
        counter(),
    )
    assert ids(after) == [(7, [3]), (8, [4, 2])]


def test_servers_of_a_renamed_service_are_recognised_by_its_id() -> None:
    before = document(service("web", 7, server("a", 1)))
    after = with_ids(document(service("shop", 7, server("a"))), before, chance())
    assert ids(after) == [(7, [1])]


def test_capitals_do_not_make_another_object() -> None:
    before = document(service("web", 7, server("a", 1)))
    assert ids(with_ids(document(service("WEB", 0, server("A"))), before, chance())) == [(7, [1])]


def test_a_source_without_chance_is_no_endless_loop() -> None:
    found = with_ids(document(service("a"), service("b", 1), service("c")), None, lambda: 1)
    assert ids(found) == [(2, []), (1, []), (3, [])]


def test_numbers_haproxy_does_not_take_are_drawn_again() -> None:
    drawn = iter([0, -1, LARGEST_ID + 1, LARGEST_ID])
    assert ids(with_ids(document(service("a")), None, lambda: next(drawn))) == [(LARGEST_ID, [])]


def layer4(label: str, number: int = 0, ports: str = "80,443", mark: int = 0) -> Layer4Service:
    vip = IPv4Address("203.0.113.1")
    return Layer4Service(id=number, label=label, addresses=(vip,), ports=ports, mark=mark)


def marks(found: Document) -> list[int]:
    return [service.mark for service in found.cluster.layer4]


def test_a_service_of_several_ports_gets_a_mark_that_is_free_and_keeps_it() -> None:
    before = document(layer4("a", 1, mark=OWN_MARKS), layer4("b", 2, mark=2 * OWN_MARKS))
    new = document(layer4("new"), layer4("one", ports="80"), layer4("b"), layer4("a", 1))
    after = with_ids(new, before, chance())
    assert marks(after) == [3 * OWN_MARKS, 0, 2 * OWN_MARKS, OWN_MARKS]
    assert with_ids(after, before, chance()) is after


def test_the_mark_of_somebodys_own_rules_is_left_alone() -> None:
    own = layer4("own", 7, mark=12).model_copy(update={"protocol": Protocol.MARK})
    assert marks(with_ids(document(own), None, chance())) == [12]


def test_a_service_that_had_somebodys_own_mark_gets_one_of_ours() -> None:
    before = document(layer4("a", 7, mark=12).model_copy(update={"protocol": Protocol.MARK}))
    assert marks(with_ids(document(layer4("a", 7)), before, chance())) == [OWN_MARKS]
