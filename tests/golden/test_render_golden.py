# SPDX-License-Identifier: Apache-2.0
"""Generated files from folders: `document.yaml`, and the files that must come out of it.

A new case is a new folder; run with `--update-goldens` once and read what it wrote.
"""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
import yaml

from services.model import Document
from services.plan.ipvs import IpvsSeen
from services.plan.ipvs_changes import sentence
from services.plan.ipvs_planner import plan_ipvs
from services.plan.state import File
from services.render import Place, haproxy_wanted, system_files
from services.render.checks import checks_wanted
from services.render.ipvs import ipvs_wanted
from services.render.nft import nft_wanted

CASES = sorted(path.parent for path in (Path(__file__).parent / "render").glob("*/document.yaml"))
PLACE = Place()


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_the_files_are_the_folders(case: Path, pytestconfig: pytest.Config) -> None:
    document = Document.model_validate(yaml.safe_load((case / "document.yaml").read_text()))
    files = [haproxy_wanted(document, PLACE).config, *system_files(document, PLACE)]
    for file in (*files, *_kernels(document)):
        expected = case / Path(file.path).name
        if pytestconfig.getoption("--update-goldens"):
            expected.write_bytes(file.data)
        assert file.data.decode() == expected.read_text()


def _kernels(document: Document) -> tuple[File, ...]:
    """What layer 4 is made of, as files: the IPVS table in words, our rules, the checks."""
    table = plan_ipvs(ipvs_wanted(document), IpvsSeen())
    told = "".join(f"{sentence(change)}\n" for change in table)
    files = (File("ipvs.txt", told.encode()), File("rules.nft", nft_wanted(document).encode()))
    checks = checks_wanted(document, PLACE)
    return (*files, checks.config) if table else ()


FILES = [file for case in CASES for file in (case / "haproxy.cfg", case / "checks.cfg")]


@pytest.mark.needs("haproxy")
@pytest.mark.parametrize(
    "file",
    [file for file in FILES if file.exists()],
    ids=lambda file: f"{file.parent.name}/{file.name}",
)
def test_haproxy_takes_the_file_without_a_warning(file: Path, tmp_path: Path) -> None:
    # the state file is there whenever the agent asks HAProxy
    state = tmp_path / "servers.state"
    state.write_text("1\n")
    config = file.read_text()
    for place in (PLACE.state_file, PLACE.checks_state):
        config = config.replace(str(place), str(state))
    judged = tmp_path / "haproxy.cfg"
    judged.write_text(config)
    said = subprocess.run(
        ["haproxy", "-c", "-f", str(judged)],
        check=False,
        capture_output=True,
        text=True,
        timeout=30,
    )
    assert (said.returncode, said.stderr) == (0, ""), said.stderr
