# SPDX-License-Identifier: Apache-2.0
"""The commands for a Linux server, run by a shell on one: the doctor sees the difference.

The other systems' and the tunnels' are run in `tests/kernel/guest/test_realservers.py`, as far as
the guest has them, with IPVS and a client at work.
"""

from __future__ import annotations

import subprocess
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest

from services.api import Verdict
from services.render.setup import server_setup
from services.systems import System
from tests.netns import inside, ip, mount_tmpfs
from tests.peers.lan import VIP6, Lan, rip

SERVER = 2


def on(lan: Lan, commands: str) -> subprocess.CompletedProcess[str]:
    """Have a shell on the server run them."""
    with lan.on(SERVER):
        return subprocess.run(
            ["sh"], check=False, input=commands, capture_output=True, text=True, timeout=30
        )


def state(lan: Lan) -> str:
    """What a set-up may leave behind."""
    with lan.on(SERVER):
        switches = [
            Path("/proc/sys/net/ipv4/conf/all", name).read_text()
            for name in ("arp_ignore", "arp_announce")
        ]
        shown = [ip("-o addr show scope global"), ip("route show"), *switches]
    return "\n".join([*shown, *(str(path) for path in Path("/etc").rglob("*ballast*"))])


async def in_turn(version: int, **service: Any) -> None:
    mount_tmpfs(Path("/etc"), size_kib=64)
    Path("/etc/sysctl.d").mkdir()
    lan = Lan()
    servers = [{"id": 2, "label": "web2", "address": rip(SERVER, version)}]
    asked = {"servers": servers, **service}
    setup = server_setup(lan.document(**asked), ip_address(rip(SERVER, version)), System.LINUX)
    with lan.left:
        lan.listens(SERVER, "::")
        before = state(lan)
        assert on(lan, setup.verify).returncode == 1
        [fault] = [each for each in await lan.examine(**asked) if each.server]
        assert (fault.verdict, fault.setup) == (Verdict.FAULT, "web")

        for _ in range(2):  # a second time does no harm
            applied = on(lan, setup.apply)
            assert (applied.returncode, applied.stderr) == (0, "")
        verified = on(lan, setup.verify)
        assert "NO:" not in verified.stdout
        assert verified.returncode == 0
        [cured] = [each for each in await lan.examine(**asked) if each.server]
        assert cured.verdict is Verdict.GOOD, cured.what

        undone = on(lan, setup.undo)
        assert (undone.returncode, undone.stderr) == (0, "")
        assert state(lan) == before
        assert on(lan, setup.verify).returncode == 1


@pytest.mark.parametrize(
    ("version", "service"),
    [
        pytest.param(4, {}, id="DR"),
        pytest.param(6, {"addresses": [VIP6]}, id="DR-IPv6"),
        pytest.param(4, {"forwarding": "nat"}, id="NAT"),
    ],
)
def test_commands_cure_what_the_doctor_found_and_are_undone(
    version: int, service: dict[str, Any]
) -> None:
    inside(in_turn_of, version, service)


async def in_turn_of(version: int, service: dict[str, Any]) -> None:
    await in_turn(version, **service)
