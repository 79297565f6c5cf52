# SPDX-License-Identifier: Apache-2.0
"""The model's doors: what may enter a document, and what is said to whatever may not.

Sentences for single wrong values stand in tests/golden/check; here stands what must hold
for all values.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from services.model import (
    Check,
    Cluster,
    Document,
    Interface,
    Layer4Advanced,
    Layer4Check,
    Layer4Server,
    Layer4Service,
    Local,
    Model,
    NatEntry,
    RealServer,
    VirtualService,
    field_help,
    problems_from,
)
from services.model.base import (
    Comment,
    CookieName,
    DomainName,
    EmailAddress,
    EmailSender,
    HostName,
    HttpPath,
    Label,
    Phrase,
    Ports,
    StatusCodes,
    port_ranges,
)
from services.model.problems import MOST_ERRORS, MOST_LISTED
from tests.strategies import documents, port_lists

MODELS: list[type[Model]] = [
    *(Check, Cluster, Document, Interface, Layer4Advanced, Layer4Check, Layer4Server),
    *(Layer4Service, Local, NatEntry, RealServer, VirtualService),
]
LINE_TYPES = [
    *(CookieName, DomainName, EmailAddress, EmailSender, HostName, HttpPath, Label, Phrase, Ports),
    StatusCodes,
]
ODD = ["\n", "\r", "\0", "\x1b", "\u2028", '"', "'", "\\", "#", "$", "{", "}", "`"]
JUNK = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)


def accepts(kind: Any, value: object) -> bool:
    try:
        TypeAdapter(kind).validate_python(value)
    except ValidationError:
        return False
    return True


def haproxy_accepts(config: Path) -> bool:
    path = shutil.which("haproxy", path="/usr/sbin:/usr/local/sbin:/usr/bin") or "haproxy"
    judged = subprocess.run([path, "-c", "-f", str(config)], capture_output=True, check=False)
    return judged.returncode == 0


@pytest.mark.parametrize("model", MODELS)
def test_every_field_has_a_title_and_help_for_the_form(model: type[Model]) -> None:
    for name, field in model.model_fields.items():
        assert field.title, name
        assert field_help(model, name).endswith((".", ")")), name


@pytest.mark.parametrize("kind", LINE_TYPES)
@pytest.mark.parametrize("odd", ODD)
def test_no_sign_that_means_something_in_a_generated_file_enters_a_line(
    kind: Any, odd: str
) -> None:
    for value in (odd, f"a{odd}", f"{odd}a", f"a{odd}a", f"/a{odd}", f"80{odd}", f"200{odd}"):
        assert not accepts(kind, value)


@given(st.text(max_size=300))
def test_a_comment_is_one_line_of_200_characters_at_most(text: str) -> None:
    if accepts(Comment, text):
        assert len(text) <= 200
        assert len(text.splitlines()) <= 1
        assert "\x1b" not in text


@pytest.mark.parametrize("length", [1, 63])
def test_a_label_has_up_to_63_characters(length: int) -> None:
    assert accepts(Label, "x" * length)
    assert not accepts(Label, "x" * 64)


@pytest.mark.parametrize(
    ("address", "good"),
    [
        ("operators@example.com", True),
        ("a.b-c+lb=1@mail.example.com", True),
        ("root@localhost", True),
        (f"{'x' * 64}@example.com", True),
        (f"{'x' * 65}@example.com", False),
        (f"a@{'x' * 64}.com", False),
        ("a@" + ".".join(["x" * 60] * 5), False),
        ("-oQ/tmp@example.com", False),
        ("a b@example.com", False),
        ("a@b@example.com", False),
        ("a..b@example.com", False),
        (".a@example.com", False),
        ("a@example.com,b@example.com", False),
        ("Operators <a@example.com>", False),
        ("a@example.com\nBcc: b@example.com", False),
        ("a@", False),
        ("@example.com", False),
        ("example.com", False),
    ],
)
def test_an_e_mail_address_is_one_address_and_nothing_else(address: str, good: bool) -> None:
    assert accepts(EmailAddress, address) is accepts(EmailSender, address) is good


def test_a_sender_may_be_left_open() -> None:
    assert accepts(EmailSender, "")
    assert not accepts(EmailAddress, "")


@given(port_lists())
def test_ports_are_kept_in_one_normal_form(ports: str) -> None:
    adapter = TypeAdapter(Ports)
    normal = adapter.validate_python(ports)
    assert adapter.validate_python(normal) == normal
    ranges = port_ranges(normal)
    assert list(ranges) == sorted(ranges)
    numbers = [port for first, last in ranges for port in range(first, last + 1)]
    assert len(set(numbers)) == len(numbers)
    assert all(1 <= port <= 65535 for port in numbers)


@given(st.text("0123456789,- ", max_size=12))
def test_ports_that_are_accepted_are_ports(text: str) -> None:
    if accepts(Ports, text):
        assert all(
            1 <= first <= last <= 65535 for first, last in port_ranges(text.replace(" ", ""))
        )


@given(
    st.sampled_from([*VirtualService.model_fields, "servers", "check", "odd", "a\nb"]),
    st.sampled_from([*RealServer.model_fields, *Check.model_fields]),
    JUNK,
)
def test_whatever_a_field_holds_the_answer_is_a_document_or_clean_problems(
    field: str, inner: str, junk: object
) -> None:
    service: dict[str, object] = {"label": "web", "addresses": ["192.0.2.1"], "ports": "80"}
    given_as = {"servers": [{inner: junk}], "check": {inner: junk}}.get(field, junk)
    whole = {"cluster": {"layer7": [service | {field: given_as}]}}
    try:
        Document.model_validate(whole)
    except ValidationError as error:
        for problem in problems_from(error, Document):
            assert problem.what
            assert problem.do.endswith((".", "?"))
            assert str(problem).isprintable()
            assert len(str(problem)) < 500


@settings(max_examples=20)
@given(documents())
def test_a_document_survives_json_and_stays_equal(document: Document) -> None:
    assert Document.model_validate_json(document.model_dump_json()) == document


def test_a_document_is_described_by_its_json_schema() -> None:
    schema = Document.model_json_schema()
    assert schema["additionalProperties"] is False
    service = schema["$defs"]["VirtualService"]
    assert service["required"] == ["label", "addresses", "ports"]
    assert {form["format"] for form in service["properties"]["addresses"]["items"]["anyOf"]} == {
        "ipv4",
        "ipv6",
    }
    assert json.loads(json.dumps(schema)) == schema


def test_an_object_cannot_be_changed_after_it_was_judged() -> None:
    with pytest.raises(ValidationError):
        Document().local.hostname = "other"  # type: ignore[misc]  # the point of the test


def test_only_the_first_thousand_problems_are_spelled_out() -> None:
    whole = {f"odd{number}": 1 for number in range(MOST_LISTED + 5)}
    with pytest.raises(ValidationError) as caught:
        Document.model_validate(whole)
    problems = problems_from(caught.value, Document)
    assert len(problems) == MOST_LISTED + 1
    assert problems[-1].what == "There are 5 further problems like these."


def test_what_is_no_configuration_at_all_is_said_in_one_sentence() -> None:
    whole = {f"odd{number}": 1 for number in range(MOST_ERRORS + 1)}
    with pytest.raises(ValidationError) as caught:
        Document.model_validate(whole)
    (problem,) = problems_from(caught.value, Document)
    assert "20001 errors" in problem.what


STATUS = st.lists(
    st.tuples(st.integers(100, 599), st.integers(100, 599)).map(lambda pair: f"{pair[0]}-{pair[1]}")
    | st.integers(90, 610).map(str),
    min_size=1,
    max_size=3,
).map(",".join)


@given(STATUS)
def test_status_ranges_never_run_backwards(codes: str) -> None:
    ranges = [piece.partition("-") for piece in codes.split(",")]
    forwards = all(first <= (last or first) for first, _, last in ranges)
    real = all(
        re.fullmatch("[1-5][0-9]{2}", code) for f, _, last in ranges for code in (f, last or f)
    )
    assert accepts(StatusCodes, codes) == (forwards and real)


@pytest.mark.needs("haproxy")
@pytest.mark.parametrize("codes", ["200", "200-399", "200,301-302,404", "599", "399-200"])
def test_the_model_and_haproxy_agree_on_status_codes(codes: str, tmp_path: Path) -> None:
    config = tmp_path / "haproxy.cfg"
    config.write_text(
        "defaults\n timeout connect 1s\n timeout client 1s\n timeout server 1s\n"
        f"listen x\n bind 127.0.0.1:1\n option httpchk\n http-check expect status {codes}\n"
    )
    assert haproxy_accepts(config) == accepts(StatusCodes, codes)


@pytest.mark.needs("haproxy")
def test_the_largest_times_of_the_model_fit_into_haproxys(tmp_path: Path) -> None:
    times = {
        name: TypeAdapter(VirtualService.model_fields[name].rebuild_annotation()).json_schema()
        for name in ("cookie_max_idle_min", "cookie_max_life_h", "persistence_timeout_min")
    }
    idle_min, life_h, table_min = (schema["maximum"] for schema in times.values())
    config = tmp_path / "haproxy.cfg"
    config.write_text(
        "defaults\n timeout connect 1s\n timeout client 1s\n timeout server 1s\n mode http\n"
        f"listen x\n bind 127.0.0.1:1\n cookie A insert maxidle {idle_min}m maxlife {life_h}h\n"
        f" stick-table type ipv6 size 100 expire {table_min}m\n stick on src\n"
    )
    assert haproxy_accepts(config)
    config.write_text(config.read_text().replace(f"{table_min}m", f"{table_min + 1}m"))
    assert not haproxy_accepts(config)


@pytest.mark.parametrize(
    ("tree", "sentence"),
    [
        ({"addresses": []}, "IP address has no entries. Give 1 at least."),
        ({"addresses": ["192.0.2.1"] * 17}, "IP address has 17 entries. Give 16 at most."),
        ({"check": {"interval_s": []}}, "Interval is no whole number. Write digits only."),
        ({"servers": [[]]}, "Entry 1 of Real servers is no group of fields."),
        ({"servers": [{"port": 80, "label": "web1"}]}, "IP address is missing. Add it."),
    ],
)
def test_sentences_call_a_field_what_its_form_calls_it(tree: Any, sentence: str) -> None:
    good = {"label": "web", "addresses": ["192.0.2.1"], "ports": "80"}
    with pytest.raises(ValidationError) as caught:
        VirtualService.model_validate(good | tree)
    [problem] = problems_from(caught.value, VirtualService)
    assert f"{problem.what} {problem.do}".startswith(sentence)
