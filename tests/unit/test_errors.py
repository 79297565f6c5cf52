# SPDX-License-Identifier: Apache-2.0
"""Errors as people read them."""

from __future__ import annotations

import pytest

from services.errors import CommandFailed


@pytest.mark.parametrize(
    ("said", "sentence"),
    [
        ("", "haproxy failed."),
        ("no such file", "haproxy failed: no such file."),
        ("Fatal errors found.\n", "haproxy failed: Fatal errors found."),
        ("one.\n\ntwo...", "haproxy failed: one. two."),
        ("...", "haproxy failed."),
    ],
)
def test_a_programs_own_full_stop_is_not_doubled(said: str, sentence: str) -> None:
    assert CommandFailed(["haproxy", "-c"], "failed", said, do="Look.").what == sentence
