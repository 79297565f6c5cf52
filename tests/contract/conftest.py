# SPDX-License-Identifier: Apache-2.0
"""The appliance that its contract suites run on here; `tests/peers` has the agent in its place."""

from __future__ import annotations

import time

import pytest

from console.appliance import Appliance
from services.model import Document
from tests.fakes.appliance import ScriptedAppliance
from tests.lab.agent import first_document
from tests.lab.layout import Layout


def base() -> Document:
    """The document every test begins with."""
    tree = first_document(Layout(servers=3, spares=0))
    tree["cluster"]["layer7"][0]["id"] = 71
    for number, server in enumerate(tree["cluster"]["layer7"][0]["servers"]):
        server["id"] = 711 + number
    return Document.model_validate(tree)


@pytest.fixture
def appliance() -> Appliance:
    return ScriptedAppliance(
        running=base(),
        clock=time.time,
        power_switch=False,
        neighbours={"192.168.2.101": "02:00:00:00:01:01", "fd00:2::101": "02:00:00:00:01:01"},
    )
