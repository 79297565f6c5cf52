# SPDX-License-Identifier: Apache-2.0
"""The commands for real servers, one file for each system, of one document with every method."""

from __future__ import annotations

import subprocess
from ipaddress import ip_address
from pathlib import Path

import pytest
import yaml

from services.model import Document
from services.render.setup import as_text, server_setup
from services.systems import System

FOLDER = Path(__file__).parent / "setup"
SERVERS = {
    "two services by DR, both families": "192.168.2.101",
    "tunnels in IPv4": "198.51.100.7",
    "a tunnel in IPv6": "2001:db8:5::7",
    "a tunnel by GRE": "198.51.100.9",
    "NAT": "10.0.0.11",
    "NAT, IPv6, without a VIP as gateway": "2001:db8:3::11",
    "NAT behind a router": "10.9.0.11",
    "SNAT": "10.9.0.12",
}
SHELLS = [system for system in System if not system.value.startswith("windows")]


def document() -> Document:
    return Document.model_validate(yaml.safe_load((FOLDER / "document.yaml").read_text()))


@pytest.mark.parametrize("system", System)
def test_the_commands_are_the_files(system: System, pytestconfig: pytest.Config) -> None:
    parts = [
        f"######## {what}\n{as_text(server_setup(document(), ip_address(rip), system))}"
        for what, rip in SERVERS.items()
    ]
    found = "\n".join(parts)
    expected = FOLDER / f"{system}.txt"
    if pytestconfig.getoption("--update-goldens"):
        expected.write_text(found)
    assert found == expected.read_text()


@pytest.mark.needs("sh")
@pytest.mark.parametrize("system", SHELLS)
def test_a_shell_reads_every_part(system: System) -> None:
    for rip in SERVERS.values():
        setup = server_setup(document(), ip_address(rip), system)
        for part in (setup.apply, setup.verify, setup.undo, as_text(setup)):
            told = subprocess.run(
                ["sh", "-n"], check=False, input=part, capture_output=True, text=True
            )
            assert (told.returncode, told.stderr) == (0, "")
