# SPDX-License-Identifier: Apache-2.0
"""HAProxy in memory, with the rules of the real one as far as an apply can tell.

It loads the same generated file, which it reads where the test's files lie, so a test that
writes no file or a broken one meets what it would meet in earnest.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from services.drivers.haproxy_file import Listing, fingerprint_in, listing_of
from services.drivers.sample import Sample, ServerCounters, ServiceCounters
from services.errors import Refused, Unable, Unreachable
from services.plan.state import HaproxySeen, ServerKey, ServerKnobs
from services.render import Place
from tests.fakes.files import FakeFiles

_WORDS = """
    global description user group stats server-state-file localpeer hard-stop-after
    mworker-max-reloads fd-hard-limit defaults timeout option load-server-state-from-file
    peers peer listen id bind mode balance maxconn cookie stick-table stick default-server
    http-check server http-request
"""
KEYWORDS = frozenset(_WORDS.split())
"""What the generated file may begin a line with."""


@dataclass
class FakeHaproxy:
    """A data plane that is not there."""

    read: Callable[[], bytes | None]
    """The generated file as it lies on the disk."""

    connections: dict[ServerKey, int] = field(default_factory=dict)
    """Live ones; a halt cuts them, a reload does not."""

    held: set[tuple[str, int]] = field(default_factory=set)
    """Addresses and ports that something else listens on."""

    strays: int = 0
    """Masters besides the one that answers."""

    down: set[ServerKey] = field(default_factory=set)
    """Servers whose check fails."""

    failing: Unable | None = None
    """While set, every change raises it."""

    calls: list[str] = field(default_factory=list)
    """What was done, in order."""

    _loaded: bytes | None = None
    _knobs: dict[ServerKey, ServerKnobs] = field(default_factory=dict)
    _started: float = 0.0

    @property
    def running(self) -> bool:
        """Whether a worker answers."""
        return self._loaded is not None

    def kill(self) -> None:
        """What `kill -9` of the worker leads to: the master ends with it."""
        self._loaded = None
        self.connections.clear()

    def turn(self, key: ServerKey, knobs: ServerKnobs) -> None:
        """What somebody does by hand on the socket."""
        self._knobs[key] = knobs

    async def judge(self, config: bytes) -> None:
        if words := _complaint(config):
            raise Refused(
                f"HAProxy refuses the configuration: {words}", do="Correct the service named."
            )

    async def seen(self) -> HaproxySeen:
        if self._loaded is None:
            return HaproxySeen(config=self.read(), masters=self.strays)
        listing = listing_of(self._loaded)
        return HaproxySeen(
            config=self.read(),
            running=True,
            fingerprint=fingerprint_in(self._loaded),
            servers=dict(self._knobs),
            connections={key: self.connections.get(key, 0) for key in listing.servers},
            clients={
                service: sum(n for key, n in self.connections.items() if key[0] == service)
                for service in listing.services
            },
            masters=1 + self.strays,
        )

    async def start(self) -> None:
        self._begin("start")
        if not self.running:
            self._load("HAProxy does not start")

    async def stop(self) -> None:
        self._begin("stop")
        self.kill()
        self.strays = 0

    async def reload(self) -> None:
        self._begin("reload")
        self._require_worker()
        self._load("HAProxy refuses to load the configuration")

    async def set_servers(self, knobs: Mapping[ServerKey, ServerKnobs]) -> None:
        self._begin("set_servers")
        self._require_worker()
        if unknown := knobs.keys() - self._knobs.keys():
            raise Unable(f"HAProxy would not change {unknown}: No such server.", do="Apply again.")
        self._knobs.update(knobs)
        for key, wanted in knobs.items():
            if wanted.halted:
                self.connections.pop(key, None)

    async def end_strays(self) -> None:
        self._begin("end_strays")
        self.strays = 0

    async def sample(self) -> Sample:
        if self._loaded is None:
            return Sample(at=time.monotonic(), running=False)
        listing = listing_of(self._loaded)
        servers = {key: self._counters(key, listing) for key in listing.servers}
        return Sample(
            at=time.monotonic(),
            running=True,
            since_s=int(time.monotonic() - self._started),
            servers=servers,
            services={
                service: ServiceCounters(
                    connections=sum(
                        self.connections.get(key, 0) for key in servers if key[0] == service
                    )
                )
                for service in listing.services
            },
        )

    def _counters(self, key: ServerKey, listing: Listing) -> ServerCounters:
        up = not self._knobs[key].halted and not (key in self.down and listing.servers[key].checked)
        reason = "connection refused" if key in self.down and not up else ""
        return ServerCounters(up=up, reason=reason, connections=self.connections.get(key, 0))

    def _begin(self, call: str) -> None:
        self.calls.append(call)
        if self.failing is not None:
            raise self.failing

    def _require_worker(self) -> None:
        if not self.running:
            raise Unreachable("HAProxy does not answer.", do="See whether HAProxy runs.")

    def _load(self, failure: str) -> None:
        config = self.read() or b""
        if not fingerprint_in(config):
            raise Unable("There is no configuration of ours.", do="Apply the configuration again.")
        listing = listing_of(config)
        for binds in listing.binds.values():
            for address, port in binds:
                if (address, port) in self.held:
                    raise Unable(
                        f"{failure}: cannot bind socket (Address already in use) "
                        f"for [{address}:{port}]",
                        do=f"Something else holds {address}:{port}.",
                    )
        if words := _complaint(config):
            raise Unable(f"{failure}: {words}", do="Correct the service named.")
        self._loaded = config
        self._knobs = {key: line.knobs for key, line in listing.servers.items()}
        self._started = time.monotonic()


def fake_haproxy(files: FakeFiles, place: Place) -> FakeHaproxy:
    """A data plane that loads the file as it lies in `files`."""
    return FakeHaproxy(lambda: files.data(str(place.config)))


def _complaint(config: bytes) -> str:
    for number, line in enumerate(config.decode().split("\n"), start=1):
        word = re.match(r"\s*([^\s#]+)", line)
        if word and word[1] not in KEYWORDS:
            return f"parsing [haproxy.cfg:{number}] : unknown keyword '{word[1]}'"
    return ""
