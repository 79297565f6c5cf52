# SPDX-License-Identifier: Apache-2.0
"""The lab of `make run` on a kernel with IPVS: its client is served by layer 4, too."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.lab import Lab
from tests.lab.agentsocket import ask
from tests.lab.layout import DIRECT_VIP
from tests.poll import eventually

TARGET = f"{DIRECT_VIP}:80"
LABEL = "web-dr"
START_S = 100
"""For an agent to start, or anything else to happen: 8 s in an emulated machine that has a machine
to itself, more than 60 seen where a second one ran beside it."""
REQUESTS_PER_S = 10
"""Clients and servers are in the emulated machine, too: thirty keep half of it busy."""
QUIET_REQUESTS = 20

ASKS = """
import http.client
asked = http.client.HTTPConnection("{host}", 80, timeout=10, source_address=("192.168.2.200", 0))
asked.request("GET", "/")
print(asked.getresponse().getheader("X-Seen-From"))
"""

DOWNLOADS = """
import http.client
asked = http.client.HTTPConnection("{host}", 80, timeout=10)
asked.request("GET", "/slow?s={seconds}")
for line in asked.getresponse():
    print(line.decode().strip())
"""
DOWNLOAD_S = 30
"""Longer than an agent takes to start."""

pytestmark = pytest.mark.timeout(140)


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    with Lab(servers=2, spares=0, rate_per_s=REQUESTS_PER_S) as lab:
        lab.start_agent(layer4=True)
        assert lab.without_layer4 == ""
        lab.start_traffic()
        yield lab


def served(lab: Lab) -> dict[str, int]:
    """The client's good answers from the layer 4 address, by server; failures as `failed`."""
    found: dict[str, int] = lab.traffic.get("by_target", {}).get(TARGET, {})
    return found


def status(lab: Lab) -> dict[str, Any]:
    """The layer 4 service as the Overview gets it, its servers by label."""
    told = ask(lab.socket, "GET", "/status", timeout_s=10)
    [found] = (each for each in told["services"] if each["label"] == LABEL)
    return {**found, "servers": {each["label"]: each for each in found["servers"]}}


def switch(lab: Lab, server: str, state: str) -> None:
    """As the console does it for a person; the command line takes a minute to start here."""
    now = status(lab)
    wish = {"servers": [[now["id"], now["servers"][server]["id"]]], "state": state, "why": "test"}
    ask(lab.socket, "POST", "/layer7/servers", wish, timeout_s=30)


def becomes(question: Callable[[], Any]) -> None:
    eventually(question, within_s=START_S)


def follows_without(lab: Lab, server: str) -> None:
    """The client goes on at the other server, without a failure and without this one."""

    def quiet() -> bool:
        before = served(lab)
        becomes(lambda: sum(served(lab).values()) >= sum(before.values()) + QUIET_REQUESTS)
        after = served(lab)
        return all(before.get(each) == after.get(each) for each in (server, "failed"))

    becomes(quiet)


def test_the_clients_requests_come_from_the_servers_past_the_appliance(lab: Lab) -> None:
    becomes(lambda: min(served(lab).get(name, 0) for name in ("web1", "web2")) > 5)
    assert set(lab.traffic["by_target"]) == {"192.168.2.100:80", TARGET}
    assert "failed" not in served(lab)
    seen_from = lab.client.run(
        [sys.executable, "-c", ASKS.format(host=DIRECT_VIP)], timeout_s=30
    ).stdout.strip()
    assert seen_from == "192.168.2.200", "the server sees the client, not the appliance"


def test_the_overview_is_told_of_it_live(lab: Lab) -> None:
    def alive(now: dict[str, Any]) -> bool:
        servers = now["servers"].values()
        return (
            (now["health"], now["kind"]) == ("UP", "L4 DR")
            and bool(now["connections"] and now["sessions_per_s"] > 1)
            and all(each["sessions_total"] > 5 for each in servers)
        )

    eventually(lambda: status(lab), alive, within_s=START_S)


def test_the_doctor_finds_its_servers_set_up_as_they_should_be(lab: Lab) -> None:
    key = status(lab)["id"]
    found = ask(lab.socket, "POST", f"/doctor?service={key}", timeout_s=60)["findings"]
    assert {each["server"] for each in found if each["server"]} == {"web1", "web2"}
    assert {each["verdict"] for each in found} == {"good"}, found


@pytest.mark.parametrize("state", ["drain", "halt"])
def test_a_server_that_a_person_takes_out_gets_nothing_more(lab: Lab, state: str) -> None:
    switch(lab, "web1", state)
    becomes(lambda: status(lab)["servers"]["web1"]["health"] == state.upper())
    if state == "halt":  # a drained one keeps the connections it has
        follows_without(lab, "web1")
    switch(lab, "web1", "online")
    before = served(lab)["web1"]
    becomes(lambda: served(lab)["web1"] > before)


def test_a_server_that_ends_is_left_out_and_taken_back(lab: Lab) -> None:
    lab.server("web2").stop()
    becomes(lambda: status(lab)["servers"]["web2"]["health"] == "DOWN")
    follows_without(lab, "web2")
    lab.server("web2").start()
    before = served(lab)["web2"]
    becomes(lambda: served(lab)["web2"] > before)


def test_a_download_outlives_the_agent_and_its_counters_do(lab: Lab, tmp_path: Path) -> None:
    script = DOWNLOADS.format(host=DIRECT_VIP, seconds=DOWNLOAD_S)
    log = tmp_path / "download"
    download = lab.client.spawn([sys.executable, "-u", "-c", script], log=log)
    becomes(lambda: log.exists() and "web" in log.read_text())
    before = status(lab)["sessions_total"]
    lab.agent.kill()
    lab.agent.start(START_S)
    assert download.wait(START_S) == 0, log.read_text()
    assert len(log.read_text().split()) == DOWNLOAD_S
    assert status(lab)["sessions_total"] > before
