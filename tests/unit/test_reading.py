# SPDX-License-Identifier: Apache-2.0
"""Whatever is handed in becomes a document or a refusal, within bounds; nothing else.

The sentences stand in tests/golden/check.
"""

from __future__ import annotations

import gzip
import json
import os
import subprocess
import sys
import time
import tracemalloc
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from services.errors import ConfigInvalid, NotFound, Refused
from services.model import Document
from services.plain_yaml import MOST_DEPTH, parse
from services.reading import MOST_BYTES, read_document, read_file, write_json, write_yaml
from tests.strategies import comments, documents, labels

SMALL = b"local:\n  hostname: lb1\n"


def refusal(data: bytes) -> str:
    with pytest.raises(ConfigInvalid) as caught:
        read_document(data, name="site")
    return "\n".join(map(str, caught.value.problems))


@settings(max_examples=25)
@given(documents())
def test_what_is_written_is_read_back_and_other_yaml_programs_read_it_alike(
    document: Document,
) -> None:
    text = write_yaml(document)
    assert read_document(text.encode(), name="x") == document
    assert Document.model_validate(yaml.safe_load(text)) == document
    assert read_document(write_json(document).encode(), name="x") == document


@given(labels(), comments())
def test_the_text_of_a_scalar_is_what_somebody_wrote(label: str, comment: str) -> None:
    quoted = yaml.safe_dump({"label": label, "comment": comment}, allow_unicode=True)
    parsed = parse(quoted, name="x", most_values=99)
    assert parsed.value == {"label": label, "comment": comment}
    assert not parsed.problems


@pytest.mark.parametrize(
    "word", ["no", "on", "y", "0x50", "010", "1e3", "80:90", "2026-01-01", "1_0"]
)
def test_words_that_yaml_makes_numbers_and_dates_of_stay_words(word: str) -> None:
    assert parse(f"label: {word}", name="x", most_values=99).value == {"label": word}


@pytest.mark.parametrize("word", ["", "~", "null"])
def test_nothing_is_nothing_unless_it_is_quoted(word: str) -> None:
    assert parse(f"a: {word}\nb: '{word}'", name="x", most_values=99).value == {
        "a": None,
        "b": word,
    }


def test_an_export_names_the_unit_and_what_differs() -> None:
    assert write_yaml(Document()) == (
        "schema_version: 1\n"
        "cluster:\n  layer4: []\n  layer7: []\n"
        "local:\n  hostname: lbmaster\n  interfaces:\n"
        "  - name: eth0\n    addresses:\n    - 192.168.2.21/24\n    mtu: 1500\n"
    )


def test_json_is_never_taken_for_yaml() -> None:
    assert "begins as JSON but is none" in refusal(b"{local: {hostname: lb1}}")


@settings(max_examples=100)
@given(
    st.binary(max_size=60)
    | st.text("{}[]:,-?&*!|>'\"%@`#\n\t ab1~", max_size=60).map(str.encode)
    | st.text(max_size=60).map(lambda text: text.encode("utf-8", "surrogatepass"))
)
def test_any_bytes_are_a_document_or_a_refusal(data: bytes) -> None:
    try:
        read_document(data, name="x")
    except ConfigInvalid as error:
        for problem in error.problems:
            assert str(problem).isprintable()
            assert len(str(problem)) < 600


@settings(max_examples=60)
@given(st.data())
def test_a_good_document_with_a_bad_place_is_a_document_or_a_refusal(data: st.DataObject) -> None:
    good = write_yaml(Document()).encode() if data.draw(st.booleans()) else write_json(Document())
    good = good if isinstance(good, bytes) else good.encode()
    place = data.draw(st.integers(0, len(good)))
    bad = (
        good[:place]
        + data.draw(st.binary(max_size=3))
        + good[place + data.draw(st.integers(0, 3)) :]
    )
    with suppress(ConfigInvalid):
        read_document(bad, name="x")


LAUGHS = b"a: &a [x]\n" + b"".join(
    b"%c: &%c [*%c,*%c]\n" % (here + 1, here + 1, here, here) for here in range(97, 120)
)
HOSTILE: dict[str, Callable[[], bytes]] = {
    "laughs": lambda: LAUGHS,
    "yaml brackets": lambda: b"[" * MOST_BYTES,
    "yaml braces": lambda: b"- " + b"{a: " * 2_000_000,
    "yaml dashes": lambda: b"- " * 4_000_000,
    "yaml questions": lambda: b"? " * 4_000_000,
    "yaml names twice": lambda: b"x: 1\n" * 3_000_000,
    "one word": lambda: b"x" * MOST_BYTES,
    "one quote": lambda: b"x: '" + b"y" * (MOST_BYTES - 4),
    "blank lines": lambda: b"x:" + b"\n" * (MOST_BYTES - 2),
    "json braces": lambda: b'{"a":' * 3_000_000,
    "json values": lambda: b'{"cluster":[' + b",".join([b"1"] * 3_000_000) + b"]}",
    "json names twice": lambda: b'{"cluster":[' + b",".join([b'{"a":1,"a":2}'] * 100_000) + b"]}",
    "json odd names": lambda: b"{" + b",".join(b'"a%d":1' % n for n in range(100_000)) + b"}",
    "json long number": lambda: b'{"schema_version":' + b"9" * 1_000_000 + b"}",
    "gzip": lambda: gzip.compress(b"\0" * 1_000_000),
    "too large": lambda: b"#" * (MOST_BYTES + 1),
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_hostile_input_is_refused_soon(kind: str) -> None:
    data = HOSTILE[kind]()
    begun = time.process_time()
    assert refusal(data)
    assert time.process_time() - begun < 15


def test_an_alias_bomb_costs_no_memory() -> None:
    tracemalloc.start()
    try:
        assert "alias" in refusal(LAUGHS)
        assert tracemalloc.get_traced_memory()[1] < 5_000_000
    finally:
        tracemalloc.stop()


def test_the_deepest_document_fits_and_one_level_more_does_not() -> None:
    assert parse(
        "a: " + "[" * (MOST_DEPTH - 1) + "]" * (MOST_DEPTH - 1), name="x", most_values=99
    ).value
    with pytest.raises(ConfigInvalid, match="levels deep"):
        parse("a: " + "[" * MOST_DEPTH + "]" * MOST_DEPTH, name="x", most_values=99)


def test_a_name_for_sentences_may_be_hostile_too() -> None:
    with pytest.raises(ConfigInvalid) as caught:
        read_document(b"", name="\x1b[31m" + "x" * 1000)
    assert str(caught.value.problems[0]).isprintable()
    assert len(str(caught.value.problems[0])) < 300


# -- files


def test_a_file_is_read(tmp_path: Path) -> None:
    path = tmp_path / "site.txt"
    path.write_bytes(SMALL)
    assert read_file(path).local.hostname == "lb1"
    path.write_text(json.dumps({"local": {"hostname": "lb2"}}))
    assert read_file(path).local.hostname == "lb2"


def test_100_megabytes_are_refused_unread(tmp_path: Path) -> None:
    path = tmp_path / "large"
    with path.open("wb") as file:
        file.truncate(100 << 20)
    tracemalloc.start()
    try:
        with pytest.raises(ConfigInvalid, match="larger than 16 MiB"):
            read_file(path)
        assert tracemalloc.get_traced_memory()[1] < 1_000_000
    finally:
        tracemalloc.stop()


def test_a_file_of_just_the_bound_is_read(tmp_path: Path) -> None:
    path = tmp_path / "bound"
    path.write_bytes(SMALL + b"#" * (MOST_BYTES - len(SMALL)))
    assert read_file(path).local.hostname == "lb1"


@pytest.mark.parametrize("path", ["/dev/zero", "/dev/null"])
def test_a_device_is_no_file(path: str) -> None:
    with pytest.raises(Refused, match="is no file"):
        read_file(Path(path))


def test_a_folder_a_missing_file_and_a_forbidden_path_are_told_apart(tmp_path: Path) -> None:
    with pytest.raises(Refused, match="is a folder"):
        read_file(tmp_path)
    with pytest.raises(NotFound, match="There is no file"):
        read_file(tmp_path / "none")
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(Refused, match="Not a directory"):
        read_file(tmp_path / "file" / "below")


def test_a_pipe_nobody_writes_to_does_not_hold_us(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(ConfigInvalid, match="is empty"):
        read_file(tmp_path / "pipe")


READ_STDIN = (
    "from pathlib import Path\nfrom services.reading import read_file\n"
    "print(read_file(Path('/dev/stdin')).local.hostname)\n"
)


def test_standard_input_is_read_whatever_it_is() -> None:
    told = subprocess.run(
        [sys.executable, "-c", READ_STDIN], input=SMALL, capture_output=True, check=True
    )
    assert told.stdout == b"lb1\n"
    with Path("/dev/zero").open("rb") as zeros:
        told = subprocess.run(
            [sys.executable, "-c", READ_STDIN], stdin=zeros, capture_output=True, check=False
        )
    assert b"standard input is larger than 16 MiB" in told.stderr
