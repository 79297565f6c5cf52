# SPDX-License-Identifier: Apache-2.0
"""Jobs and results on the wire: what was meant arrives, and nothing else is believed."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.health.jobs import (
    Job,
    Look,
    fingerprint_of,
    jobs_from,
    jobs_line,
    jobs_of,
    probed,
    running_of,
    secrets_of,
    told_from,
    told_line,
)
from services.health.targets import Kind, Manner, Target
from services.health.verdict import LONGEST, Result
from services.model import Document
from services.model.checks import CheckProtocol

WORDS = st.text(max_size=6)
MANNERS = st.builds(
    Manner, st.sampled_from([*Kind, *CheckProtocol]), *[st.integers(1, 3600)] * 4,
    WORDS, WORDS, WORDS, WORDS,
    st.booleans(), WORDS, WORDS, WORDS, WORDS, WORDS, st.integers(0, 65535),
)  # fmt: skip
JOBS = st.builds(
    Job,
    st.builds(Target, MANNERS, st.ip_addresses().map(str), st.integers(0, 65535)),
    WORDS,
    st.none() | st.booleans(),
)


@given(st.lists(JOBS, max_size=2, unique_by=lambda job: job.name))
def test_jobs_arrive_as_they_were_sent(jobs: list[Job]) -> None:
    line = jobs_line(jobs)
    assert line.count(b"\n") == 1
    assert jobs_from(line) == tuple(jobs)
    assert fingerprint_of(reversed(jobs)) == fingerprint_of(jobs)
    assert told_from(told_line(running_of(jobs))) == running_of(jobs)


LOOK = Look("k1/192.0.2.1_80", Result(False, "connection refused", 5.0, 3), False, 1, 4.0)


def test_a_look_arrives_as_it_was_told() -> None:
    assert told_from(told_line(LOOK)) == LOOK
    idle = Look("k1/192.0.2.1_80", Result(True, "", 5.0, 3, 75))
    assert told_from(told_line(idle)) == idle


def test_words_that_could_steer_a_terminal_are_made_visible_and_cut() -> None:
    hostile = Look("k", Result(False, "\x1b[2J" + "x" * 10_000, 5.0))
    told = told_from(told_line(hostile))
    assert isinstance(told, Look)
    assert told.result.words.isprintable()
    assert len(told.result.words) <= LONGEST + 1


def amended(path: str, value: object) -> bytes:
    tree = json.loads(told_line(LOOK))
    place = tree["look"]["result"] if path.startswith("result.") else tree["look"]
    place[path.removeprefix("result.")] = value
    return json.dumps(tree).encode()


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"{}",
        b"[]",
        b"\xff",
        b'{"look": 7}',
        b"[" * 100_000,
        amended("name", "k" * 1000),
        amended("since", float("nan")),
        amended("against", -1),
        amended("up", "perhaps"),
        amended("result.at", float("inf")),
        amended("result.percent", 101),
        amended("result.words", None),
    ],
    ids=lambda line: line[:40].decode(errors="replace"),
)
def test_a_line_of_another_shape_is_not_believed(line: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        told_from(line)


def test_jobs_are_what_haproxy_cannot_do_each_once_with_its_secret() -> None:
    checks = (
        {"kind": "connect"},
        {"kind": "ping"},
        {"kind": "ping"},
        {"kind": "negotiate", "protocol": "imap", "login": "anna", "password": "mail"},
        {"kind": "always_on", "feedback": "http"},
    )
    services = [
        {
            "id": number,
            "label": f"s{number}",
            "addresses": [f"192.168.2.{110 + number}"],
            "ports": "143",
            "check": check,
            "servers": [{"id": 1, "label": "one", "address": "192.168.2.101"}],
        }
        for number, check in enumerate(checks, start=1)
    ]
    document = Document.model_validate({"cluster": {"layer4": services}})
    targets = probed(document)
    jobs = jobs_of(targets, secrets_of(targets, {"mail": "Kn0bel"}.__getitem__))
    assert sorted((job.target.manner.kind.value, job.secret) for job in jobs) == [
        ("agent_http", ""),
        ("imap", "Kn0bel"),
        ("ping", ""),
    ]
