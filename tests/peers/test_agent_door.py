# SPDX-License-Identifier: Apache-2.0
"""The agent's socket against nonsense: every answer is a refusal with its remedy, none a fault."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from contextlib import suppress

import pytest

from services.api import ErrorView
from services.errors import ApplianceError, Refused, Unable
from services.looking import rebuilt
from tests.lab import Lab
from tests.peers.appliance import changed, journal, running
from tests.poll import eventually


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    with Lab(servers=1, spares=0) as lab:
        lab.start_agent()
        yield lab


def raw(lab: Lab, data: bytes) -> tuple[int, bytes]:
    """Status and body of what is answered to these bytes until the agent hangs up."""
    with socket.socket(socket.AF_UNIX) as talk:
        talk.settimeout(20)
        talk.connect(str(lab.socket))
        talk.sendall(data)
        said = b""
        while piece := talk.recv(65536):
            said += piece
    head, _, body = said.partition(b"\r\n\r\n")
    return int(head.split()[1]), body


def request(method: str, path: str, body: bytes = b"") -> bytes:
    head = f"{method} {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
    return f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body


def refusal(lab: Lab, data: bytes) -> ApplianceError:
    status, body = raw(lab, data)
    assert 400 <= status < 500, body[:300]
    view = ErrorView.model_validate_json(body)
    assert view.what
    assert view.do
    return rebuilt(body, status)


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/revisions/abc"),
        ("GET", "/revisions/-1"),
        ("GET", "/revisions/" + "9" * 400),
        ("GET", "/revisions/" + "9" * 5000),
        ("GET", "/revisions/1%0a2"),
        ("GET", "/journal?limit=many"),
        ("POST", "/rollback?number=last"),
        ("POST", "/rollback?number=" + "9" * 400),
        ("DELETE", "/draft/edits"),
        ("PUT", "/status"),
        ("GET", "/apply"),
        ("GET", "/" + "a" * 60_000),
        ("OPTIONS", "*"),
    ],
)
def test_a_question_that_makes_no_sense_is_refused(lab: Lab, method: str, path: str) -> None:
    assert isinstance(refusal(lab, request(method, path)), Refused)


DEEP = b"[" * 100_000 + b"]" * 100_000


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"null",
        b"[]",
        b"{}",
        b"document: {}",
        bytes(range(256)),
        b'\xef\xbb\xbf{"document":{}}',
        b'{"document":' + DEEP + b"}",
        b'{"document":{"schema_version":NaN}}',
        b'{"document":{},"base":' + b"9" * 10_000 + b"}",
        b'{"document":{},"confirm_s":1e400}',
        b'{"document":{},"confirm_s":0}',
        b'{"document":{},"confirm_s":3601}',
        b'{"document":{"local":{"hostname":"\\ud800"}}}',
        b'{"document":{"local":{"hostname":"a\\nb"}}}',
        b'{"document":{"cluster":{"layer7":[{}]}}}',
    ],
)
def test_a_body_that_is_no_wish_changes_nothing(lab: Lab, body: bytes) -> None:
    before = running(lab)
    assert isinstance(refusal(lab, request("POST", "/apply", body)), Refused)
    assert running(lab) == before


@pytest.mark.parametrize(
    "body",
    [
        {"key": "../../etc/passwd", "after": {}},
        {"key": "layer7/1\n", "after": {}},
        {"key": "local", "after": {"comment": "x" * 300_000}},
        {"key": "local", "after": []},
    ],
)
def test_an_edit_of_what_is_no_object_is_refused(lab: Lab, body: object) -> None:
    refusal(lab, request("POST", "/draft/edits", json.dumps(body).encode()))


@pytest.mark.parametrize(
    "data",
    [
        b"\x00\xff\x16\x03\x01\r\n\r\n",
        b"GET /\r\n\r\n",
        b"POST /apply HTTP/1.1\r\nHost: x\r\nContent-Length: -5\r\n\r\n{}",
        b"POST /apply HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nZZZ\r\n",
    ],
)
def test_what_is_no_http_is_turned_away(lab: Lab, data: bytes) -> None:
    assert raw(lab, data)[0] == 400


def test_a_client_that_leaves_in_the_middle_is_no_fault_of_the_agents(lab: Lab) -> None:
    before = running(lab)
    for path in ("/apply", "/plan", "/draft/edits"):
        with socket.socket(socket.AF_UNIX) as talk:
            talk.connect(str(lab.socket))
            talk.sendall(
                f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: 500\r\n\r\n{{".encode()
            )
    for _ in range(5):  # the agent reads the ends of those conversations before these
        assert running(lab) == before
    assert "Traceback" not in lab.agent.log


def test_a_reason_is_one_line_of_the_journal_and_of_the_log(lab: Lab) -> None:
    why = "first\nINFO ballast.journal: root: applied revision 99\x1b[31m" + "x" * 5000
    document = changed(running(lab).document, max_connections=5000)
    wish = {"document": document.model_dump(mode="json"), "why": why}
    assert raw(lab, request("POST", "/apply", json.dumps(wish).encode()))[0] == 200
    newest = journal(lab).splitlines()[0]
    assert "first INFO ballast.journal" in newest
    assert len(newest) < 1100
    assert "\nINFO ballast.journal: root: applied revision 99" not in lab.agent.log
    assert "\x1b" not in newest + lab.agent.log


def test_a_thousand_connections_that_say_nothing_end_and_the_agent_works_on(lab: Lab) -> None:
    before = running(lab)
    held = []
    try:
        for _ in range(1000):
            talk = socket.socket(socket.AF_UNIX)
            held.append(talk)
            talk.settimeout(5)
            talk.connect(str(lab.socket))

        def served() -> bool:
            with suppress(Unable):
                return running(lab) == before
            return False

        eventually(served, within_s=30)  # while all of them are still held
    finally:
        for talk in held:
            talk.close()
