# SPDX-License-Identifier: Apache-2.0
"""The manifest: the same list is the same bytes, and nothing in it can leave its folder."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from image.manifest import Archive, Deb, Manifest, Wheel, locked_hashes, pin_of, read
from services.errors import Refused

ONE = Deb(
    name="haproxy",
    version="3.0.11-1+deb13u5",
    arch="amd64",
    archive=Archive.SECURITY,
    path="pool/updates/main/h/haproxy/haproxy_3.0.11-1+deb13u5_amd64.deb",
    size=2628116,
    sha256="ab" * 32,
)
TWO = replace(ONE, name="zstd", path="pool/main/z/zstd.deb", archive=Archive.DEBIAN)
WHEEL = Wheel("textual-8.2.8-py3-none-any.whl", "cd" * 32)
WHOLE = Manifest("trixie", "amd64", 1, (ONE, TWO), (replace(ONE, name="shim-signed"),), (WHEEL,))


def test_what_was_written_is_read_again() -> None:
    assert read(WHOLE.text(), where="here") == WHOLE


def test_the_order_of_the_packages_does_not_matter() -> None:
    assert replace(WHOLE, debs=(TWO, ONE)).text() == WHOLE.text()


@pytest.mark.parametrize(
    ("part", "field", "value"),
    [
        ("debs", "path", "pool/../../etc/passwd.deb"),
        ("debs", "path", "/etc/passwd.deb"),
        ("debs", "path", "pool/main/x y.deb"),
        ("debs", "path", "http://elsewhere.example/pool/x.deb"),
        ("debs", "sha256", "../../x"),
        ("debs", "sha256", "AB" * 32),
        ("debs", "archive", "http://elsewhere.example"),
        ("debs", "size", "many"),
        ("debs", "name", "a\nb"),
        ("wheels", "file", "../x.whl"),
        ("wheels", "file", "x.tar.gz"),
        ("boot", "path", None),
    ],
)
def test_a_value_that_means_something_else_is_refused(part: str, field: str, value: object) -> None:
    whole = json.loads(WHOLE.text())
    whole[part][0][field] = value
    with pytest.raises(Refused, match=r"mine\.json is no manifest"):
        read(json.dumps(whole), where="mine.json")


@pytest.mark.parametrize("text", ["", "[]", "{}", "null", '{"format": 2}', '{"format": 1}'])
def test_what_is_no_manifest_is_refused(text: str) -> None:
    with pytest.raises(Refused):
        read(text, where="x")


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.text(), st.lists, max_leaves=5))
def test_no_nonsense_is_more_than_refused(value: Any) -> None:
    whole = json.loads(WHOLE.text())
    whole["debs"] = value
    try:
        found = read(json.dumps(whole), where="x")
    except Refused:
        return
    assert found.debs == ()


LOCK = """\
# a comment
anyio==4.16.0 \\
    --hash=sha256:{a} \\
    --hash=sha256:{b}
    # via httpx
pip==26.3 \\
    --hash=sha256:{c}
    # via pip-tools
pip-tools==7.5 \\
    --hash=sha256:{a}
""".format(a="a" * 64, b="b" * 64, c="c" * 64)


def test_the_hashes_of_a_lock_are_known_by_name() -> None:
    found = locked_hashes(LOCK)
    assert found["anyio"] == {"a" * 64, "b" * 64}
    assert found["pip"] == {"c" * 64}


def test_one_pin_is_taken_out_of_a_lock_whole() -> None:
    assert pin_of(LOCK, "anyio").split() == [
        "anyio==4.16.0",
        "\\",
        f"--hash=sha256:{'a' * 64}",
        "\\",
        f"--hash=sha256:{'b' * 64}",
    ]
    assert pin_of(LOCK, "pip") == f"pip==26.3 \\\n    --hash=sha256:{'c' * 64}\n"
    assert pin_of(LOCK, "absent") == ""
