# SPDX-License-Identifier: Apache-2.0
"""Plans of layer 4 from folders: `wanted.yaml`, `seen.yaml`, the `changes.txt` to come out.

Both sides are tables, by service and by server as people write them; `seen.yaml` may say what a
server carries. A new case is a new folder; run with `--update-goldens` once and read the result.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from services.plan.ipvs import (
    Dest,
    DestKey,
    Encapsulation,
    Entry,
    Forwarding,
    IpvsSeen,
    IpvsWanted,
    Live,
    Protocol,
    Service,
    ServiceKey,
    Timeouts,
    Tunnel,
)
from services.plan.ipvs_changes import sentence
from services.plan.ipvs_planner import plan_ipvs

CASES = sorted(path.parent for path in (Path(__file__).parent / "ipvs").glob("*/wanted.yaml"))


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_the_plan_is_the_folders(case: Path, pytestconfig: pytest.Config) -> None:
    wanted, seen = (_read(case / f"{side}.yaml") for side in ("wanted", "seen"))
    changes = plan_ipvs(
        IpvsWanted(wanted.table, wanted.timeouts),
        IpvsSeen(seen.table, seen.timeouts or Timeouts(), seen.live),
    )
    told = "".join(
        f"{sentence(change)} -- {change.effect}{f' ({change.drops})' if change.drops else ''}\n"
        for change in changes
    )
    expected = case / "changes.txt"
    if pytestconfig.getoption("--update-goldens"):
        expected.write_text(told)
    assert told == expected.read_text()


class _Side:
    """One side of a case."""

    def __init__(self, found: dict[str, Any]) -> None:
        seconds = found.pop("timeouts", None)
        self.timeouts = Timeouts(*seconds) if seconds else None
        self.live = {
            _service(name): {
                _dest(server): Live(facts.pop("active", 0), facts.pop("inactive", 0))
                for server, facts in fields["servers"].items()
            }
            for name, fields in found.items()
        }
        self.table = {
            _service(name): Entry(
                dests={
                    _dest(server): _way(**facts) for server, facts in fields.pop("servers").items()
                },
                service=Service(**fields),
            )
            for name, fields in found.items()
        }


def _read(path: Path) -> _Side:
    return _Side(yaml.safe_load(path.read_text()) or {})


def _service(name: str) -> ServiceKey:
    if marked := re.fullmatch(r"mark (\d+) \(IPv([46])\)", name):
        return ServiceKey(int(marked[2]), Protocol.MARK, mark=int(marked[1]))
    protocol, _, where = name.partition(" ")
    address, port = _dest(where)
    return ServiceKey(6 if ":" in address else 4, Protocol(protocol), address, port)


def _dest(name: str) -> DestKey:
    address, _, port = name.rpartition(":")
    return DestKey(address.strip("[]"), int(port))


def _way(
    way: str, weight: int, upper: int = 0, lower: int = 0, tunnel: str = "IPIP", port: int = 0
) -> Dest:
    return Dest(Forwarding[way], weight, upper, lower, Encapsulation(Tunnel[tunnel], port))
