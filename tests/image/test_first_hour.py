# SPDX-License-Identifier: Apache-2.0
"""A person's first hour with a unit, on its own screen and keyboard, as the guide tells it."""

from __future__ import annotations

import asyncio
import json
import re
import socket
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from image import guest_disk, recipe
from tests.image.conftest import Appliance
from tests.image.unit import ADDRESSES, CONSOLE_S, FACTORY, NEIGHBOUR, Unit, open_ports
from tests.netns import inside

CHOSEN = "Correct-Horse-7"
NEW = "192.168.2.77"
TAKEN = ADDRESSES[1].partition("/")[0]
NAME = "lb-berlin"
HOUR_S = 1800

VIP = "192.168.2.100"
SERVER_PORT = 8000
"""On the neighbour's second address somebody listens there, on its first nobody."""
LAYER_4 = (
    f"vip add shop --layer 4 --addresses {VIP} --ports 80 --check-port {SERVER_PORT}",
    f"rip add shop web1 --address {TAKEN}",
    f"rip add shop web2 --address {NEIGHBOUR}",
    f"vip add names --layer 4 --protocol udp --addresses {VIP} --ports 53 --check-kind ping",
    f"rip add names ns1 --address {TAKEN}",
)
HEALTH = {("shop", "web1"): "UP", ("shop", "web2"): "DOWN", ("names", "ns1"): "UP"}
HEALTH_S = 120
UNCONFINED = {"ballast-tty.service", "ballast-login.service"}
"""What they start becomes people's sessions."""
EXPOSED = 3.5
"""By systemd's judgement; the limit for ours."""


@pytest.mark.timeout(HOUR_S + 600)
def test_from_power_on_through_the_wizard_to_a_unit_that_is_still_there_after_a_restart(
    appliance: Appliance, tmp_path: Path, renew: bool
) -> None:
    disk = tmp_path / "disk.qcow2"
    asyncio.run(guest_disk.overlay(appliance.disk, disk))
    inside(_hour, appliance, disk, tmp_path, renew, timeout_s=HOUR_S)


def _hour(appliance: Appliance, disk: Path, folder: Path, renew: bool) -> None:
    with Unit(disk, folder, appliance.root) as unit:
        unit.see_status()
        unit.looks("status", renew=renew)
        _nothing_is_open_but_ssh_and_that_refuses(unit, folder)
        _wizard(unit, renew)
        _overview_and_restart(unit, renew)
        unit.see_status(NEW)
        unit.see(NAME)
        assert unit.answers_ping(NEW)
        assert unit.answers_ssh(NEW)
        _over_ssh(unit, folder)
        with listening(TAKEN, SERVER_PORT):
            _layer_4_is_looked_after(unit, folder)
        unit.switch_off()


def _nothing_is_open_but_ssh_and_that_refuses(unit: Unit, folder: Path) -> None:
    assert unit.answers_ping(FACTORY)
    assert unit.answers_ssh(FACTORY)
    assert open_ports(FACTORY, [22, 25, 53, 80, 111, 161, 443, 694, 3333, 9080, 9081, 9443]) == {22}
    for person in recipe.PEOPLE:
        password = "setup" if person.name == "setup" else "loadbalancer"
        done = unit.ssh(person.name, password, FACTORY, "ballast", "status", folder=folder)
        assert done.returncode == 255, done
        assert "Permission denied" in done.stderr


def _wizard(unit: Unit, renew: bool) -> None:
    unit.press("f2")
    unit.see("login:")
    unit.looks("login", renew=renew)
    unit.answer("login:", "setup")
    unit.answer("Password:", "setup")
    unit.answer("Current password:", "setup")
    unit.answer("New password:", CHOSEN)
    unit.answer("Retype new password:", CHOSEN)

    unit.see("step 1 of 4", "eth0", within_s=CONSOLE_S)
    unit.looks("wizard-1-interface", renew=renew)
    unit.press("ret")

    unit.see("step 2 of 4")
    unit.fill(f"{TAKEN}/24")
    unit.press("tab")
    unit.fill("192.168.3.1")
    unit.press("f9")
    unit.see("lies in no network", "192.168.3.1")
    unit.looks("wizard-2-refused", renew=renew)
    unit.fill(NEIGHBOUR)
    unit.press("f9")
    unit.see(TAKEN, "in use")
    unit.looks("wizard-2-in-use", renew=renew)
    unit.fill(f"{NEW}/24")
    unit.press("f9")

    unit.see("step 3 of 4")
    unit.fill(NEIGHBOUR)
    unit.press("tab", "tab")
    unit.fill(NAME)
    unit.see(NAME)
    unit.looks("wizard-3-names", renew=renew)
    unit.press("f9")

    unit.see("step 4 of 4", NEW, NAME)
    unit.looks("wizard-4-review", renew=renew)
    unit.press("f9")
    unit.see("Keep the new settings?")
    assert unit.answers_ping(NEW)
    unit.press("k")
    unit.see("The network is set up.", NEW)
    unit.looks("wizard-5-done", renew=renew)
    assert not unit.answers_ping(FACTORY, within_s=2)
    unit.press("f10")
    unit.see_status(NEW)


def _overview_and_restart(unit: Unit, renew: bool) -> None:
    unit.log_in_first("loadbalancer", "loadbalancer", CHOSEN)
    unit.see("System Overview", NAME, within_s=CONSOLE_S)
    unit.looks("overview", renew=renew)
    unit.press("f12")
    unit.see("Restart")
    unit.looks("power", renew=renew)
    unit.press("r")
    unit.see("Type the reason")
    unit.type("into the rack\n")
    unit.gone("System Overview", within_s=120)


def _over_ssh(unit: Unit, folder: Path) -> None:
    node = json.loads(_administrate(unit, folder, ["status", "--json"]))["node"]
    assert (node["hostname"], node["revision"]) == (NAME, 1)


@contextmanager
def listening(address: str, port: int) -> Iterator[None]:
    """A real server, as far as a look at its port goes: the kernel takes the connections."""
    with socket.create_server((address, port), backlog=1024):
        yield


def _layer_4_is_looked_after(unit: Unit, folder: Path) -> None:
    """By ballast-checks and ballast-probe, confined; and the kernel's table shows what they saw."""
    for words in LAYER_4:
        _administrate(unit, folder, words.split())
    give_up_at = time.monotonic() + HEALTH_S
    while (seen := _health(unit, folder)) != HEALTH:
        assert time.monotonic() < give_up_at, seen
    unit.root_shell(CHOSEN, first=True)
    working = unit.shell("systemctl is-active ballast-checks ballast-probe")
    assert working.split()[-2:] == ["active", "active"]
    table = unit.shell("ipvsadm -Ln | cat")
    assert re.search(rf"TCP +{VIP}:80 wlc persistent 300", table), table
    assert re.search(rf"UDP +{VIP}:53 wlc persistent 300", table), table
    assert re.search(rf"-> {TAKEN}:80 +Route +100 ", table), table
    assert re.search(rf"-> {NEIGHBOUR}:80 +Route +0 ", table), table
    assert re.search(rf"-> {TAKEN}:53 +Route +100 ", table), table
    judged = unit.shell("systemd-analyze security --no-pager 2>&1 | grep -a ballast-")
    exposure = {name: float(told) for name, told in re.findall(r"(ballast-\S+) +([\d.]+)", judged)}
    assert {"ballast-agent.service", "ballast-checks.service", "ballast-probe.service"} < {
        *exposure
    }
    assert max(told for name, told in exposure.items() if name not in UNCONFINED) <= EXPOSED, judged


def _administrate(unit: Unit, folder: Path, words: Sequence[str]) -> str:
    done = unit.ssh("loadbalancer", CHOSEN, NEW, "ballast", *words, folder=folder)
    assert done.returncode == 0, done
    return done.stdout


def _health(unit: Unit, folder: Path) -> dict[tuple[str, str], str]:
    """(service, server) → the word on its chip."""
    services = json.loads(_administrate(unit, folder, ["status", "--json"]))["services"]
    return {
        (service["label"], server["label"]): server["health"]
        for service in services
        for server in service["servers"]
    }
