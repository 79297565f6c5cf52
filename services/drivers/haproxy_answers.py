# SPDX-License-Identifier: Apache-2.0
"""What HAProxy says on its sockets, as values; pure.

Only columns and keys that HAProxy's manual promises are read, by name, so that a newer
HAProxy with more of them reads the same.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

from services.errors import Unable
from services.plan.state import ServerKey, ServerKnobs

FORCED_MAINTENANCE = 0x01
"""Bits of a server's administrative state (HAProxy's management guide, `show servers state`).
Maintenance by the file sets this one too, and leaving it at run time clears this one only."""

FORCED_DRAIN = 0x08
"""Somebody's hand on the socket; ours is a weight of 0."""

DESCRIPTION = "ballast-"

_FAILED = re.compile(r"\[failed: (\d+)\]")
_SESSION = re.compile(r"(0x[0-9a-f]+): .* be=vs(\d+) srv=rs(\d+) ")


@dataclass(frozen=True)
class Worker:
    """Who a worker is, from `show info`."""

    pid: int
    fingerprint: str
    """Of the file it has loaded; empty if that file is not ours."""
    since_s: int


@dataclass(frozen=True)
class Processes:
    """Who belongs to a master, from `show proc`."""

    master: int
    failed: int
    """Reloads that failed since the last good one."""
    worker: int
    """0: there is none."""
    leaving: tuple[int, ...]
    """Workers from before a reload that still have connections, newest first."""

    @property
    def workers(self) -> frozenset[int]:
        """All workers, that which serves and those that are leaving."""
        return frozenset({self.worker, *self.leaving})


def service_id(name: str) -> int | None:
    """The id in a proxy's name, `vs7` → 7; None for a proxy that is no service."""
    return _number(name, "vs")


@lru_cache(maxsize=1 << 16)
def server_key(proxy: str, server: str) -> ServerKey | None:
    """The key of `vs7` and `rs3`; None for the fallback and everything that is not ours."""
    service, number = _number(proxy, "vs"), _number(server, "rs")
    return (service, number) if service is not None and number is not None else None


def _number(name: str, kind: str) -> int | None:
    # without a regular expression: this runs for every server at every look
    digits = name[2:]
    known = name[:2] == kind and len(digits) <= 10 and digits.isascii() and digits.isdigit()
    return int(digits) if known else None


def worker_from(info: str) -> Worker:
    """The worker that gave this answer to `show info`."""
    values = {
        name: value.strip()
        for name, colon, value in (line.partition(":") for line in info.split("\n"))
        if colon
    }
    description = values.get("description", "")
    try:
        return Worker(
            pid=int(values["Pid"]),
            fingerprint=description.removeprefix(DESCRIPTION)
            if description.startswith(DESCRIPTION)
            else "",
            since_s=int(values.get("Uptime_sec", "0")),
        )
    except (KeyError, ValueError) as error:
        raise strange("show info", info) from error


def processes_from(proc: str) -> Processes:
    """The processes in this answer to `show proc`."""
    master = failed = worker = 0
    leaving: list[int] = []
    section = ""
    for line in proc.split("\n"):
        if line.startswith("# "):
            section = line[2:].strip()
            continue
        words = line.split()
        if len(words) < 2 or not words[0].isdigit():
            continue
        pid = int(words[0])
        if words[1] == "master":
            master = pid
            found = _FAILED.search(line)
            failed = int(found[1]) if found else 0
        elif words[1] == "worker" and section == "workers":
            worker = pid
        elif words[1] == "worker" and section == "old workers":
            leaving.append(pid)
    if not master:
        raise strange("show proc", proc)
    return Processes(master, failed, worker, tuple(sorted(leaving, reverse=True)))


def knobs_from(states: str) -> dict[ServerKey, ServerKnobs]:
    """Weight and halt of each server in an answer to `show servers state`."""
    proxy = server = admin = weight = 0
    found: dict[ServerKey, ServerKnobs] = {}
    try:
        for line in states.split("\n"):
            if line.startswith("# "):
                at = line[2:].split().index
                proxy, server = at("be_name"), at("srv_name")
                admin, weight = at("srv_admin_state"), at("srv_uweight")
                continue
            words = line.split()
            if len(words) > weight and (key := server_key(words[proxy], words[server])):
                found[key] = _knobs(words[admin], words[weight])
    except (IndexError, ValueError) as error:
        raise strange("show servers state", states) from error
    return found


@lru_cache(maxsize=1 << 10)
def _knobs(admin: str, weight: str) -> ServerKnobs:
    # a drain by somebody's hand shows as a weight that is not wanted, so it is put right
    bits = int(admin)
    return ServerKnobs(
        weight=0 if bits & FORCED_DRAIN else int(weight), halted=bool(bits & FORCED_MAINTENANCE)
    )


def connections_from(stat: str) -> dict[ServerKey, int]:
    """Live connections of each server in an answer to `show stat`.

    Only the first five columns are looked at; they hold no text of others.
    """
    found: dict[ServerKey, int] = {}
    for line in stat.split("\n"):
        columns = line.split(",", 5)
        if len(columns) == 6 and columns[4].isdigit():
            key = server_key(columns[0], columns[1])
            if key is not None:
                found[key] = int(columns[4])
    return found


def clients_from(stat: str) -> dict[int, int]:
    """Live client connections of each service in an answer to `show stat`, idle ones too."""
    found: dict[int, int] = {}
    for line in stat.split("\n"):
        columns = line.split(",", 5)
        if len(columns) == 6 and columns[1] == "FRONTEND" and columns[4].isdigit():
            service = service_id(columns[0])
            if service is not None:
                found[service] = int(columns[4])
    return found


def sessions_from(sessions: str) -> Iterator[tuple[ServerKey, str]]:
    """Live sessions in an answer to `show sess`: the server, and the session's handle."""
    for line in sessions.split("\n"):
        found = _SESSION.match(line)
        if found:
            yield (int(found[2]), int(found[3])), found[1]


def strange(command: str, answer: str) -> Unable:
    """The error for an answer that is not HAProxy's: a wrong version, or a wrong socket."""
    first = ascii(" ".join(answer.split())[:80])
    return Unable(
        f"HAProxy's answer to `{command}` is not understood: {first}.",
        do="Check that HAProxy is version 2.6 or newer.",
    )
