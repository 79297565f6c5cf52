# SPDX-License-Identifier: Apache-2.0
"""The whole pipeline, from a document into this kernel.

IPVS, nftables and the kernel's settings are real; what an apply does besides, the fakes stand
for, which the contract suites hold to the real thing.
"""

from __future__ import annotations

from pathlib import Path

from services.apply import converge
from services.drivers.ipvs import KernelIpvs
from services.drivers.nft import KernelNft
from services.drivers.sysctl import KernelSysctls
from services.follow import Drivers
from services.model import Document
from services.plan.changes import Change
from services.render import Place
from services.wanted import wanted
from tests.fakes.checks import fake_checks
from tests.fakes.files import FakeFiles
from tests.fakes.haproxy import fake_haproxy
from tests.fakes.host import FakeHost
from tests.fakes.links import FakeLinks

PLACE = Place(run=Path("/run/ballast"))


def drivers() -> Drivers:
    """Every door, where this thread stands."""
    files = FakeFiles()

    return Drivers(
        files=files,
        links=FakeLinks(),
        haproxy=fake_haproxy(files, PLACE),
        host=FakeHost(),
        sysctls=KernelSysctls(),
        ipvs=KernelIpvs(),
        nft=KernelNft(),
        checks=fake_checks(files, PLACE),
    )


async def applied(document: Document, doors: Drivers) -> tuple[Change, ...]:
    """Bring the kernel to what `document` asks for; what had to be changed."""
    return await converge(doors, wanted(document, PLACE))
