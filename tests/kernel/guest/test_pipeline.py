# SPDX-License-Identifier: Apache-2.0
"""A document's layer 4 services through the whole pipeline into the real kernel, and out again.

IPVS and nftables are the kernel's; what an apply does besides, the fakes stand for, which the
contract suites hold to the real thing.
"""

from __future__ import annotations

import yaml

from services.apply import converge
from services.drivers.sample import Sample
from services.model import Document, ServerState
from services.plan.changes import SetRules
from services.plan.ipvs_changes import DropDest, DropService, PutDest
from services.render.ipvs import ipvs_wanted
from services.render.nft import nft_wanted
from services.reports.status import services_status
from services.switch import switched
from services.wanted import wanted
from tests.kernel.guest.whole import PLACE, drivers
from tests.netns import inside
from tests.tree import ROOT

CASE = ROOT / "tests" / "golden" / "render" / "layer4" / "document.yaml"


def document() -> Document:
    return Document.model_validate(yaml.safe_load(CASE.read_text()))


async def in_turn() -> None:
    doors, whole = drivers(), document()
    system = wanted(whole, PLACE)
    assert await converge(doors, system)
    seen = await doors.ipvs.seen()
    assert seen is not None
    assert seen.table == ipvs_wanted(whole).table
    assert await doors.nft.seen() == nft_wanted(whole)
    assert await converge(doors, system) == (), "settled"

    # somebody's hand
    await doors.ipvs.flush()
    assert any(isinstance(change, PutDest) for change in await converge(doors, system))
    assert await converge(doors, system) == ()

    now = Sample(at=1, running=True, layer4=await doors.ipvs.statistics())
    shown = services_status(whole, now, now)[0]
    healths = {server.label: server.health.value for server in shown.servers}
    assert healths == {"web1": "UP", "web1-v6": "UP", "drained": "DRAIN", "halted": "HALT"}

    # the last server halted: it goes, the page comes before it
    halted = switched(whole, [(1, 1)], state=ServerState.HALT, weight=None)
    changes = [type(change) for change in await converge(doors, wanted(halted, PLACE))]
    assert changes == [PutDest, DropDest]

    gone = await converge(doors, wanted(Document(), PLACE))
    assert any(isinstance(change, DropService) for change in gone)
    assert any(isinstance(change, SetRules) for change in gone)
    empty = await doors.ipvs.seen()
    assert empty is not None
    assert not empty.table
    assert await doors.nft.seen() == ""


def test_a_document_reaches_the_kernel_is_kept_there_and_goes_again() -> None:
    inside(in_turn)
