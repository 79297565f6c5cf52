# SPDX-License-Identifier: Apache-2.0
"""A handshake that failed is looked into for as long as it fails, and its cause is told."""

from __future__ import annotations

import pytest

from services.health.handshakes import FAILED, MOST, explained, question, questions
from services.health.targets import Kind, Manner, Target, Way
from services.health.verdict import Result, Verdict
from services.model.checks import CheckProtocol

CAUSE = "TLS certificate expired"


def target(kind: Way = CheckProtocol.HTTPS, number: int = 1) -> Target:
    manner = Manner(kind, 4, 3, 2, 2, request="/health", host="www.example.com", verify_tls=True)
    return Target(manner, f"192.0.2.{number}", 443)


def verdict(words: str, *, ok: bool = False) -> Verdict:
    return Verdict(up=ok, results=(Result(ok, words, 1.0),))


def asked(found: dict[str, Verdict], *targets: Target) -> tuple[Target, ...]:
    pairs = [(each.name, about) for each in targets if (about := question(each))]
    return questions(pairs, found)


def test_only_a_check_under_tls_has_a_handshake() -> None:
    assert question(target(CheckProtocol.HTTP)) is None
    about = question(target())
    assert about is not None
    assert (
        about.manner.kind,
        about.manner.host,
        about.manner.verify_tls,
        about.manner.request,
    ) == (
        Kind.TLS,
        "www.example.com",
        True,
        "",
    )
    assert question(target(CheckProtocol.IMAPS)) is not None


def test_checks_that_share_a_handshake_ask_once() -> None:
    one, two = target(), target()
    two = two._replace(manner=two.manner._replace(request="/other"))
    found = {each.name: verdict(FAILED) for each in (one, two)}
    assert len(found) == 2
    assert asked(found, one, two) == (question(one),)


def test_it_is_asked_for_as_long_as_it_fails_also_once_the_cause_is_told() -> None:
    one = target()
    about = question(one)
    assert about is not None
    result = Result(False, f"{FAILED}: SSL handshake failure", 1.0)
    found = {one.name: Verdict(up=False, results=(result,))}
    assert asked(found, one) == (about,)
    assert explained(result, about, found) == result

    found[about.name] = verdict(CAUSE)
    told = explained(result, about, found)
    assert told.words == CAUSE
    found[one.name] = Verdict(up=False, results=(result, told))
    assert asked(found, one) == (about,)

    found[one.name] = verdict("", ok=True)
    assert asked(found, one) == ()


@pytest.mark.parametrize("words", ["answer 503, expected 200", "connection refused", ""])
def test_what_has_another_cause_is_left_alone(words: str) -> None:
    one = target()
    about = question(one)
    assert about is not None
    found = {one.name: verdict(words), about.name: verdict(CAUSE)}
    assert asked(found, one) == ()
    [result] = found[one.name].results
    assert explained(result, about, found) == result


def test_a_handshake_that_is_well_for_us_explains_nothing() -> None:
    about = question(target())
    assert about is not None
    result = Result(False, FAILED, 1.0)
    assert explained(result, about, {about.name: verdict("", ok=True)}).words == FAILED


def test_of_very_many_only_some_are_looked_into() -> None:
    many = [target(number=number) for number in range(1, 250)]
    assert len(asked({each.name: verdict(FAILED) for each in many}, *many)) == MOST
