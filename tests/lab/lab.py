# SPDX-License-Identifier: Apache-2.0
"""A lab: an appliance, real servers and clients in namespaces of their own.

    with Lab(servers=3) as lab:
        lab.start_agent()
        lab.start_traffic()
        lab.server("web2").kill()
        lab.appliance.run(["ip", "address"], timeout_s=5)

Whoever holds it needs no privileges, and nothing of it is left afterwards, whichever way the
holder ends. Every call may come from any thread; in asynchronous code the slow ones
(`start`, `close`, `run`, `start_agent`) belong into `asyncio.to_thread`, and `async with`
does that for the first two.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Self

from services.errors import Unable
from tests.lab.agent import Agent, first_document, load_ipvs, with_layer4
from tests.lab.agentsocket import Refusal
from tests.lab.control import Control, Job, Place
from tests.lab.folder import new_folder, remove_remains
from tests.lab.launch import environment, launch
from tests.lab.layout import APPLIANCE, CLIENT, WEB_PORT, Layout

BROWSER = "browser"
"""The name of the job that sends requests."""
REQUESTS_PER_S = 30.0
READY_S = 20
WITHOUT_LAYER4 = "without-layer4"
"""A file of the lab's folder that says why there is none."""
_WEBSERVER = Path(__file__).with_name("webserver.py")


class Lab:
    """One lab; `with` starts and ends it."""

    def __init__(
        self, servers: int = 3, *, spares: int = 3, rate_per_s: float = REQUESTS_PER_S
    ) -> None:
        """`rate_per_s`: how many requests the client sends, through all services together."""
        self.layout = Layout(servers, spares)
        self._rate_per_s = rate_per_s
        self.without_layer4 = ""
        """Why it has no layer 4 service though one was asked for, in the agent's words."""
        self._end: Callable[[], None] | None = None

    def start(self) -> None:
        """Build it and start the real servers. Raises `Unable` with the remedy."""
        remove_remains()
        self.folder, lock = new_folder()
        try:
            self.control = Control(self.folder, environment(self.folder))
            launched = launch(self.layout, self.folder, lock)
        except BaseException:
            shutil.rmtree(self.folder, ignore_errors=True)
            os.close(lock)
            raise

        def end() -> None:
            launched.end()
            shutil.rmtree(self.folder, ignore_errors=True)
            os.close(lock)

        self._end = end
        try:
            self.appliance = Place(self.control, APPLIANCE)
            """The load balancer: eth0 to eth3, no address yet."""
            self.client = Place(self.control, CLIENT)
            """The clients, 192.168.2.200 to .207 and fd00:2::200 to ::207."""
            self.agent = Agent(self.appliance, self.folder)
            self._start_servers()
            self._define_traffic()
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """End everything inside and take the folder away; a second time does nothing."""
        end, self._end = self._end, None
        if end:
            end()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    async def __aenter__(self) -> Self:
        await asyncio.to_thread(self.start)
        return self

    async def __aexit__(self, *_: object) -> None:
        await asyncio.to_thread(self.close)

    @property
    def socket(self) -> Path:
        """The agent's socket, usable from outside the lab."""
        return self.agent.socket

    def place(self, name: str) -> Place:
        """A machine by its name, one of the layout's."""
        return Place(self.control, name)

    def server(self, name: str) -> Job:
        """The web server of web1 or another: `stop()`, `start()`, `kill()`, `running`."""
        return Job(self.control, name)

    def start_agent(self, *, first: dict[str, Any] | None = None, layer4: bool = False) -> None:
        """Start the agent, wait for it, and apply a first document (`{}`: leave the factory's).

        With `layer4` it has a layer 4 service, too, if the kernel carries one: nobody but the
        agent is asked whether it does. Raises `Unable` with the agent's words.
        """
        if layer4:
            load_ipvs()
        self.agent.start()
        document = first_document(self.layout) if first is None else first
        if layer4:
            try:
                self._apply_first(with_layer4(document, self.layout))
            except Refusal as refusal:
                self.without_layer4 = f"{refusal.said} {refusal.do}"
                (self.folder / WITHOUT_LAYER4).write_text(self.without_layer4)
            else:
                return
        if document:
            self._apply_first(document)

    def start_traffic(self, urls: Iterable[str] = ()) -> None:
        """Let the client send requests through every service of the agent's document.

        `urls` (`host:port` each) are asked as well; `follow_urls` changes them later.
        """
        self.follow_urls(urls)
        Job(self.control, BROWSER).start()

    def follow_urls(self, urls: Iterable[str]) -> None:
        """Let the client ask these as well, from the next second on."""
        fresh = self.folder / "targets.new"
        fresh.write_text("".join(f"{url}\n" for url in urls))
        fresh.replace(self.folder / "targets")

    def stop_traffic(self) -> None:
        """Let the client be silent."""
        Job(self.control, BROWSER).stop()

    @property
    def traffic(self) -> dict[str, Any]:
        """The client's figures (`tests.lab.client.Counts`), at most a second old."""
        return figures(self.folder)

    def _apply_first(self, document: Mapping[str, Any]) -> None:
        self.agent.apply(document, why="The lab's first document")

    def _start_servers(self) -> None:
        for server in self.layout.real_servers:
            argv = [sys.executable, "-S", str(_WEBSERVER), server.name, str(WEB_PORT)]
            self.place(server.name).define(server.name, argv).start()
        give_up_at = time.monotonic() + READY_S
        for server in self.layout.real_servers:
            job = self.server(server.name)
            while "listens" not in job.log:
                if not job.running or time.monotonic() > give_up_at:
                    raise Unable(f"{server.name} does not serve: {job.log}", do="See its words.")
                time.sleep(0.01)

    def _define_traffic(self) -> None:
        self.client.define(
            BROWSER,
            [
                *(sys.executable, "-m", "tests.lab.client"),
                *("--targets", str(self.folder / "targets")),
                *("--socket", str(self.socket)),
                *("--figures", str(self.folder / "client.json")),
                *("--rate", str(self._rate_per_s)),
            ],
        )


def figures(folder: Path) -> dict[str, Any]:
    """The client's figures of the lab in `folder`; empty before it sends anything."""
    with suppress(FileNotFoundError):
        found: dict[str, Any] = json.loads((folder / "client.json").read_text())
        return found
    return {}
