# SPDX-License-Identifier: Apache-2.0
"""The checks of layer 4 servers in memory: what a test says is down is down."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from services.drivers.checks import Told
from services.drivers.haproxy_file import fingerprint_in
from services.errors import Unable
from services.health.verdict import Result
from services.plan.state import ChecksSeen
from services.render import Place
from tests.fakes.files import FakeFiles

_BACKEND = re.compile(r"^backend (\S+)$|^    server (\S+) ", re.MULTILINE)


@dataclass
class FakeChecks:
    """Checks that are not made; it knows the targets from the same generated file."""

    read: Callable[[], bytes | None]
    """The generated file as it lies on the disk."""
    remove: Callable[[], object]

    down: dict[str, str] = field(default_factory=dict)
    """Targets whose check fails, by their name, and why."""
    calls: list[str] = field(default_factory=list)
    failing: Unable | None = None
    """While set, every change raises it."""
    _loaded: bytes | None = None

    def kill(self) -> None:
        """What `kill -9` leads to."""
        self._loaded = None

    async def judge(self, config: bytes) -> None:
        """Everything that we render is good."""

    async def seen(self) -> ChecksSeen:
        config = self.read()
        if self._loaded is None or config is None:
            return ChecksSeen(config=config)
        return ChecksSeen(config, running=True, fingerprint=fingerprint_in(self._loaded))

    async def start(self) -> None:
        self._begin("start")
        config = self.read() or b""
        if not fingerprint_in(config):
            raise Unable("There is no configuration of ours.", do="Apply the configuration again.")
        self._loaded = config

    async def stop(self) -> None:
        self._begin("stop")
        self._loaded = None
        self.remove()

    async def found(self) -> Mapping[str, Told] | None:
        if self._loaded is None:
            return None
        return {name: self._told(name) for name in _targets(self._loaded)}

    async def results(self, expected: Mapping[str, str]) -> Mapping[str, Result]:
        now = time.time()
        return {
            name: Result(name not in self.down, self.down.get(name, ""), now, ms=1)
            for name in _targets(self._loaded or b"")
        }

    def _told(self, name: str) -> Told:
        up = name not in self.down
        return Told(up, health=3 if up else 0, weight=100, since_s=0, checked=True)

    def _begin(self, call: str) -> None:
        self.calls.append(call)
        if self.failing is not None:
            raise self.failing


def fake_checks(files: FakeFiles, place: Place) -> FakeChecks:
    """Checks that load the file as it lies in `files`."""
    path = str(place.checks_config)
    return FakeChecks(lambda: files.data(path), lambda: files.held.pop(path, None))


def _targets(config: bytes) -> list[str]:
    manner, names = "", []
    for found in _BACKEND.finditer(config.decode()):
        if found[1]:
            manner = found[1].partition("_")[0]
        else:
            names.append(f"{manner}/{found[2]}")
    return names
