# SPDX-License-Identifier: Apache-2.0
"""What a generated haproxy.cfg says about itself; pure.

The driver is told to load a file, not a document: so what it must know of the servers, to
carry their health over or to name them in an error, it reads from that very file. The
shape it relies on is the template's, and a test holds both together.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache

from services.drivers.haproxy_answers import DESCRIPTION
from services.plan.state import ServerKey, ServerKnobs

_FINGERPRINT = re.compile(
    rb"^    description " + DESCRIPTION.encode() + rb"([0-9a-f]+)$", re.MULTILINE
)
PAGE = 0
"""Stands for the built-in fallback page where a service's id is asked for; no service has it."""

_NAMED = re.compile(r"\bvs(\d+)(?:/rs(\d+))?\b")


@dataclass(frozen=True)
class ServerLine:
    """One server of the file."""

    label: str
    address: str
    port: int
    checked: bool
    knobs: ServerKnobs


@dataclass(frozen=True)
class Listing:
    """The services and servers of a file."""

    services: Mapping[int, str]
    """Label by id."""
    servers: Mapping[ServerKey, ServerLine]
    binds: Mapping[int, tuple[tuple[str, int], ...]]
    """Addresses and ports that a service listens on."""
    statuses: Mapping[int, str]
    """Status codes that a service's check calls good, e.g. `200-399`; none for other checks."""

    def named(self, text: str) -> str:
        """`text` with labels beside HAProxy's own names: `vs7/rs3` → `web/web1 (vs7/rs3)`."""
        return _NAMED.sub(self._label, text)

    def name(self, key: ServerKey) -> str:
        """A server as people know it."""
        line = self.servers.get(key)
        service = self.services.get(key[0])
        return f"{service}/{line.label}" if line and service else f"vs{key[0]}/rs{key[1]}"

    def _label(self, found: re.Match[str]) -> str:
        service = int(found[1])
        if service not in self.services:
            return found[0]
        if not found[2]:
            return f"{self.services[service]} ({found[0]})"
        key = (service, int(found[2]))
        return f"{self.name(key)} ({found[0]})" if key in self.servers else found[0]


def fingerprint_in(config: bytes) -> str:
    """The fingerprint written in the file; empty if it is not one of ours."""
    found = _FINGERPRINT.search(config)
    return found[1].decode() if found else ""


@lru_cache(maxsize=2)
def listing_of(config: bytes) -> Listing:
    """The services and servers of the file; a line that a hand has spoilt is passed over.

    Kept for the next time, since this is part of every reload and of every look at the
    counters; and section by section, since of many services mostly one has changed.
    """
    services: dict[int, str] = {}
    servers: dict[ServerKey, ServerLine] = {}
    binds: dict[int, tuple[tuple[str, int], ...]] = {}
    statuses: dict[int, str] = {}
    for text in config.decode(errors="replace").split("\n\n"):
        section = _section(text)
        if section.service != PAGE:
            services[section.service] = section.label
        if section.binds:
            binds[section.service] = section.binds
        if section.status:
            statuses[section.service] = section.status
        servers |= section.servers
    return Listing(services, servers, binds, statuses)


@dataclass(frozen=True)
class _Section:
    """What one section of the file says; `PAGE` and empty if it is no service."""

    service: int
    label: str
    servers: Mapping[ServerKey, ServerLine]
    binds: tuple[tuple[str, int], ...]
    status: str


@lru_cache(maxsize=1 << 11)
def _section(text: str) -> _Section:
    servers: dict[ServerKey, ServerLine] = {}
    binds: list[tuple[str, int]] = []
    service, label, status = PAGE, "", ""
    for line in text.split("\n"):
        try:
            if line.startswith("    server rs"):
                number, server = _server(line.split(" "))
                servers[service, number] = server
            elif line.startswith("    bind "):
                binds.extend(_binds(line.split(" ")[5]))
            elif line.startswith("    http-check expect status "):
                status = line.rpartition(" ")[2]
            elif line.startswith("# "):
                label = line[2:]
            elif line.startswith("listen vs"):
                service = int(line[9:])
        except (ValueError, IndexError):
            continue
    return _Section(service, label, servers, tuple(binds), status)


def _server(words: list[str]) -> tuple[int, ServerLine]:
    """`server rs3 192.0.2.1:80 id 3 check … weight 100 [disabled] # web1`, taken apart."""
    name, where = words[5:7]
    address, _, port = where.rpartition(":")
    weight = words.index("weight")
    return int(name[2:]), ServerLine(
        label=words[-1],
        address=address.strip("[]"),
        port=int(port),
        checked="check" in words[:weight],
        knobs=ServerKnobs(int(words[weight + 1]), halted=words[weight + 2] == "disabled"),
    )


def _binds(where: str) -> Iterator[tuple[str, int]]:
    """`[2001:db8::1]:80-82` as addresses and ports."""
    address, _, ports = where.rpartition(":")
    first, _, last = ports.partition("-")
    for port in range(int(first), int(last or first) + 1):
        yield address.strip("[]"), port
