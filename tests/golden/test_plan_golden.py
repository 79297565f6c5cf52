# SPDX-License-Identifier: Apache-2.0
"""Plans from folders: `wanted.yaml`, `seen.yaml`, and the `changes.txt` that must come out.

Both sides are documents: the one to reach, and the one whose system stands there already.
`seen.yaml` may add a `drift` to that system, in the words below. Lines of `changes.txt` read
`what -- effect (connections)`. A new case is a new folder; run with `--update-goldens` once
and read what it wrote.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from services.model import Document, server_names
from services.plan.planner import plan
from services.plan.state import AddressKey, HaproxySeen, Seen, Wanted
from services.plan.words import sentence
from services.render import Place
from services.wanted import wanted
from tests.pretend import settled

CASES = sorted(path.parent for path in (Path(__file__).parent / "plan").glob("*/wanted.yaml"))
PLACE = Place()


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_the_plan_is_the_folders(case: Path, pytestconfig: pytest.Config) -> None:
    goal = Document.model_validate(_yaml(case / "wanted.yaml"))
    found = _yaml(case / "seen.yaml")
    drift = found.pop("drift", {})
    standing = Document.model_validate(found)
    changes = plan(wanted(goal, PLACE), _drifted(wanted(standing, PLACE), drift, standing))
    names = server_names(standing) | server_names(goal)
    told = "".join(
        f"{sentence(change, lambda key: names[key])} -- {change.effect}"
        f"{f' ({change.drops})' if change.drops else ''}\n"
        for change in changes
    )
    expected = case / "changes.txt"
    if pytestconfig.getoption("--update-goldens"):
        expected.write_text(told)
    assert told == expected.read_text()


def _drifted(standing: Wanted, drift: Mapping[str, Any], document: Document) -> Seen:
    """`haproxy: gone | twice`, `lost: [address]`, `foreign: [address]`, `edited: [path]`,
    `connections: {service/server: count}`.
    """
    seen = settled(standing)
    ids = {name: key for key, name in server_names(document).items()}
    haproxy, links = seen.haproxy, seen.links
    if drift.get("haproxy") == "gone":
        haproxy = HaproxySeen(config=haproxy.config)
    if drift.get("haproxy") == "twice":
        haproxy = replace(haproxy, masters=2)
    connections = {ids[name]: count for name, count in drift.get("connections", {}).items()}
    clients: Counter[int] = Counter()
    for (service, _), count in connections.items():
        clients[service] += count
    haproxy = replace(haproxy, connections=connections, clients=clients)
    kept = {
        key: floats
        for key, floats in links.ours.items()
        if key.address not in drift.get("lost", ())
    }
    foreign = frozenset(AddressKey("eth0", address) for address in drift.get("foreign", ()))
    links = replace(links, ours=kept, foreign=foreign)
    files: dict[str, bytes | None] = dict(seen.files)
    for path in drift.get("edited", ()):
        if path == str(PLACE.config):
            haproxy = replace(haproxy, config=b"edited by hand")
        else:
            files[path] = b"edited by hand"
    return replace(
        seen,
        haproxy=haproxy,
        links=links,
        files=files,
        clients=standing.links.clients,
        outside=standing.links.outside,
    )


def _yaml(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(path.read_text()) or {}
    return found
