# SPDX-License-Identifier: Apache-2.0
"""The door to the HAProxy that looks after layer 4 servers: start it, and ask what it found.

It carries no traffic, so it is one process that is ended and started anew where the data plane
would be reloaded. What it knew goes with it: names say what is looked at and how, so an entry
of its own last answer is true of the server of that name and of no other. The answer is kept on
the disk whenever a server turned, for whoever starts it after a kill.

HAProxy's log would tell at once that a server turned, but loses lines when many do (of 10,000
at once every third). So it is asked, as often as a small share of a core allows: a whole answer
costs it 3 microseconds a server.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from services.drivers.haproxy_answers import FORCED_DRAIN, strange, worker_from
from services.drivers.haproxy_folder import HaproxyFolder
from services.drivers.haproxy_judge import INSTALL, complaint
from services.drivers.haproxy_log import HaproxyLog, remedy
from services.drivers.haproxy_socket import ask
from services.drivers.haproxy_stats import results_from
from services.drivers.haproxy_workers import Pause
from services.drivers.server_state import VERSION
from services.drivers.units import Units, UnitSpec
from services.errors import CommandFailed, Refused, Unable, Unreachable
from services.health.verdict import Result
from services.plan.state import ChecksSeen
from services.render import Place

UNIT = "checks"
ANSWER_S = 5.0
START_S = 15.0
STATES = "show servers state"
DETAILS = "show stat -1 4 -1"


@dataclass(frozen=True, slots=True)
class Told:
    """What is known of a target, from the checks themselves."""

    up: bool
    health: int
    """Good checks that speak for it: `rise` and more are up, `rise + fall - 1` is the most."""
    weight: int
    """Per cent of its weight, of a server whose agent was asked for it; else 100."""
    since_s: int
    checked: bool
    """False: nobody has looked yet."""


class Checks(Protocol):
    """The checks of layer 4 servers. Every call may raise `Unable` or its children."""

    async def judge(self, config: bytes) -> None:
        """Let HAProxy itself judge a file; raises `Refused` with its words."""

    async def seen(self) -> ChecksSeen:
        """The file that lies there, and which one it has loaded."""

    async def start(self) -> None:
        """Run with the file that lies on the disk; what was known before is known on."""

    async def stop(self) -> None:
        """End it and forget its file."""

    async def found(self) -> Mapping[str, Told] | None:
        """What is known of each target, by its name; None: it does not run."""

    async def results(self, expected: Mapping[str, str]) -> Mapping[str, Result]:
        """What the last check of each target found, in words.

        `expected`: the status codes that are good, by the name of the manner of looking.
        """


def checks_unit(place: Place) -> UnitSpec:
    """How it is started: in the foreground, for systemd and ourselves alike."""
    return UnitSpec(
        argv=("haproxy", "-db", "-f", str(place.checks_config)),
        log=Path(place.checks_log),
        mark=("-f", str(place.checks_config)),
        account=place.account,
        do=INSTALL,
    )


class HaproxyChecks:
    """The real one; `units` starts and ends it."""

    def __init__(self, place: Place, units: Units) -> None:
        self._units = units
        self._socket = Path(place.checks_socket)
        self._config = Path(place.checks_config)
        self._folder = HaproxyFolder(self._config, Path(place.checks_state))
        self._log = HaproxyLog(Path(place.checks_log))
        self._ups: frozenset[str] | None = None
        """Targets that were up in the answer that lies on the disk."""

    async def judge(self, config: bytes) -> None:
        if words := await complaint(self._folder, self._log, config):
            raise Refused(f"HAProxy refuses the health checks: {words}", do=remedy(words))

    async def seen(self) -> ChecksSeen:
        config = self._folder.config()
        if config is None:
            return ChecksSeen()
        try:
            worker = worker_from(await self._ask("show info"))
        except Unreachable:
            return ChecksSeen(config=config)
        return ChecksSeen(config=config, running=True, fingerprint=worker.fingerprint)

    async def start(self) -> None:
        wanted, _ = self._folder.to_load()
        self._folder.prepare()
        with suppress(Unreachable):
            # before it is ended: what it knows this moment
            self._keep(await self._ask(STATES))
        await self._units.stop(UNIT)
        mark = self._log.mark()
        ended: Unable | None = None
        try:
            await self._units.start(UNIT)
        except CommandFailed:
            raise
        except Unable as error:
            ended = error
        if ended or not await self._answers(wanted):
            words = self._log.since(mark) or "its log has no word why."
            raise Unable(f"The health checks do not start: {words}", do=remedy(words)) from ended

    async def _answers(self, fingerprint: str) -> bool:
        pause = Pause(START_S)
        while True:
            seen = await self.seen()
            if seen.running and seen.fingerprint == fingerprint:
                return True
            if not (await self._units.seen(UNIT)).running or not await pause.again():
                return False

    async def stop(self) -> None:
        await self._units.stop(UNIT)
        self._config.unlink(missing_ok=True)
        # whoever is looked at again much later starts afresh
        self._folder.prepare()
        self._folder.write_state(VERSION)
        self._ups = None

    async def found(self) -> Mapping[str, Told] | None:
        try:
            states = await self._ask(STATES)
        except Unreachable:
            return None
        found = told_in(states)
        ups = frozenset(name for name, told in found.items() if told.up)
        if ups != self._ups:
            self._keep(states)
            self._ups = ups
        return found

    async def results(self, expected: Mapping[str, str]) -> Mapping[str, Result]:
        try:
            return results_from(await self._ask(DETAILS), expected, at=time.time())
        except Unreachable:
            return {}

    def _keep(self, states: str) -> None:
        self._folder.write_state(states)
        self._log.mark()

    async def _ask(self, line: str) -> str:
        return await ask(self._socket, line, timeout_s=ANSWER_S)


def told_in(states: str) -> dict[str, Told]:
    """What an answer to `show servers state` knows of each target, by its name."""
    found: dict[str, Told] = {}
    try:
        for line in states.split("\n"):
            words = line.split()
            # the first fifteen columns are the same from HAProxy 2.6 to 3.x (version 1)
            if len(words) < _COLUMNS or words[0] == "#":
                continue
            manner = words[1].partition("_")[0]
            weight, of = int(words[7]), int(words[8])
            drained = int(words[6]) & FORCED_DRAIN
            found[f"{manner}/{words[3]}"] = Told(
                up=words[5] != "0",
                health=int(words[12]),
                weight=0 if drained else min(100, weight * 100 // max(1, of)),
                since_s=int(words[9]),
                checked=words[11] != "0",
            )
    except ValueError as error:
        raise strange(STATES, states) from error
    return found


_COLUMNS = 15
