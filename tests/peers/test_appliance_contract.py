# SPDX-License-Identifier: Apache-2.0
"""The agent does what the console's scripted appliance does: the same tests, behind its socket."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from console.appliance import Appliance
from services.api import ApplyRequest
from services.client import Client
from tests.contract.conftest import base
from tests.contract.test_appliance_contract import *  # noqa: F403 - the tests themselves
from tests.contract.test_stored_contract import *  # noqa: F403
from tests.lab import Lab


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    with Lab(servers=3, spares=0) as lab:
        lab.start_agent()
        yield lab


@pytest.fixture
async def appliance(lab: Lab) -> Appliance:
    client = Client(lab.socket, terminal="contract")
    if (await client.status()).node.confirm is not None:
        await client.rollback()
    await client.discard()
    await client.apply(ApplyRequest(document=base(), why="as every test begins"))
    return client
