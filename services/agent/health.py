# SPDX-License-Identifier: Apache-2.0
"""The book of health: asks the engines that look, and tells the appliance what follows.

The engines go on looking whatever happens to the agent, so there is nothing here that must not
be lost: who begins asks them what they know. While one of them cannot be asked, the last that
was known of its targets stays true; a check that died says nothing about the servers.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace

from services.agent.appliance import Appliance
from services.agent.journal import AGENT, Journal
from services.agent.keeping import Keeping
from services.agent.probing import Probing
from services.api_reports import CheckResult, CheckResults
from services.drivers.checks import Checks, Told
from services.errors import ApplianceError, NotFound
from services.health import handshakes
from services.health.feedback import Mean, heard
from services.health.shares import Standing, below_quorum, shares_of, standing
from services.health.targets import (
    AGENT_INTERVAL_S,
    Kind,
    ServerKey,
    Target,
    all_targets,
    by_haproxy,
    feedback_of,
    group,
    targets_of,
)
from services.health.verdict import UNKNOWN, Verdict, remembered
from services.model import Document, server_names

log = logging.getLogger(__name__)

SOONEST_S = 0.25
LATEST_S = 2.0
SHARE = 0.05
"""Asking takes at most this share of a core: ten thousand servers are asked about less often than
ten."""
SHARE_IN_HASTE = 0.2
"""The same while the last check of a server says something else than those before."""

REFRESH_S = 10.0
"""How old the words and the duration of the last check may become while nothing turns: they cost
more than the results themselves."""

SPELT_OUT = 10
"""Servers that turn at once and are named in the journal; of more, the number is."""


class Watched:
    """A document's servers, and what is looked at for each: worked out once for each document."""

    def __init__(self, document: Document) -> None:
        self.document = document
        self.services = {service.id: service for service in document.cluster.layer4}
        self.targets = targets_of(document)
        self.feedback = feedback_of(document)
        named = {target.name: target for target in all_targets(document)}
        self.by_name = {n: target for n, target in named.items() if by_haproxy(target.manner)}
        """What HAProxy looks at, by name."""
        self.handshakes = {
            name: about
            for name, target in self.by_name.items()
            if (about := handshakes.question(target)) is not None
        }
        """What `ballast-probe` looks into when such a check of HAProxy's fails, by its name."""
        self.all_names = named.keys() | {about.name for about in self.handshakes.values()}
        self.expected = {
            group(target.manner): target.manner.status
            for target in self.by_name.values()
            if target.manner.status
        }
        self.names = server_names(document)


class HealthBook:
    """Keeps a verdict on every target, and the standing of every layer 4 server."""

    def __init__(
        self,
        appliance: Appliance,
        keeping: Keeping,
        checks: Checks,
        probing: Probing,
        journal: Journal,
    ) -> None:
        self._appliance = appliance
        self._keeping = keeping
        self._checks = checks
        self._probing = probing
        self._journal = journal
        self._watched = Watched(appliance.running.document)
        self._verdicts: dict[str, Verdict] = {}
        self._means: dict[str, Mean] = {}
        self._below: frozenset[int] = frozenset()
        self._words_due = 0.0
        """When the words are asked for anew; `REFRESH_S` sooner if something turned."""
        self._asked: tuple[Target, ...] = ()
        self._unworded = False
        """Something turned, and nobody has asked for the words of it yet."""
        self.standings: Mapping[ServerKey, Standing] = {}
        self._told: Mapping[ServerKey, Standing] = {}
        """As the journal knows them: who turned is told once it is known why."""

    def results(self, key: ServerKey) -> CheckResults:
        """The last results of everything that is looked at for a server; raises `NotFound`."""
        if key not in self._watched.targets:
            raise NotFound("There is no such layer 4 server.", do="Look at what runs now.")
        found = [
            CheckResult(
                at=result.at,
                check=f"{target.manner.kind} {target.port}".removesuffix(" 0"),
                ok=result.ok,
                words=result.words,
                ms=result.ms,
            )
            for target in self._watched.targets[key]
            for result in self._verdicts.get(target.name, UNKNOWN).results
        ]
        return CheckResults(
            label=self._watched.names[key],
            reason=self.standings[key].reason if key in self.standings else "",
            results=tuple(sorted(found, key=lambda result: -result.at)),
        )

    async def keep(self) -> None:
        """Look for ever; whatever goes wrong is tried again."""
        while True:
            # not by the clock: a busy machine is none on which dead servers may stay longer
            begun = time.thread_time()
            try:
                await self.look()
            except ApplianceError as error:
                log.debug("health: %s", error)
            except Exception:
                # an unforeseen answer must not end what keeps dead servers out of the way
                log.exception("looking after the servers failed unexpectedly")
            spent = time.thread_time() - begun
            settled = all(verdict.settled for verdict in self._verdicts.values())
            await asyncio.sleep(pause_s(spent, settled=settled))

    async def look(self, *, start: bool = True) -> None:
        """Ask once, and hand on what follows. Raises `ApplianceError`.

        Without `start` only engines that run already are asked, which takes milliseconds.
        """
        document = self._appliance.running.document
        if document is not self._watched.document:
            self._watched = Watched(document)
            self._forget()
        self._look_into_handshakes()
        await self._hear_of_the_probe(document, start=start)
        if not self._watched.services:
            self.standings = {}
            return
        told = await self._checks.found() if self._watched.by_name else None
        self._take(told or {})
        # weights first: the words cost more, and no client waits for them
        self._conclude()
        await self._share()
        if told and await self._take_words():
            self._conclude()
        if not self._unworded:
            self._tell(self._told)
            self._told = self.standings

    async def aclose(self) -> None:
        """Hang up on the engines; they go on."""
        await self._probing.aclose()

    async def _hear_of_the_probe(self, document: Document, *, start: bool) -> None:
        try:
            await self._probing.follow(document, self._verdicts, start=start)
        except ApplianceError as error:
            self._appliance.notices["probe"] = str(error)
            return
        self._appliance.notices.pop("probe", None)
        for look in self._probing.take(self._verdicts):
            percent, mean = look.result.percent, self._means.get(look.name, Mean())
            if percent is None:
                self._unworded = True
            else:
                at = look.result.at
                self._means[look.name] = heard(mean, percent, at=at, every_s=AGENT_INTERVAL_S)

    def _look_into_handshakes(self) -> None:
        asked = handshakes.questions(self._watched.handshakes.items(), self._verdicts)
        for target in set(self._asked) - set(asked):
            self._verdicts.pop(target.name, None)  # of the next failure it may not be true
        self._asked = asked
        self._probing.ask(asked)

    def _forget(self) -> None:
        """What nobody asks for any more."""
        for name in self._verdicts.keys() - self._watched.all_names:
            del self._verdicts[name]
            self._means.pop(name, None)

    def _take(self, told: Mapping[str, Told]) -> None:
        """Note what HAProxy knows."""
        now = time.time()
        for name, found in told.items():
            target = self._watched.by_name.get(name)
            if target is None:
                continue
            before = self._verdicts.get(name, UNKNOWN)
            against = _against(found, target)
            since = before.since
            if before.up is not found.up:
                since = now
            elif not since and not found.up:
                since = now - found.since_s  # adopted from before our time
            after = replace(before, up=found.up, against=against, since=since)
            if after != before or (found.checked and not before.results):
                self._verdicts[name] = after
                self._unworded = True
            if target.manner.kind is Kind.AGENT:
                percent = found.weight if found.up else 0
                mean = self._means.get(name, Mean())
                self._means[name] = heard(mean, percent, at=now, every_s=AGENT_INTERVAL_S)

    async def _take_words(self) -> bool:
        """Ask why, when something turned, and now and then for how long the checks take.

        False: it was not yet time to.
        """
        begun = time.monotonic()
        if begun < self._words_due - (REFRESH_S if self._unworded else 0.0):
            return False
        self._unworded = False
        for name, told in (await self._checks.results(self._watched.expected)).items():
            if name in self._watched.by_name:
                about = self._watched.handshakes.get(name)
                result = handshakes.explained(told, about, self._verdicts)
                kept = self._verdicts.get(name, UNKNOWN)
                self._verdicts[name] = replace(kept, results=remembered(kept.results, result))
        now = time.monotonic()
        self._words_due = now + (now - begun) / SHARE + REFRESH_S
        return True

    def _conclude(self) -> None:
        """What the verdicts come to for each server."""
        watched, now = self._watched, time.time()
        self.standings = {
            key: standing(watched.services[key[0]], targets, self._verdicts, now=now)
            for key, targets in watched.targets.items()
        }

    async def _share(self) -> None:
        """What that leaves of the weights, into the kernel."""
        watched = self._watched
        self._below = below_quorum(watched.document, self.standings, self._below)
        percents = {
            key: self._means[target.name].percent
            for key, target in watched.feedback.items()
            if target.name in self._means
        }
        shares = shares_of(watched.document, self.standings, percents, self._below)
        await self._keeping.share(watched.document, shares)

    def _tell(self, before: Mapping[ServerKey, Standing]) -> None:
        """Write into the journal who turned; the first look after a start turns nobody."""
        turned = [
            key
            for key, stands in self.standings.items()
            if key in before and before[key].up is not stands.up
        ]
        if len(turned) > SPELT_OUT:
            down = sum(not self.standings[key].up for key in turned)
            self._journal.note(
                AGENT, f"{down} real servers went down, {len(turned) - down} came back"
            )
            return
        for text in self._sentences(turned):
            self._journal.note(AGENT, text)

    def _sentences(self, turned: Iterable[ServerKey]) -> Iterator[str]:
        for key in turned:
            stands, name = self.standings[key], self._watched.names.get(key, f"{key[0]}/{key[1]}")
            yield f"{name} is back" if stands.up else f"{name} is down: {stands.reason}"


def pause_s(spent_s: float, *, settled: bool) -> float:
    """How long to wait until the next look, if the last one took so much of a core."""
    share = SHARE if settled else SHARE_IN_HASTE
    return min(LATEST_S, max(SOONEST_S, spent_s / share))


def _against(found: Told, target: Target) -> int:
    """Results in a row that speak against what a server is taken for, as HAProxy counts them."""
    manner = target.manner
    if not found.checked:
        return 0
    if not found.up:
        return min(found.health, manner.rise - 1)
    return max(0, manner.rise + manner.fall - 1 - found.health)
