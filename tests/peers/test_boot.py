# SPDX-License-Identifier: Apache-2.0
"""The appliance's own units under a real systemd: confined as they ship, and they do their work.

Only the programs' paths differ: a checkout stands for what the image has in /usr/libexec.
"""

from __future__ import annotations

import asyncio
import re
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, TypeVar

import pytest

from services.agent.__main__ import FIRST_PASS_S
from services.api import Applied, ApplyRequest, Status
from services.client import Client
from services.errors import ApplianceError
from services.model import Document
from tests.netns import Namespace, cable, ip, mount
from tests.poll import eventually
from tests.systemd import under_systemd
from tests.tree import ROOT

pytestmark = pytest.mark.needs("systemctl", "journalctl", "unshare")

UNITS = ROOT / "overlays" / "services" / "usr" / "lib" / "systemd" / "system"
SOCKET = Path("/run/ballast/agent.sock")
STATE, ETC = Path("/run/state"), Path("/run/etc")
ALONE = "[Unit]\nDefaultDependencies=no\n"
VIP = "192.168.2.100"

T = TypeVar("T")


def units() -> dict[str, str]:
    """The agent and HAProxy as they ship, where a test's systemd can start them."""
    agent = (UNITS / "ballast-agent.service").read_text()
    program = f"{sys.executable} -m services.agent --state {STATE} --etc {ETC}"
    agent = agent.replace("/usr/libexec/ballast/agent --state /data/ballast", program)
    # nothing of the rest of the system is there to wait for; a developer's Python lies at home
    agent = re.sub(r"(?m)^(RequiresMountsFor|Wants|After|ProtectHome)=.*\n", "", agent)
    agent = agent.replace("ReadWritePaths=/data /etc ", f"ReadWritePaths={STATE} {ETC} ")
    agent = agent.replace("[Service]", f"[Service]\nWorkingDirectory={ROOT}", 1)
    haproxy = (UNITS / "ballast-haproxy.service").read_text()
    return {
        name: text.replace("[Unit]\n", ALONE, 1)
        for name, text in {
            "ballast-agent.service": agent,
            "ballast-haproxy.service": haproxy,
            "network.target": "[Unit]\nWants=ballast-agent.service\n",
        }.items()
    }


def boot(damage: str = "") -> Namespace:
    """What is there before the agent: a card with a cable, folders."""
    far = Namespace()
    cable("eth0", "far0", far)
    with far.entered():
        ip("addr add 192.168.2.9/24 dev far0", "route add 192.168.2.100 dev far0")
    for covered in (b"/tmp", b"/var/tmp"):  # not the host's: the root is read-only here
        mount(b"none", covered, b"tmpfs", 0)
    for folder in (STATE, ETC, SOCKET.parent):
        folder.mkdir(mode=0o750)
    if damage:
        (SOCKET.parent / "data-broken").write_text(damage)
    return far


def start() -> set[str]:
    """As at a boot, beside the naming of the cards; the agent's states while that went on."""
    systemctl("start", "--no-block", "network.target")
    eventually(SOCKET.exists)
    states = set()
    go_on_at = time.monotonic() + 1
    while time.monotonic() < go_on_at:
        states.add(shown("ballast-agent", "ActiveState"))
    assert not (ETC / "hostname").exists()
    (SOCKET.parent / "prepared").touch()
    systemctl("start", "network.target")
    return states


def systemctl(*words: str) -> str:
    done = subprocess.run(["systemctl", *words], check=False, capture_output=True, text=True)
    if done.returncode:
        asking = ["systemctl", "status", "--no-pager", "--lines=40", "--full", words[-1]]
        lines = subprocess.run(asking, check=False, capture_output=True, text=True).stdout
        raise AssertionError(f"systemctl {' '.join(words)}: {done.stderr}\n{lines}")
    return done.stdout


def shown(unit: str, what: str) -> str:
    return systemctl("show", "--value", "--property", what, unit).strip()


async def asked(question: Callable[[Client], Awaitable[T]]) -> T:
    return await question(Client(SOCKET))


async def until(good: Callable[[Status], bool], within_s: float = 30) -> Status:
    give_up_at = time.monotonic() + within_s
    while True:
        try:
            status = await asked(lambda client: client.status())
            if good(status):
                return status
            told: object = status.node
        except ApplianceError as error:
            told = error
        assert time.monotonic() < give_up_at, told
        await asyncio.sleep(0.1)


def web() -> Document:
    tree: dict[str, Any] = Document().model_dump(mode="json")
    tree["cluster"]["layer7"] = [
        {
            "label": "web",
            "addresses": [VIP],
            "ports": "80",
            "servers": [{"label": "web1", "address": "192.168.2.9", "port": 8080}],
        }
    ]
    return Document.model_validate(tree)


async def _the_first_boot() -> dict[str, Any]:
    far = boot("The data partition is broken.\nRescue \x1b[2J it.\n")
    before_the_names = start()
    with_the_network = (ETC / "hostname").exists()
    status = await asked(lambda client: client.status())
    told = {
        "before the names": before_the_names,
        "with the network": with_the_network,
        "addresses": status.node.interfaces[0].addresses,
        "notices": status.node.notices,
        "hostname": (ETC / "hostname").read_text(),
        "revision": status.node.revision,
        "agent": shown("ballast-agent", "StatusText"),
        "forward": Path("/proc/sys/net/ipv4/ip_forward").read_text().strip(),
    }
    applied: Applied = await asked(
        lambda client: client.apply(ApplyRequest(document=web(), why="a service"))
    )
    told["applied"] = applied.revision
    told["haproxy"] = shown("ballast-haproxy", "ActiveState")
    pid = int(shown("ballast-haproxy", "MainPID"))
    told["accounts"] = accounts(pid)
    with far.entered():
        told["page"] = await asyncio.to_thread(fetched)
    # the agent's death touches no traffic, and the next one changes nothing
    systemctl("kill", "--signal=KILL", "ballast-agent")
    with far.entered():
        told["orphaned page"] = await asyncio.to_thread(fetched)
    await until(lambda status: status.node.revision == applied.revision)
    told["same haproxy"] = int(shown("ballast-haproxy", "MainPID")) == pid
    # as at a restart of the unit: the agent finds nothing that it wants
    systemctl("stop", "network.target", "ballast-agent", "ballast-haproxy")
    begun = time.monotonic()
    systemctl("start", "network.target")
    told["restarted within"] = time.monotonic() - begun
    told["haproxy after a restart"] = shown("ballast-haproxy", "ActiveState")
    heavier = Document.model_validate(
        web().model_dump(mode="json") | {"local": {"hostname": "lb2"}}
    )
    await asked(lambda client: client.apply(ApplyRequest(document=heavier)))
    told["new hostname"] = (ETC / "hostname").read_text()
    await asked(lambda client: client.apply(ApplyRequest(document=Document())))
    told["haproxy at the end"] = shown("ballast-haproxy", "ActiveState")
    systemctl("stop", "ballast-agent")
    told["agent at the end"] = shown("ballast-agent", "Result")
    return told


def fetched() -> str:
    argv = ["curl", "-s", "--max-time", "10", "-o", "/dev/null", "-w", "%{http_code}"]
    return subprocess.run(
        [*argv, f"http://{VIP}/"], check=False, capture_output=True, text=True
    ).stdout


def accounts(master: int) -> list[int]:
    """User ids of the master and its workers."""
    children = Path(f"/proc/{master}/task/{master}/children").read_text().split()
    return [
        int(re.findall(r"(?m)^Uid:\s+(\d+)", Path(f"/proc/{pid}/status").read_text())[0])
        for pid in (master, *children)
    ]


@pytest.fixture(scope="module")
def first_boot() -> dict[str, Any]:
    told: dict[str, Any] = under_systemd(units(), _the_first_boot)
    return told


def test_the_first_boot_brings_up_the_factorys_address_and_name(first_boot: dict[str, Any]) -> None:
    assert first_boot["addresses"] == ("192.168.2.21/24",)
    assert first_boot["hostname"] == "lbmaster\n"
    assert first_boot["forward"] == "1"


def test_the_agent_loads_beside_the_naming_of_the_cards_and_begins_after_it(
    first_boot: dict[str, Any],
) -> None:
    assert first_boot["before the names"] == {"activating"}


def test_the_network_is_there_when_the_agent_has_made_it(first_boot: dict[str, Any]) -> None:
    assert first_boot["with the network"]


def test_what_the_agent_starts_is_part_of_the_network_and_does_not_wait_for_it(
    first_boot: dict[str, Any],
) -> None:
    assert first_boot["haproxy after a restart"] == "active"
    assert first_boot["restarted within"] < FIRST_PASS_S / 2


def test_systemd_is_told_when_the_agent_listens(first_boot: dict[str, Any]) -> None:
    assert first_boot["agent"] == f"Revision {first_boot['revision']}"


def test_a_broken_data_partition_is_said_in_the_status_without_control_characters(
    first_boot: dict[str, Any],
) -> None:
    notice, *others = first_boot["notices"]
    assert all("IPVS" in other for other in others), "where the kernel lacks it"
    assert notice.startswith("The data partition is broken. Rescue ")
    assert notice.isprintable()


def test_the_confined_agent_applies_and_the_confined_haproxy_carries_bytes(
    first_boot: dict[str, Any],
) -> None:
    assert first_boot["haproxy"] == "active"
    # nobody answers behind it, and that is HAProxy's own word
    assert first_boot["page"] == "503"
    assert first_boot["new hostname"] == "lb2\n"


def test_the_master_is_root_and_its_workers_are_not(first_boot: dict[str, Any]) -> None:
    master, *workers = first_boot["accounts"]
    assert master == 0
    assert workers
    assert 0 not in workers


def test_a_killed_agent_touches_no_traffic_and_the_next_one_adopts_what_runs(
    first_boot: dict[str, Any],
) -> None:
    assert first_boot["orphaned page"] == "503"
    assert first_boot["same haproxy"]


def test_both_end_when_they_are_told_to(first_boot: dict[str, Any]) -> None:
    assert first_boot["haproxy at the end"] == "inactive"
    assert first_boot["agent at the end"] == "success"
