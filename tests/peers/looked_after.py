# SPDX-License-Identifier: Apache-2.0
"""An appliance whose checks are real and whose kernel is whichever a test brings.

Files lie on the disk, because HAProxy reads them; what health has nothing to do with is faked.
"""

from __future__ import annotations

import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from services.agent.appliance import Appliance
from services.agent.changing import Changing
from services.agent.drafts import Drafts
from services.agent.health import HealthBook
from services.agent.journal import Journal
from services.agent.keeping import Keeping
from services.agent.probing import Probing
from services.agent.stored import Stored
from services.agent.window import WindowFile
from services.drivers.checks import UNIT, HaproxyChecks, checks_unit
from services.drivers.files import DiskFiles
from services.drivers.ipvs import Ipvs
from services.drivers.nft import Nft
from services.drivers.units import ChildUnits
from services.follow import Drivers
from services.model import Document
from services.render import Place
from services.store import Store
from tests.fakes.haproxy import FakeHaproxy
from tests.fakes.host import FakeHost
from tests.fakes.links import FakeLinks
from tests.fakes.probes import FakeProbes, ProbeProcess
from tests.fakes.sysctl import FakeSysctls


@dataclass
class World:
    """The appliance, its book of health, and what stands behind them."""

    appliance: Appliance
    changing: Changing
    keeping: Keeping
    book: HealthBook
    drivers: Drivers
    units: ChildUnits
    journal: Journal
    place: Place
    probe: ProbeProcess

    async def apply(self, document: Document) -> None:
        """Make it the running one."""
        await self.changing.apply(document, who="test", why="")

    async def weights(self) -> dict[str, int]:
        """The kernel's destinations and their weights, after one more look."""
        await self.book.look()
        return await self.table()

    async def table(self) -> dict[str, int]:
        """The kernel's destinations, all services together, and their weights."""
        seen = await self.drivers.ipvs.seen()
        assert seen is not None
        return {
            str(key): dest.weight
            for entry in seen.table.values()
            for key, dest in entry.dests.items()
        }

    def restarted(self) -> HealthBook:
        """A book that knows nothing, as after the agent was killed."""
        probing = Probing(FakeProbes(self.probe), str)
        self.book = HealthBook(
            self.appliance, self.keeping, self.drivers.checks, probing, self.journal
        )
        return self.book


class NoRules:
    """A firewall that nobody wants anything of."""

    async def seen(self) -> str:
        return ""

    async def replace(self, rules: str) -> None:
        raise AssertionError(f"nobody wants rules: {rules}")


@asynccontextmanager
async def looked_after(ipvs: Ipvs, nft: Nft) -> AsyncIterator[World]:
    """An appliance with nothing configured; ends its checks at the end."""
    with tempfile.TemporaryDirectory() as folder:
        place = Place(run=Path(folder) / "run", etc=Path(folder) / "etc", account=None)
        for path in (place.haproxy, place.checks, place.etc):
            Path(path).mkdir(parents=True)
        units = ChildUnits({UNIT: checks_unit(place)})
        config = Path(place.config)
        drivers = Drivers(
            files=DiskFiles(),
            links=FakeLinks(),
            haproxy=FakeHaproxy(lambda: config.read_bytes() if config.exists() else None),
            host=FakeHost(),
            sysctls=FakeSysctls(),
            ipvs=ipvs,
            nft=nft,
            checks=HaproxyChecks(place, units),
        )
        state = Path(folder) / "state"
        state.mkdir()
        journal, store = Journal(state / "journal.jsonl"), Store(state / "revisions")
        appliance = Appliance(
            store=store,
            place=place,
            journal=journal,
            window_file=WindowFile(state / "pending.json"),
        )
        changing = Changing(
            appliance,
            drivers,
            journal,
            store=store,
            drafts=Drafts(state / "drafts"),
            stored=Stored(state),
        )
        keeping = Keeping(appliance, changing, drivers, journal)
        probe = ProbeProcess()
        probing = Probing(FakeProbes(probe), str)
        book = HealthBook(appliance, keeping, drivers.checks, probing, journal)
        try:
            yield World(appliance, changing, keeping, book, drivers, units, journal, place, probe)
        finally:
            await units.stop(UNIT)
