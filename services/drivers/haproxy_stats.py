# SPDX-License-Identifier: Apache-2.0
"""HAProxy's statistics as counters, and its check results as reasons people understand; pure.

Part of what stands in them was written by the servers that were checked, and such a server
may be hostile: it is read as data, cleaned of control characters and cut short.
"""

from __future__ import annotations

import csv
import io
import operator
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import NamedTuple

from services.drivers.haproxy_answers import server_key, service_id, strange
from services.drivers.sample import ServerCounters, ServiceCounters
from services.health import handshakes
from services.health.verdict import Result
from services.plan.state import ServerKey


class _Row(NamedTuple):
    """The columns that are read, under HAProxy's own names."""

    pxname: str
    svname: str
    qcur: str
    scur: str
    stot: str
    bin: str
    bout: str
    status: str
    lastchg: str
    rate: str
    check_status: str
    check_code: str
    check_duration: str
    last_chk: str
    last_agt: str
    agent_status: str
    agent_duration: str


_STEP = re.compile(r" at (?:initial connection step|step \d+) of tcp-check.*$")
_SOCKET = re.compile(r"General socket error \((.*)\)")
_PROGRESS = re.compile(r"(?:UP|DOWN|DRAIN|NOLB) (\d+)/(\d+)")


def counters_from(
    stat: str, statuses: Mapping[int, str]
) -> tuple[dict[ServerKey, ServerCounters], dict[int, ServiceCounters]]:
    """Counters of servers and services in an answer to `show stat`.

    `statuses`: the codes that a service's check calls good, to be named in a reason.
    Raises `Unable` if the answer is no statistics.
    """
    servers: dict[ServerKey, ServerCounters] = {}
    fronts: dict[int, _Row] = {}
    backs: dict[int, _Row] = {}
    for row in _rows(stat):
        service = service_id(row.pxname)
        if service is None:
            continue
        if row.svname == "FRONTEND":
            fronts[service] = row
        elif row.svname == "BACKEND":
            backs[service] = row
        elif key := server_key(row.pxname, row.svname):
            servers[key] = _server(row, statuses.get(service, ""))
    return servers, {
        service: _service(front, backs.get(service, front)) for service, front in fronts.items()
    }


def _rows(stat: str) -> Iterator[_Row]:
    # lines end at \n alone: the text of a hostile server may hold every other separator
    rows = csv.reader(io.StringIO(stat.removeprefix("# "), newline="\n"))
    try:
        columns = next(rows, [])
        pick = operator.itemgetter(*map(columns.index, _Row._fields))
        for cells in rows:
            if len(cells) >= len(columns):
                yield _Row(*pick(cells))
    except (ValueError, csv.Error) as error:
        raise strange("show stat", stat) from error


def results_from(stat: str, expected: Mapping[str, str], *, at: float) -> dict[str, Result]:
    """What the last check of each target found, by its name, in an answer to `show stat`.

    `expected`: the status codes that are good, by the name of the manner of looking. A target
    that nobody has looked at yet is left out. Raises `Unable` if the answer is no statistics.
    """
    found: dict[str, Result] = {}
    for row in _rows(stat):
        manner = row.pxname.partition("_")[0]
        name = f"{manner}/{row.svname}"
        if row.agent_status:
            found[name] = _agent(row, at)
        elif (result := row.check_status.removeprefix("* ")) not in {"", "INI", "UNK"}:
            good = result.endswith("OK") or result == "L7OKC"
            found[name] = Result(
                ok=good,
                words="" if good else failure(row, expected.get(manner, "")),
                at=at,
                ms=_number(row.check_duration),
            )
    return found


def _agent(row: _Row, at: float) -> Result:
    silent = row.agent_status.removeprefix("* ") in {"L4CON", "L4TOUT", "L7TOUT", "SOCKERR"}
    words = "no feedback agent answers" if silent else plain(row.last_agt)
    return Result(ok=not silent, words=words, at=at, ms=_number(row.agent_duration))


def add_connections(
    servers: dict[ServerKey, ServerCounters], services: dict[int, ServiceCounters], stat: str
) -> None:
    """Add the live connections in a leaving worker's answer to the counters of the new one."""
    old_servers, old_services = counters_from(stat, {})
    for key, was in old_servers.items():
        if now := servers.get(key):
            servers[key] = replace(now, connections=now.connections + was.connections)
    for service, went in old_services.items():
        if here := services.get(service):
            services[service] = replace(here, connections=here.connections + went.connections)


def _service(front: _Row, back: _Row) -> ServiceCounters:
    # clients are counted where they connect, their requests where they are sent on: with
    # keep-alive one connection carries many
    return ServiceCounters(
        connections=_number(front.scur),
        sessions_total=_number(back.stot),
        sessions_per_s=_number(back.rate),
        bytes_total=_number(front.bin) + _number(front.bout),
    )


def _server(row: _Row, good: str) -> ServerCounters:
    status = row.status
    up = status.startswith(("UP", "DRAIN", "NOLB", "no check"))
    duration = row.check_duration
    return ServerCounters(
        up=up,
        reason=_reason(row, good),
        connections=_number(row.scur),
        queued=_number(row.qcur),
        sessions_total=_number(row.stot),
        sessions_per_s=_number(row.rate),
        bytes_total=_number(row.bin) + _number(row.bout),
        check_ms=int(duration) if duration.isdigit() else None,
        since_s=_number(row.lastchg),
    )


def _number(text: str) -> int:
    return int(text) if text.isdigit() else 0


def _reason(row: _Row, good: str) -> str:
    """Why a server is down or about to change; empty while all is well."""
    status = row.status
    progress = _PROGRESS.match(status)
    if status.startswith("DOWN") and progress:
        return f"answers again, {progress[1]} of {progress[2]} good checks"
    if status.startswith("DOWN"):
        return failure(row, good)
    if progress:
        return f"check failed: {failure(row, good)}"
    return ""


def failure(row: _Row, good: str) -> str:
    """What the last check found wrong, in words."""
    result = row.check_status.removeprefix("* ")
    code = row.check_code
    said = plain(row.last_chk)
    waited = f"{_number(row.check_duration) / 1000:.1f} s"
    match result:
        case "L7STS" if _number(code):
            return f"answer {plain(code)}" + (f", expected {good}" if good else "")
        case "L7RSP" if "did not match" in said:
            return "the answer lacks the expected text"
        case "L7RSP":
            return "no valid HTTP answer"
        case "L4TOUT":
            return f"no connection within {waited}"
        case "L7TOUT" | "L6TOUT":
            return f"no answer within {waited}"
        case "L4CON" | "SOCKERR" if said:
            return said[0].lower() + said[1:]
        case "L4CON":
            return "connection refused"
        case "SOCKERR":  # without words since HAProxy 3.0, when a server hangs up
            return "the connection ended without an answer"
        case "L6RSP":
            return f"{handshakes.FAILED}: {said}" if said else handshakes.FAILED
        case "INI" | "UNK" | "":
            return "not checked yet"
        case _:
            # a result that only a newer HAProxy knows: its own words are better than none
            return said or plain(result)


def plain(text: str) -> str:
    """Words from outside as they may be shown: one line, printable, 80 characters at most."""
    text = _STEP.sub("", text)
    inner = _SOCKET.fullmatch(text)
    clean = "".join(sign if sign.isprintable() else "?" for sign in (inner[1] if inner else text))
    return clean.strip()[:80]
