# SPDX-License-Identifier: Apache-2.0
"""The appliance's agent in the lab, and the document it starts its life with.

The agent runs exactly as on the machine except for its folders and for supervising its
daemons as children. Its first document comes through the socket like anybody's change, so
that not even the lab has a back door.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from services.errors import Unable
from tests.lab.agentsocket import ask
from tests.lab.control import Job, Place
from tests.lab.layout import APPLIANCE_ADDRESSES, DIRECT_VIP, GATEWAY, VIP, WEB_PORT, Layout

AGENT = "agent"
START_S = 60
"""Generous: an emulated machine takes twenty."""
MODULE_S = 30
OFTEN = {"interval_s": 2, "timeout_s": 1}
"""Of checks: who stops a server wants to see it."""


def load_ipvs() -> None:
    """Let the kernel have layer 4, if it can, as the image does at its boot."""
    with suppress(FileNotFoundError):
        argv = ["modprobe", "--quiet", "ip_vs"]
        subprocess.run(argv, check=False, capture_output=True, timeout=MODULE_S)


def first_document(layout: Layout) -> dict[str, Any]:
    """One service on port 80 with the layout's servers; whatever is not said is the default."""
    web = {
        "label": "web",
        "addresses": [VIP],
        "ports": str(WEB_PORT),
        "check": {"kind": "http_get", "path": "/health", **OFTEN},
        "servers": [
            {"label": server.name, "address": server.ipv4, "port": WEB_PORT}
            for server in layout.real_servers[: layout.servers]
        ],
    }
    gateway, gateway6 = (address.partition("/")[0] for address in GATEWAY)
    return {
        "cluster": {"layer7": [web]},
        "local": {
            "interfaces": [{"name": "eth0", "addresses": list(APPLIANCE_ADDRESSES)}],
            "gateway": gateway,
            "gateway6": gateway6,
        },
    }


def with_layer4(document: Mapping[str, Any], layout: Layout) -> dict[str, Any]:
    """`document` with the same servers behind a layer 4 service, too.

    By direct routing, as the guide teaches it: every real server of the lab has the address on
    its loopback, and it answers clients in its own network without the appliance. Without
    persistence and in turn, so that a person sees at once who takes over: wlc counts a kept
    connection as 256 ended ones, which for a few clients means the other server for half a minute.
    """
    direct = {
        "label": "web-dr",
        "addresses": [DIRECT_VIP],
        "ports": str(WEB_PORT),
        "forwarding": "dr",
        "scheduler": "wrr",
        "persistence_s": 0,
        "check": {"kind": "negotiate", "protocol": "http", "request": "/health", **OFTEN},
        "servers": [
            {"label": server.name, "address": server.ipv4}
            for server in layout.real_servers[: layout.servers]
        ],
    }
    return {**document, "cluster": {**document["cluster"], "layer4": [direct]}}


class Agent:
    """The agent of one lab."""

    def __init__(self, appliance: Place, folder: Path) -> None:
        self.folder = folder
        self.socket = folder / "run" / "agent.sock"
        """Usable from outside the lab: it is a path of the host's file system."""
        places = {name: folder / name for name in ("state", "run", "etc")}
        # the other two are the agent's to make, with the modes they have on the machine
        places["etc"].mkdir(exist_ok=True)
        options = [word for name, path in places.items() for word in (f"--{name}", str(path))]
        argv = [sys.executable, "-m", "services.agent", *options, "--units", "child"]
        self.job: Job = appliance.define(AGENT, argv)

    def start(self, timeout_s: float = START_S) -> None:
        """Start it and wait until its socket answers. Raises `Unable` with its last words."""
        self.job.start()
        self.await_answer(timeout_s)

    def await_answer(self, timeout_s: float = START_S) -> None:
        """Wait until the socket answers."""
        give_up_at = time.monotonic() + timeout_s
        while True:
            try:
                ask(self.socket, "GET", "/whoami")
                return
            except OSError as error:
                problem = str(error)
            if not self.job.running:
                problem = "it has ended"
            elif time.monotonic() < give_up_at:
                time.sleep(0.05)
                continue
            raise Unable(
                f"The agent does not answer on {self.socket}: {problem}. "
                f"Its last words: {self.job.log[-3000:]}",
                do="Mend what it says.",
            )

    def apply(self, document: Mapping[str, Any], *, why: str, timeout_s: float = 60) -> int:
        """Make a document the running one; returns its revision. Raises what `ask` raises."""
        wish = {"document": document, "why": why}
        revision: int = ask(self.socket, "POST", "/apply", wish, timeout_s=timeout_s)["revision"]
        return revision

    def stop(self) -> int:
        """End it as systemd would; the data plane runs on."""
        return self.job.stop()

    def kill(self) -> int:
        """Kill it without a warning; the data plane runs on."""
        return self.job.kill()

    @property
    def log(self) -> str:
        """All it has said."""
        return self.job.log
