# SPDX-License-Identifier: Apache-2.0
"""model.check.s: `ballast check FILE` as a person waits for it, Python's start included."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import yaml

from tests.bench.fleets import fleet
from tests.bench.results import Formula, Result
from tests.lab.control import ROOT

SERVICES, SERVERS = 1000, 10
RUNS = 5
COMMAND = Path(sys.executable).with_name("ballast")


def check_s(file: Path) -> float:
    """Seconds for one run; raises `CalledProcessError` if the document is refused."""
    begun = time.perf_counter()
    subprocess.run([COMMAND, "check", file], check=True, capture_output=True, timeout=120, cwd=ROOT)
    return time.perf_counter() - begun


def measure() -> Sequence[Result]:
    """JSON and YAML in turns, after one run of each that warms the files up."""
    document = fleet(SERVICES, SERVERS)
    with tempfile.TemporaryDirectory(prefix="ballast-bench-") as folder:
        as_json, as_yaml = Path(folder, "document.json"), Path(folder, "document.yaml")
        as_json.write_text(json.dumps(document))
        as_yaml.write_text(yaml.safe_dump(document, sort_keys=False))
        taken = [(check_s(as_json), check_s(as_yaml)) for _ in range(RUNS + 1)][1:]
    json_s, yaml_s = ([pair[side] for pair in taken] for side in (0, 1))
    return [
        Result(
            "model.check.s",
            Formula.MEDIAN,
            json_s,
            beside={"yaml_s": yaml_s},
            note=(
                f"{SERVICES} services of {SERVERS}, JSON; "
                f"the same as YAML {statistics.median(yaml_s):.2f} s"
            ),
        )
    ]
