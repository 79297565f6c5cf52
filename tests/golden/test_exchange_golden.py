# SPDX-License-Identifier: Apache-2.0
"""Other programs' configurations from folders, the document and the lines left that come out.

A case holds one file, named `ipvsadm`, `ldirectord.cf` or `keepalived.conf`, and, where services
are known by a firewall mark, `marks` with the addresses of some. `document.yaml` are the services,
`leftovers.txt` the lines not understood. A new case is a new folder; run with `--update-goldens`
once and read what it wrote.
"""

from __future__ import annotations

from ipaddress import ip_address
from pathlib import Path

import pytest

from services.exchange import (
    Imported,
    Marks,
    read_ipvsadm,
    read_keepalived,
    read_ldirectord,
    text_of,
)
from services.exchange.names import Labels
from services.model import Cluster, Document
from services.reading import read_document, write_yaml

READERS = {
    "ipvsadm": read_ipvsadm,
    "ldirectord.cf": read_ldirectord,
    "keepalived.conf": read_keepalived,
}
FOLDER = Path(__file__).parent / "exchange"
FILES = sorted(path for name in READERS for path in FOLDER.glob(f"*/{name}"))


def named(file: Path) -> str:
    return file.parent.name


def imported(file: Path, text: str | None = None) -> Imported:
    given = text_of(file.read_bytes(), file.name) if text is None else text
    return READERS[file.name](given, marks=marks(file.parent), labels=Labels())


def marks(case: Path) -> Marks:
    path = case / "marks"
    lines = path.read_text().splitlines() if path.exists() else []
    pairs = [line.split() for line in lines]
    return {int(mark): [ip_address(one) for one in many.split(",")] for mark, many in pairs}


@pytest.mark.parametrize("file", FILES, ids=named)
def test_the_document_and_the_lines_left_are_the_folders(
    file: Path, pytestconfig: pytest.Config
) -> None:
    came = imported(file)
    document = Document(cluster=Cluster(layer4=came.services))
    told = "".join(f"{each}\n" for each in came.leftovers)
    wanted, left = file.parent / "document.yaml", file.parent / "leftovers.txt"
    if pytestconfig.getoption("--update-goldens"):
        wanted.write_text(write_yaml(document))
        left.write_text(told)
    assert document == read_document(wanted.read_bytes(), name=wanted.name)
    assert told == left.read_text()
    assert told.replace("\n", "").isprintable()


@pytest.mark.parametrize("file", FILES, ids=named)
def test_a_line_nobody_knows_is_told_wherever_it_stands(file: Path) -> None:
    lines = text_of(file.read_bytes(), file.name).split("\n")
    for place in range(len(lines)):
        if lines[place - 1].endswith("\\"):
            continue  # it would be the end of that line
        indent = lines[place][: len(lines[place]) - len(lines[place].lstrip())]
        strange = f"{indent}zzz_{place} = 1"
        came = imported(file, "\n".join([*lines[:place], strange, *lines[place:]]))
        told = [each for each in came.leftovers if each.first <= place + 1 <= each.last]
        assert told, strange


@pytest.mark.parametrize("file", FILES, ids=named)
def test_what_is_cut_off_anywhere_is_read_so_far(file: Path) -> None:
    text = text_of(file.read_bytes(), file.name)
    for end in range(0, len(text), 7):
        imported(file, text[:end])


def test_every_folder_is_a_case() -> None:
    assert {path.name for path in FOLDER.iterdir()} == {named(file) for file in FILES}
