# SPDX-License-Identifier: Apache-2.0
"""The agent killed at any step of an apply: afterwards the old or the new, whole, never a mix."""

from __future__ import annotations

import sys
from collections.abc import Iterator

import pytest

from services.api import ApplyRequest
from services.errors import Unreachable
from services.model import Document
from tests.lab import Lab
from tests.peers.appliance import (
    addresses,
    answers,
    asked,
    healths,
    masters,
    running,
    status,
)
from tests.poll import eventually

MOST_STEPS = 60
"""More than an apply has: the loop ends at the first apply that is not interrupted."""


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    with Lab(servers=3, spares=1) as lab:
        lab.start_agent()
        eventually(lambda: healths(lab)["web"] == "UP")
        yield lab


def other(document: Document) -> Document:
    """A change of every kind: a VIP and a server go, others come, a weight and a state change."""
    tree = document.model_dump(mode="json")
    [web] = tree["cluster"]["layer7"]
    web["addresses"] = ["192.168.2.105"]
    web["servers"] = web["servers"][:2]
    web["servers"][0]["weight"] = 7
    web["servers"][1]["state"] = "halt"
    shop = {
        "id": 77,
        "label": "shop",
        "addresses": ["192.168.2.110"],
        "ports": "80",
        "servers": [{"id": 78, "label": "web4", "address": "192.168.2.104", "port": 80}],
    }
    tree["cluster"]["layer7"].append(shop)
    tree["local"]["hostname"] = "lbnew"
    return Document.model_validate(tree)


@pytest.mark.timeout(600)
def test_killed_at_every_step_of_an_apply_it_is_the_old_or_the_new(lab: Lab) -> None:
    old = running(lab).document
    new = other(old)
    outcomes = []
    for step in range(1, MOST_STEPS):
        interrupted = killed_at(lab, step, new)
        lab.agent.start()
        found = running(lab).document
        assert found in (old, new), f"a mix after step {step}"
        outcomes.append("new" if found == new else "old")
        whole(lab, found, f"after step {step}")
        if found != old:
            asked(lab, lambda client: client.apply(ApplyRequest(document=old)))
        if not interrupted:
            break
    else:
        pytest.fail(f"an apply took more than {MOST_STEPS} steps")
    assert outcomes[0] == "old"
    assert outcomes[-1] == "new"
    assert outcomes == sorted(outcomes, reverse=True), "once committed it stays committed"


def killed_at(lab: Lab, step: int, new: Document) -> bool:
    """Apply `new` with an agent that dies at `step`; False if the apply came to its end."""
    lab.agent.stop()
    armed = lab.folder / "armed"
    armed.unlink(missing_ok=True)
    argv = [sys.executable, "-m", "tests.peers.dying_agent", str(step), str(lab.folder)]
    dying = lab.appliance.spawn(argv, log=lab.folder / "dying.log")
    try:
        eventually(lambda: colour(lab) == "UP")
        armed.touch()
        try:
            asked(lab, lambda client: client.apply(ApplyRequest(document=new)))
        except Unreachable:
            return True
        return False
    finally:
        armed.unlink(missing_ok=True)
        dying.kill()


def colour(lab: Lab) -> str:
    """The first service's, or nothing while nobody answers."""
    try:
        return status(lab).services[0].health.value
    except Unreachable:
        return ""


def whole(lab: Lab, document: Document, when: str) -> None:
    """The system is exactly what `document` says."""
    vips = {f"{vip}/32" for service in document.cluster.layer7 for vip in service.addresses}

    def floating() -> bool:
        return {address for address in addresses(lab) if address.endswith("/32")} == vips

    eventually(floating)
    request = ApplyRequest(document=document)
    plan = eventually(lambda: asked(lab, lambda client: client.plan(request)).changes == ())
    assert plan, when
    for service in document.cluster.layer7:
        names = {server.label for server in service.servers if server.state == "online"}
        vip = str(service.addresses[0])
        eventually(lambda vip=vip, names=names: answers(lab, vip, count=2) <= names)  # type: ignore[misc]
    assert len(masters(lab)) == 1, when
