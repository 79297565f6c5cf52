# SPDX-License-Identifier: Apache-2.0
"""A whole machine in memory: every door that an apply goes through, and behind it a fake."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from services.follow import Drivers
from services.render import Place
from tests.fakes.checks import fake_checks
from tests.fakes.files import FakeFiles
from tests.fakes.haproxy import fake_haproxy
from tests.fakes.host import FakeHost
from tests.fakes.ipvs import FakeIpvs
from tests.fakes.links import FakeLinks
from tests.fakes.sysctl import FakeSysctls

PLACE = Place(run=Path("/run/ballast"))


@dataclass
class Rules:
    """A firewall in memory."""

    loaded: str = ""

    async def seen(self) -> str:
        return self.loaded

    async def replace(self, rules: str) -> None:
        self.loaded = rules


@dataclass
class Machine:
    """Every door, and behind it a fake."""

    ipvs: FakeIpvs = field(default_factory=FakeIpvs)
    links: FakeLinks = field(default_factory=FakeLinks)
    rules: Rules = field(default_factory=Rules)
    files: FakeFiles = field(default_factory=FakeFiles)

    def __post_init__(self) -> None:
        self.haproxy = fake_haproxy(self.files, PLACE)
        self.drivers = Drivers(
            files=self.files,
            links=self.links,
            haproxy=self.haproxy,
            host=FakeHost(),
            sysctls=FakeSysctls(),
            ipvs=self.ipvs,
            nft=self.rules,
            checks=fake_checks(self.files, PLACE),
        )
