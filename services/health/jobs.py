# SPDX-License-Identifier: Apache-2.0
"""What the agent and `ballast-probe` say to each other: lines of JSON; pure.

The agent sends all jobs at once, the probe tells what it runs and what each look has found:

    agent ─▶ probe   {"jobs": [...]}                          replaces the list before
    probe ─▶ agent   {"running": {"names": [...], "fingerprint": "..."}}
    probe ─▶ agent   {"look": {"name": "...", "result": {...}, "up": true, ...}}

Jobs carry the secrets' texts, so that the process which reads what strangers send reads no
secret file. Neither side believes the other: whatever has another shape is a `ValueError`.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from pydantic import BaseModel

from services.health.targets import Target, all_targets, by_haproxy
from services.health.verdict import LONGEST, Result
from services.model import Document
from services.model.base import cleaned

MOST_LINE = 64 << 20
"""Bytes of one line; 10,000 jobs take 4 MB."""

LONGEST_NAME = 200
"""Signs of a target's name: two hashes and an address."""


class Job(NamedTuple):
    """A target to look at, again and again."""

    target: Target
    secret: str = ""
    """The stored secret's text."""
    up: bool | None = None
    """The verdict so far, from which the probe goes on counting; None: nobody has looked yet."""

    @property
    def name(self) -> str:
        """The target's."""
        return self.target.name


@dataclass(frozen=True)
class Look:
    """What one look has found, and what the probe counts up to now.

    The count comes along because results may be left out for a reader that is slow or was
    away: whoever begins to read takes the verdict from here.
    """

    name: str
    result: Result
    up: bool = True
    against: int = 0
    since: float = 0.0


@dataclass(frozen=True)
class Running:
    """What a probe has to do."""

    names: frozenset[str]
    fingerprint: str
    """`fingerprint_of` its jobs."""


class _Asked(BaseModel):
    jobs: tuple[Job, ...]


class _Told(BaseModel):
    look: Look | None = None
    running: Running | None = None


def probed(document: Document) -> tuple[Target, ...]:
    """What `ballast-probe` has to look at for a document, each target once, by name."""
    found = (target for target in all_targets(document) if not by_haproxy(target.manner))
    return tuple(sorted(found, key=lambda target: target.name))


def secrets_of(targets: Iterable[Target], secret_of: Callable[[str], str]) -> dict[str, str]:
    """The texts of the stored secrets that are needed for these, by the secrets' names."""
    names = {target.manner.password for target in targets} - {""}
    return {name: secret_of(name) for name in names}


def jobs_of(targets: Iterable[Target], secrets: Mapping[str, str]) -> tuple[Job, ...]:
    """A job for each target, with the text of the secret that it needs."""
    return tuple(Job(target, secrets.get(target.manner.password, "")) for target in targets)


def fingerprint_of(jobs: Iterable[Job]) -> str:
    """Stands for what is to be done, secrets included, in any order and whatever was found."""
    told = sorted(_line(_Asked(jobs=(job._replace(up=None),))) for job in jobs)
    return hashlib.sha256(b"".join(told)).hexdigest()


def running_of(jobs: Collection[Job]) -> Running:
    """What a probe tells that has these jobs."""
    return Running(frozenset(job.name for job in jobs), fingerprint_of(jobs))


def jobs_line(jobs: Iterable[Job]) -> bytes:
    """The jobs as a line."""
    return _line(_Asked(jobs=tuple(jobs)))


def jobs_from(line: bytes) -> tuple[Job, ...]:
    """The jobs in a line, each name once; raises `ValueError`."""
    jobs = _Asked.model_validate_json(line).jobs
    return tuple({job.name: job for job in jobs}.values())


def told_line(told: Look | Running) -> bytes:
    """What a probe tells, as a line."""
    if isinstance(told, Running):
        return _line(_Told(running=told))
    return _line(_Told(look=told))


def told_from(line: bytes) -> Look | Running:
    """What a probe tells in a line; raises `ValueError`."""
    told = _Told.model_validate_json(line)
    if told.running is not None:
        return told.running
    if told.look is None:
        raise ValueError("the line tells nothing")
    return _judged(told.look)


def _judged(look: Look) -> Look:
    result = look.result
    numbers = (result.at, look.since, result.ms or 0, result.percent or 0, look.against)
    if len(look.name) > LONGEST_NAME or not all(map(math.isfinite, numbers)) or min(numbers) < 0:
        raise ValueError("a number or a name is out of range")
    if result.percent is not None and result.percent > 100:
        raise ValueError("nobody is idle to more than 100 per cent")
    words = cleaned(result.words, LONGEST)
    kept = Result(result.ok, words, result.at, result.ms, result.percent)
    return Look(look.name, kept, look.up, look.against, look.since)


def lines_in(data: bytearray) -> Iterator[bytes]:
    """The whole lines at the beginning of `data`, which are taken out of it."""
    begin = 0
    while (end := data.find(b"\n", begin)) >= 0:
        yield bytes(data[begin:end])
        begin = end + 1
    del data[:begin]


def _line(message: BaseModel) -> bytes:
    return message.model_dump_json(exclude_none=True).encode() + b"\n"
