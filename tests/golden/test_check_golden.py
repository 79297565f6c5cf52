# SPDX-License-Identifier: Apache-2.0
"""Documents from folders, and the `problems.txt` that an administrator must be told.

A case holds one `document.*`, in YAML, JSON or whatever somebody may hand in, and one line
for each problem; no line for a good one. A new case is a new folder; run with
`--update-goldens` once and read what it wrote.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from services.check import require
from services.errors import ConfigInvalid
from services.reading import read_document

CASES = sorted(path.parent for path in (Path(__file__).parent / "check").glob("*/document.*"))


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_the_problems_are_the_folders(case: Path, pytestconfig: pytest.Config) -> None:
    (given,) = case.glob("document.*")
    told = ""
    try:
        require(read_document(given.read_bytes(), name=given.name))
    except ConfigInvalid as error:
        told = "".join(f"{problem}\n" for problem in error.problems)
    expected = case / "problems.txt"
    if pytestconfig.getoption("--update-goldens"):
        expected.write_text(told)
    assert told == expected.read_text()


def test_every_folder_is_a_case() -> None:
    folders = {path.name for path in (Path(__file__).parent / "check").iterdir()}
    assert folders == {case.name for case in CASES}
