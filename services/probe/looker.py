# SPDX-License-Identifier: Apache-2.0
"""One look at one target: the right protocol, within its time, and the result in words."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

from services.health.jobs import Job
from services.health.targets import Kind, Manner, Way
from services.health.verdict import LONGEST, Result
from services.model.base import cleaned
from services.model.checks import CheckProtocol
from services.probe import (
    dns,
    feedback,
    ftp,
    handshake,
    ldap,
    mail,
    mysql,
    postgresql,
    radius,
    redis,
    sip,
    udp,
)
from services.probe.found import Failed, Found, Unlooked, words_for
from services.probe.ping import Pinger
from services.probe.scripts import MOST_AT_ONCE, Scripts

log = logging.getLogger(__name__)

Protocol = Callable[[Job], Awaitable[Found]]
"""Raises `Failed`, `Unlooked` or `OSError`; it is cut off when its time is up."""


class Looker:
    """Looks, so many at a time and no more."""

    def __init__(self, pinger: Pinger, scripts: Path, *, most: int) -> None:
        self._protocols: dict[Way, Protocol] = {
            Kind.PING: pinger.look,
            Kind.SCRIPT: Scripts(scripts).look,
            Kind.AGENT_HTTP: feedback.look,
            CheckProtocol.DNS: dns.look,
            CheckProtocol.RADIUS: radius.look,
            CheckProtocol.SIP: sip.look,
            CheckProtocol.UDP: udp.look,
            Kind.TLS: handshake.look,
            CheckProtocol.POP3: mail.look_pop3,
            CheckProtocol.POP3S: mail.look_pop3,
            CheckProtocol.IMAP: mail.look_imap,
            CheckProtocol.IMAPS: mail.look_imap,
            CheckProtocol.FTP: ftp.look,
            CheckProtocol.LDAP: ldap.look,
            CheckProtocol.MYSQL: mysql.look,
            CheckProtocol.POSTGRESQL: postgresql.look,
            CheckProtocol.REDIS: redis.look,
        }
        self._places = asyncio.Semaphore(most)
        self._scripts = asyncio.Semaphore(MOST_AT_ONCE)
        self._troubles: set[str] = set()
        """What is wrong with this unit, as far as it has been said."""

    async def look(self, job: Job) -> Result | None:
        """What one look found; None: nobody could look, and the server has no part in that."""
        kind = job.target.manner.kind
        # time spent on waiting for a place is not the server's
        async with self._scripts if kind is Kind.SCRIPT else self._places:
            begun = time.monotonic()
            try:
                found, ok = await self._found(job), True
            except Failed as failed:
                found, ok = Found(failed.words), False
            except Unlooked as error:
                self._say(str(error))
                return None
            took = round((time.monotonic() - begun) * 1000)
        return Result(ok, cleaned(found.words, LONGEST), time.time(), took, found.percent)

    async def _found(self, job: Job) -> Found:
        manner = job.target.manner
        protocol = self._protocols.get(manner.kind)
        if protocol is None:
            raise Unlooked(f"{manner.kind.value} is HAProxy's to look at")
        try:
            async with asyncio.timeout(manner.timeout_s):
                return await protocol(job)
        except TimeoutError as error:  # the kernel's own is one, too
            if udp.silence_is_good(manner):
                return Found()
            raise Failed(_silent(manner)) from error
        except OSError as error:
            raise Failed(await _words_for(job, error)) from error

    def _say(self, trouble: str) -> None:
        if trouble not in self._troubles and len(self._troubles) < 1000:
            self._troubles.add(trouble)
            log.warning("could not look: %s", trouble)


async def _words_for(job: Job, error: OSError) -> str:
    try:
        async with asyncio.timeout(job.target.manner.timeout_s):
            return await handshake.words_of(job, error)
    except OSError:  # a second look that fails has nothing to add, one that is late neither
        return words_for(error)


def _silent(manner: Manner) -> str:
    limit = f"within {manner.timeout_s:.1f} s"
    return f"{manner.script} did not end {limit}" if manner.script else f"no answer {limit}"
