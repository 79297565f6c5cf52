# SPDX-License-Identifier: Apache-2.0
"""The inside of keepalived's virtual_server: its settings and its real servers."""

from __future__ import annotations

from dataclasses import dataclass, field

from services.exchange.blocks import Statement
from services.exchange.checks import CheckWord
from services.exchange.keepalived_checks import (
    CHECKERS,
    TIMING,
    checker_words,
    same_check,
    word_of,
)
from services.exchange.keepalived_groups import socket_of_words
from services.exchange.lines import Left, Line
from services.exchange.making import MOST_SERVERS, Fallback, FoundServer, Said, Way, put
from services.exchange.names import Unread, number_of, port_of
from services.model import Forwarding
from services.model.base import cleaned
from services.model.layer4 import Protocol, Tunnel

PERSISTENT_S = 360
"""What `persistence_timeout` without a time means."""

_PROTOCOLS = {"TCP": Protocol.TCP, "UDP": Protocol.UDP}
_METHODS = {"NAT": Forwarding.NAT, "DR": Forwarding.DR, "TUN": Forwarding.TUN}
_ALERTS = "E-mail alerts have no field yet."
_FAILED = "What becomes of a failed server has no field yet."
_FLAGS = "Flags of schedulers have no field yet."
_NOTIFY = "Nothing is started when a server comes or goes; the journal says it."
_QUORUM = "A quorum has no field yet."
_STARTS = "How checks begin and end has no field."
_KNOWN = {
    "alpha": _STARTS,
    "flag-1": _FLAGS,
    "flag-2": _FLAGS,
    "flag-3": _FLAGS,
    "ha_suspend": _STARTS,
    "hysteresis": _QUORUM,
    "inhibit_on_failure": _FAILED,
    "mh-fallback": _FLAGS,
    "mh-port": _FLAGS,
    "nat_mask": "It has been without effect for long.",
    "notify_down": _NOTIFY,
    "notify_up": _NOTIFY,
    "omega": _STARTS,
    "persistence_engine": "Persistence by an engine has no field.",
    "quorum": _QUORUM,
    "quorum_down": _NOTIFY,
    "quorum_up": _NOTIFY,
    "sh-fallback": _FLAGS,
    "sh-port": _FLAGS,
    "smtp_alert": _ALERTS,
    "snmp_name": "Names for SNMP have no field.",
    "sorry_server_inhibit": _FAILED,
    "warmup": _STARTS,
}
"""Why settings that are known are left over."""


@dataclass
class Virtual:
    """What the services of one virtual_server have alike."""

    statement: Statement
    protocol: Protocol = Protocol.TCP
    ops: Line | None = None
    way: Way = Way(Forwarding.NAT)
    fallback: Fallback | None = None
    fallback_way: Way | None = None
    version: int = 0
    """IP version of a service by its mark; 0: not said."""
    mask: tuple[str, Line] | None = None
    fields: dict[str, Said] = field(default_factory=dict)
    lines: list[Line] = field(default_factory=list)
    servers: list[FoundServer] = field(default_factory=list)
    timing: list[CheckWord] = field(default_factory=list)
    """Settings of checks that stand beside the servers."""
    checker: list[CheckWord] | None = None
    """The first server's."""

    def check(self) -> list[CheckWord]:
        """All that is said of the servers' check; without a checker they count as healthy."""
        if not self.checker:
            return [CheckWord("checktype", "on", ()), *self.timing]
        said = {word.name for word in self.checker}
        return [*self.checker, *(word for word in self.timing if word.name not in said)]


def virtual_of(statement: Statement, left: Left) -> Virtual:
    """What stands in the block of a virtual_server; raises `Unread` if it is none of ours."""
    virtual = Virtual(statement)
    reals: list[Statement] = []
    for inner in statement.inside():
        if inner.name == "real_server" and not inner.why:
            reals.append(inner)
            continue
        try:
            _setting(virtual, inner, left)
        except _Alien as error:
            raise Unread(str(error)) from None
        except Unread as error:
            left.add(inner.line, str(error), last=inner.last)
    # a method that is said after the servers holds for them, too
    for real in reals:
        try:
            _real_server(virtual, real, left)
        except Unread as error:
            left.add(real.line, str(error), last=real.last)
    if virtual.ops is not None:
        if virtual.protocol is Protocol.UDP:
            virtual.protocol = Protocol.ONE_PACKET
        else:
            left.add(virtual.ops, "One packet at a time is for UDP services.")
    return virtual


class _Alien(Exception):
    """Something that makes a service one we have no like of."""


def _setting(virtual: Virtual, inner: Statement, left: Left) -> None:
    if inner.why:
        raise Unread(inner.why)
    line = inner.line
    match inner.name:
        case "lvs_sched" | "lb_algo":
            virtual.fields["scheduler"] = Said(_one(inner), line)
        case "lvs_method" | "lb_kind":
            virtual.way = _way(inner, left)
            virtual.lines.append(line)
        case "persistence_timeout":
            kept_s = number_of(_one(inner)) if len(inner.words) > 1 else PERSISTENT_S
            virtual.fields["persistence_s"] = Said(kept_s, line)
        case "persistence_granularity":
            virtual.mask = (_one(inner), line)
        case "protocol":
            name = _one(inner).upper()
            if name == "SCTP":
                raise _Alien("SCTP is not balanced.")
            if name not in _PROTOCOLS:
                raise Unread(f"`{cleaned(name, 40)}` is no protocol that is known.")
            virtual.protocol = _PROTOCOLS[name]
            virtual.lines.append(line)
        case "ops":
            virtual.ops = line
        case "ip_family" if _one(inner) in ("inet", "inet6"):
            virtual.version = 6 if _one(inner) == "inet6" else 4
            virtual.lines.append(line)
        case "sorry_server":
            address, port = socket_of_words(inner.words[1:])
            virtual.fallback = Fallback(address, port, None, line)
        case "sorry_server_lvs_method":
            virtual.fallback_way = _way(inner, left)
            virtual.lines.append(line)
        case name if name in TIMING:
            virtual.timing.append(word_of(inner))
        case name:
            raise _unknown(name)


def _real_server(virtual: Virtual, statement: Statement, left: Left) -> None:
    if len(virtual.servers) == MOST_SERVERS:
        raise Unread(f"A service has {MOST_SERVERS} servers at most.")
    address, port = socket_of_words(statement.words[1:])
    line = statement.line
    server = FoundServer(line, address, port, virtual.way, {"weight": Said(1, line)})
    words: list[CheckWord] = []
    for inner in statement.inside():
        try:
            _of_real_server(server, inner, words, left)
        except Unread as error:
            left.add(inner.line, str(error), last=inner.last)
    virtual.servers.append(server)
    both = words if virtual.checker is None else same_check(virtual.checker, words)
    if both is None:
        for word in words:
            left.add_all(word.places, "The first server of the service has another check.")
        if not words:
            left.add(line, "It has no check, the first server of the service has one.")
    else:
        virtual.checker = both


def _of_real_server(
    server: FoundServer, inner: Statement, words: list[CheckWord], left: Left
) -> None:
    if inner.why:
        raise Unread(inner.why)
    line = inner.line
    match inner.name:
        case "weight":
            put(server, "weight", Said(number_of(_one(inner)), line), left)
        case "uthreshold":
            put(server, "max_connections", Said(number_of(_one(inner)), line), left)
        case "lthreshold":
            put(server, "min_connections", Said(number_of(_one(inner)), line), left)
        case "lvs_method" | "lb_kind":
            server.way = _way(inner, left)
            server.lines.append(line)
        case name if name in CHECKERS and inner.block is not None:
            if any(word.name == "checktype" for word in words):
                raise Unread("A service has one check, and another comes before this.")
            words += checker_words(inner, left)
        case name if name in TIMING:
            words.append(word_of(inner))
        case name:
            raise _unknown(name)


def _way(statement: Statement, left: Left) -> Way:
    match statement.words[1:]:
        case [method] if method in _METHODS:
            return Way(_METHODS[method])
        case ["TUN", "type", kind, *rest] if kind in {each.value for each in Tunnel}:
            tunnel, port = Tunnel(kind), 0
            if tunnel is Tunnel.GUE and rest[:1] == ["port"] and len(rest) > 1:
                port, rest = port_of(rest[1]), rest[2:]
            if rest not in ([], ["nocsum"]):
                left.add(statement.line, "Checksums of tunnels have no field; none is taken.")
            return Way(Forwarding.TUN, tunnel, port)
        case []:
            raise Unread("It names no forwarding method.")
        case other:
            shown = cleaned(" ".join(other), 40)
            raise Unread(f"`{shown}` is no forwarding method that is known.")


def _one(statement: Statement) -> str:
    if len(statement.words) != 2 or statement.block is not None:
        raise Unread(f"{statement.name} has one value.")
    return statement.words[1]


def _unknown(name: str) -> Unread:
    return Unread(_KNOWN.get(name) or f"`{cleaned(name, 40)}` is no setting that is known.")
