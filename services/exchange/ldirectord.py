# SPDX-License-Identifier: Apache-2.0
"""ldirectord.cf, read into services.

A line that begins with `virtual` opens a section; its settings are the lines after it that are
indented by four blanks or a tab, up to the first that is not. Everything else is a setting of
the daemon, some of which hold for every section that does not say otherwise.

Source: ldirectord(8) and its reader, version 4.12; what it overlooks in a line (a word behind
the address, a mark followed by letters) is told here, since nobody can say what it was for.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from services.exchange import checks
from services.exchange.checks import CheckWord, check_fields
from services.exchange.ldirectord_words import (
    EMAIL,
    NOT_SENT,
    email_of,
    fallback_of,
    implicit,
    of_family,
    same_family,
    servers_of,
    setting_of,
    unknown,
    unquoted,
)
from services.exchange.lines import Imported, Left, Line, Marks, lines_of
from services.exchange.making import (
    MOST_IN_ALL,
    MOST_SERVERS,
    MOST_SERVICES,
    FoundService,
    Said,
    flags_of,
    put,
    services_of,
)
from services.exchange.names import Labels, Unread, number_of, prefix_of, socket_of
from services.model.base import cleaned
from services.model.layer4 import Protocol

SCHEDULER = "wrr"
"""ldirectord's own."""
MOST_SECTIONS = 2 * MOST_SERVICES
"""More than are taken: some come to nothing."""

_OPENS = re.compile(r"virtual(6)?\s*=\s*(.*)")
_INSIDE = re.compile(r" {4,}(\S.*)")
_FOR_ALL = {"checkinterval", "checktimeout", "checkcount", "negotiatetimeout", "failurecount"}
"""Settings of checks that may stand outside, too."""


@dataclass
class _Section:
    """A virtual service and what stands in its section."""

    service: FoundService
    version: int
    check: list[CheckWord] = field(default_factory=list)
    reals: list[tuple[Line, str]] = field(default_factory=list)
    ops: Line | None = None


def read_ldirectord(text: str, *, marks: Marks, labels: Labels) -> Imported:
    """The services of an ldirectord.cf, and the lines that say more."""
    left = Left()
    reader = _Reader(left, marks)
    for line in lines_of(text, left):
        try:
            reader.read(line)
        except Unread as error:
            left.add(line, str(error))
    return Imported(services_of(reader.services(), left, labels), left.sorted())


class _Reader:
    """Goes through the lines, one section at a time."""

    def __init__(self, left: Left, marks: Marks) -> None:
        self._left = left
        self._marks = marks
        self._sections: list[_Section] = []
        self._open: _Section | None = None
        self._lost: Line | None = None
        """A section's first line that could not be read: what is inside goes with it."""
        self._fallback: dict[int, tuple[Line, str]] = {}
        """The daemon's, by IP version."""
        self._check: list[CheckWord] = []
        """The daemon's."""
        self._email: dict[str, Said] = {}
        """The daemon's, by field."""
        self._room = MOST_IN_ALL

    def read(self, line: Line) -> None:
        """Take in one line; raises `Unread`."""
        if line.text.lstrip().startswith("#"):
            return
        plain = line.text.partition("#")[0].replace("\t", "    ").rstrip()
        if found := _OPENS.fullmatch(plain):
            self._open, self._lost = None, line
            self._begin(line, found[2], version=6 if found[1] else 4)
            self._lost = None
        elif not plain:
            self._open = self._lost = None
        elif inside := _INSIDE.fullmatch(plain):
            self._inside(line, inside[1])
        else:
            self._open = self._lost = None
            self._daemon(line, plain)

    def services(self) -> Iterator[FoundService]:
        """Each section's service with all that belongs to it."""
        for section in self._sections:
            self._add_servers(section)
            service = section.service
            if service.fallback is None and section.version in self._fallback:
                service.fallback = fallback_of(*self._fallback[section.version], section.version)
            service.fields = self._email | service.fields
            if section.ops is not None:
                self._one_packet(service, section.ops)
            own = {word.name for word in section.check}
            inherited = [word for word in self._check if word.name not in own]
            words = [_as_asked(word, service.protocol) for word in (*section.check, *inherited)]
            asked = implicit(service.port)
            service.fields |= check_fields(words, asked, service.line, self._left)
            yield service
        for version, (line, _) in self._fallback.items():
            if all(section.version != version for section in self._sections):
                self._left.add(line, "There is no service that it could serve.")
        kept = NOT_SENT if self._sections else "There is no service to tell of."
        self._left.add_all((said.line for said in self._email.values()), kept)
        if not self._sections:
            for word in self._check:
                self._left.add_all(word.places, "There is no service to check.")

    def _add_servers(self, section: _Section) -> None:
        """Those of its `real` lines, judged at last, when its protocol is known."""
        servers = section.service.servers
        for line, words in section.reals:
            try:
                room = min(MOST_SERVERS - len(servers), self._room)
                more = list(servers_of(line, words, section.version, room, self._left))
                servers += more
                self._room -= len(more)
            except Unread as error:
                self._left.add(line, str(error))

    def _one_packet(self, service: FoundService, line: Line) -> None:
        if service.protocol is Protocol.UDP:
            service.protocol = Protocol.ONE_PACKET
        else:
            self._left.add(line, "One packet at a time is for UDP services by their address.")

    def _begin(self, line: Line, words: str, *, version: int) -> None:
        if len(self._sections) == MOST_SECTIONS:
            raise Unread(f"{MOST_SECTIONS} sections of a file are the most that are looked at.")
        if re.fullmatch(r"[0-9]+", words, re.ASCII):
            mark = number_of(words)
            addresses = [each for each in self._marks.get(mark, ()) if each.version == version]
            service = FoundService(line, f"mark-{mark}", addresses, 0, Protocol.MARK, mark)
        else:
            address, port = socket_of(words)
            of_family(address, version)
            udp = port == 53  # ldirectord's own notion
            protocol = Protocol.UDP if udp else Protocol.TCP
            name = f"{address}-{port}"
            service = FoundService(line, name, [address], port, protocol)
        service.fields["scheduler"] = Said(SCHEDULER, line)
        service.fields["persistence_s"] = Said(0, line)
        self._open = _Section(service, version)
        self._sections.append(self._open)

    def _inside(self, line: Line, words: str) -> None:
        if self._lost is not None:
            raise Unread(f"The service of line {self._lost.number} could not be read.")
        if self._open is None:
            raise Unread("It stands in no section: those end with the first line not indented.")
        self._set(self._open, line, *setting_of(words))

    def _set(self, section: _Section, line: Line, name: str, value: str) -> None:
        """Take one setting of a section; raises `Unread`."""
        service = section.service
        match name:
            case "real" | "real6":
                same_family(name, "real", section.version)
                if len(section.reals) == MOST_SERVERS:
                    raise Unread(f"A service has {MOST_SERVERS} servers at most.")
                section.reals.append((line, value))
            case "fallback" | "fallback6":
                same_family(name, "fallback", section.version)
                service.fallback = fallback_of(line, value, section.version)
            case "scheduler":
                put(service, "scheduler", Said(value, line), self._left)
            case "persistent":
                put(service, "persistence_s", Said(number_of(value), line), self._left)
            case "netmask":
                granularity = "granularity" if section.version == 4 else "granularity6"
                prefix = Said(prefix_of(value, section.version), line)
                put(service, granularity, prefix, self._left)
            case "protocol":
                self._set_protocol(service, value)
                service.lines.append(line)
            case "ops":
                if value not in ("yes", "no"):
                    raise Unread("It is neither yes nor no.")
                section.ops = line if value == "yes" else None
            case "servicename":
                service.name = value or service.name
                service.lines.append(line)
            case "comment":
                put(service, "comment", Said(value, line), self._left)
            case "quiescent":
                _quiescent(value)
            case "schedflags":
                service.fields |= flags_of(value, line)
            case other:
                self._set_further(section, line, other, value)

    def _set_further(self, section: _Section, line: Line, name: str, value: str) -> None:
        """Take a setting of which there are many alike; raises `Unread`."""
        if name in EMAIL:
            put(section.service, EMAIL[name], email_of(name, value, line), self._left)
            self._left.add(line, NOT_SENT)
        elif name in checks.NAMES:
            section.check.append(CheckWord(name, unquoted(value), (line,)))
        else:
            raise unknown(name)

    def _daemon(self, line: Line, words: str) -> None:
        if words == "supervised":
            raise unknown(words)
        if words.startswith(" "):
            raise Unread("It stands in no section: a section's settings have four blanks before.")
        name, value = setting_of(words)
        if name in ("fallback", "fallback6"):
            version = 6 if name == "fallback6" else 4
            fallback_of(line, value, version)
            self._fallback[version] = (line, value)
        elif name == "quiescent":
            _quiescent(value)
        elif name in EMAIL:
            self._email[EMAIL[name]] = email_of(name, value, line)
        elif name in _FOR_ALL:
            self._check.append(CheckWord(name, value, (line,)))
        else:
            raise unknown(name)

    def _set_protocol(self, service: FoundService, value: str) -> None:
        if service.protocol is Protocol.MARK:
            if value != "fwm":
                raise Unread("A service by its mark is of the protocol fwm.")
            return
        if value not in ("tcp", "udp"):
            raise Unread(f"`{cleaned(value, 40)}` is no protocol of a service by its address.")
        service.protocol = Protocol(value)


def _quiescent(value: str) -> None:
    if value != "yes":
        raise Unread("It is set for all services: `quiescent` in `layer4_advanced`.")


def _as_asked(word: CheckWord, protocol: Protocol) -> CheckWord:
    """Of UDP, nobody answers a connect: ldirectord sends a ping instead."""
    udp = protocol in {Protocol.UDP, Protocol.ONE_PACKET}
    if udp and (word.name, word.value) == ("checktype", "connect"):
        return replace(word, value="ping")
    return word
