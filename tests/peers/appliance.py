# SPDX-License-Identifier: Apache-2.0
"""What the tests of a whole appliance share: a lab with its agent, and questions about it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, TypeVar

from services.api import Revision, Status
from services.client import Client
from services.model import Document
from tests.lab import Lab

_T = TypeVar("_T")
VIP = "192.168.2.100"


def asked(lab: Lab, question: Callable[[Client], Awaitable[_T]], *, terminal: str = "t1") -> _T:
    """One conversation with the agent."""

    async def talk() -> _T:
        return await question(Client(lab.socket, terminal=terminal))

    return asyncio.run(talk())


def status(lab: Lab) -> Status:
    """What the Overview would show."""
    return asked(lab, lambda client: client.status())


def running(lab: Lab) -> Revision:
    """The running document."""
    return asked(lab, lambda client: client.document())


def journal(lab: Lab) -> str:
    """The journal's lines, newest first."""
    entries = asked(lab, lambda client: client.journal(200))
    return "\n".join(f"{entry.who}: {entry.what}" for entry in entries)


def healths(lab: Lab) -> dict[str, str]:
    """Health by `service` and `service/server`."""
    found = {}
    for service in status(lab).services:
        found[service.label] = service.health.value
        for server in service.servers:
            found[f"{service.label}/{server.label}"] = server.health.value
    return found


def answers(lab: Lab, vip: str = VIP, *, count: int = 12, port: int = 80) -> set[str]:
    """Who answers `count` new connections to a VIP; `-` where nobody did."""
    words = ["curl", "-s", "--max-time", "3", "-o", "/dev/null", "-w", "%header{x-served-by}\\n"]
    script = " ".join(f"'{word}'" for word in [*words, f"http://{vip}:{port}/"])
    loop = f"for _ in $(seq {count}); do {script}; done"
    said = lab.client.run(["sh", "-c", loop], timeout_s=60, accept=None).stdout
    return {line or "-" for line in said.splitlines()}


def masters(lab: Lab) -> list[int]:
    """Process ids of the HAProxy masters in the lab, as numbered inside."""
    script = (
        "import pathlib\n"
        "own = {}\n"
        "for folder in pathlib.Path('/proc').glob('[0-9]*'):\n"
        "    try:\n"
        "        argv = (folder / 'cmdline').read_bytes().split(b'\\0')\n"
        "        parent = int((folder / 'stat').read_text().rpartition(')')[2].split()[1])\n"
        "    except OSError:\n"
        "        continue\n"
        "    if argv[0].endswith(b'haproxy'):\n"
        "        own[int(folder.name)] = parent\n"
        "print(*(pid for pid, parent in own.items() if parent not in own))\n"
    )
    said = lab.appliance.run(["python3", "-c", script], timeout_s=10).stdout
    return [int(word) for word in said.split()]


def addresses(lab: Lab) -> set[str]:
    """The appliance's addresses, with prefix."""
    said = lab.appliance.run(["ip", "-j", "address", "show"], timeout_s=5).stdout
    return {
        f"{found['local']}/{found['prefixlen']}"
        for device in json.loads(said)
        for found in device["addr_info"]
    }


def config_file(lab: Lab) -> Path:
    """The generated file, reachable from outside."""
    return lab.folder / "run" / "haproxy" / "haproxy.cfg"


def changed(document: Document, **fields: Any) -> Document:
    """`document` with fields of its first service changed."""
    tree = document.model_dump(mode="json")
    tree["cluster"]["layer7"][0].update(fields)
    return Document.model_validate(tree)
