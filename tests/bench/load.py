# SPDX-License-Identifier: Apache-2.0
"""Saturating load from the lab's client, and three witnesses to what became of it.

wrk counts a refused connection and one that ends before its answer as errors, but forgets
a connection that never gets an answer at all. So the client's kernel counts too: how many
connections it opened, and which sockets still wait for an answer after seconds of silence.
A load ends by itself after `LIMIT_S`, whatever becomes of whoever started it.
"""

from __future__ import annotations

import json
import re
import signal
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from tests.lab import Lab, Process

LIMIT_S = 180
ANSWER_S = 5
"""An answer later than this is a failure."""
STUCK_MS = 2000
"""A socket that has been waiting for so long on a network without losses waits for ever."""
CONNECTIONS = 64
PROBE = 1
"""wrk opens one connection first, only to see whether it can."""
SCRIPT = Path(__file__).with_name("wrk.lua")

ERRORS = ("connect", "read", "write", "status", "timeout")
"""wrk's kinds of failure; `status` is an answer of 400 and more."""


@dataclass(frozen=True)
class Outcome:
    """What became of a load."""

    opened: int
    """Connections that the client's kernel opened."""
    refused: int
    """Those of them that were refused or given up while they were being opened."""
    answers: int
    errors: Mapping[str, int]
    """wrk's failures by kind, and `stuck`: still without an answer at the end."""
    seconds: float
    p99_ms: float
    max_ms: float

    @property
    def failed(self) -> int:
        """All failures."""
        return sum(self.errors.values())

    @property
    def adds_up(self) -> bool:
        """Whether the kernel's count and wrk's agree, but for what was under way at the end."""
        return 0 <= self.opened - self.answers - self.failed <= CONNECTIONS + PROBE

    def figures(self) -> dict[str, object]:
        """For the file of results."""
        return {
            "opened": self.opened,
            "refused": self.refused,
            "answers": self.answers,
            "errors": dict(self.errors),
            "seconds": round(self.seconds, 2),
            "p99_ms": self.p99_ms,
            "max_ms": self.max_ms,
        }


class Load:
    """New requests as fast as they go, until `stop`.

    `keep_alive=False` opens a connection for each one.
    """

    def __init__(self, lab: Lab, url: str, *, keep_alive: bool = False) -> None:
        self._lab = lab
        self._log = lab.folder / "log" / f"wrk-{time.monotonic_ns()}.log"
        header = () if keep_alive else ("-H", "Connection: close")
        self._argv = [
            *("wrk", "-t", "1", "-c", str(CONNECTIONS), "-d", f"{LIMIT_S}s"),
            *("--timeout", f"{ANSWER_S}s", "-s", str(SCRIPT), *header, url),
        ]
        self._before = self._counters()
        self._process: Process = lab.client.spawn(self._argv, log=self._log)
        self._ended = False

    @property
    def opened(self) -> int:
        """Connections opened so far."""
        return self._counters()["ActiveOpens"] - self._before["ActiveOpens"]

    def stop(self) -> Outcome:
        """End it and count."""
        stuck = self._stuck()
        after = self._end()
        lines = self._log.read_text().splitlines()
        said = next((line for line in lines if line.startswith("{")), "")
        if not said:
            raise RuntimeError(f"wrk said nothing: {' '.join(lines)}")
        told = json.loads(said)
        return Outcome(
            opened=after["ActiveOpens"] - self._before["ActiveOpens"],
            refused=after["AttemptFails"] - self._before["AttemptFails"],
            answers=told["answers"],
            errors={**{kind: told[kind] for kind in ERRORS}, "stuck": stuck},
            seconds=told["duration_us"] / 1e6,
            p99_ms=told["p99_us"] / 1e3,
            max_ms=told["max_us"] / 1e3,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._end()

    def _end(self) -> Mapping[str, int]:
        if not self._ended:
            self._process.signal(signal.SIGINT)
            self._process.wait(ANSWER_S + 5)
            self._ended = True
        return self._counters()

    def _stuck(self) -> int:
        told = self._lab.client.run(
            ["ss", "-tinH", "state", "connected"], timeout_s=10, accept=None
        ).stdout
        return stuck_in(told)

    def _counters(self) -> dict[str, int]:
        text = self._lab.client.run(["cat", "/proc/net/snmp"], timeout_s=5).stdout
        return tcp_counters(text)


def tcp_counters(snmp: str) -> dict[str, int]:
    """The kernel's TCP counters, from the text of /proc/net/snmp."""
    names, figures = (line.split()[1:] for line in snmp.splitlines() if line.startswith("Tcp:"))
    return dict(zip(names, map(int, figures), strict=True))


def stuck_in(sockets: str) -> int:
    """How many sockets have sent and then heard nothing for `STUCK_MS`, from `ss -ti`."""
    silences = re.findall(r"lastsnd:(\d+)(?: lastrcv:(\d+))?", sockets)
    return sum(min(int(sent), int(heard or sent)) > STUCK_MS for sent, heard in silences)
