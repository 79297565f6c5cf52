# SPDX-License-Identifier: Apache-2.0
"""`python -m tests.bench.health_agent FOLDER`: the real agent before a kernel with IPVS.

Everything is real but the table of IPVS, which not every kernel has: it lies in memory and keeps
the kernel's rules, as the contract holds it to. Each weight that is written is a line in
`FOLDER/weights`, `TIME ADDRESS WEIGHT`.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TextIO

from services.agent import __main__ as agent
from services.drivers.ipvs_refusal import NotDone
from services.follow import Drivers
from services.plan.ipvs_changes import IpvsChange, PutDest
from services.render import Place
from tests.bench.farm import now
from tests.fakes.ipvs import FakeIpvs


@dataclass
class ToldIpvs(FakeIpvs):
    """A table that tells what is written into it."""

    to: TextIO = field(default_factory=lambda: sys.stdout)

    async def write(self, changes: Sequence[IpvsChange]) -> tuple[NotDone, ...]:
        before = len(self.written)
        not_done = await super().write(changes)
        at = now()
        made = self.written[before:]
        self.to.writelines(
            f"{at:.4f} {change.key.address} {change.dest.weight}\n"
            for change in made
            if isinstance(change, PutDest)
        )
        self.to.flush()
        return not_done


def main() -> None:
    """Serve until ended."""
    folder = Path(sys.argv[1])
    with (folder / "weights").open("a") as told:

        def drivers(settings: agent.Settings, place: Place) -> Drivers:
            return replace(agent.real_drivers(settings, place), ipvs=ToldIpvs(to=told))

        settings = agent.Settings(folder / "state", folder / "run", folder / "etc", "child")
        asyncio.run(agent.serve(settings, drivers))


if __name__ == "__main__":
    main()
