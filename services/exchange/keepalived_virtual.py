# SPDX-License-Identifier: Apache-2.0
"""The inside of keepalived's virtual_server: its settings and its real servers."""

from __future__ import annotations

from collections.abc import Iterator
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
from services.exchange.making import (
    FLAGS,
    MOST_SERVERS,
    Fallback,
    FoundServer,
    Said,
    Way,
    flags_of,
    put,
)
from services.exchange.names import Unread, number_of, port_of
from services.model import Forwarding
from services.model.base import cleaned
from services.model.layer4 import Protocol, Tunnel, TunnelChecksum

PERSISTENT_S = 360
"""What `persistence_timeout` without a time means."""

_PROTOCOLS = {"TCP": Protocol.TCP, "UDP": Protocol.UDP}
_METHODS = {"NAT": Forwarding.NAT, "DR": Forwarding.DR, "TUN": Forwarding.TUN}
_SUMS = {
    "nocsum": TunnelChecksum.NONE,
    "csum": TunnelChecksum.FULL,
    "remcsum": TunnelChecksum.REMOTE,
}
_ALERTS = "E-mail alerts have no field yet."
_FAILED = "The fallback server is not checked."
_NOTIFY = "Nothing is started when a server comes or goes; the journal says it."
_QUORUM = "A quorum counts servers, and these have weights other than 1."
_STARTS = "How checks begin and end has no field."
_KNOWN = {
    "alpha": _STARTS,
    "ha_suspend": _STARTS,
    "nat_mask": "It has been without effect for long.",
    "notify_down": _NOTIFY,
    "notify_up": _NOTIFY,
    "omega": _STARTS,
    "persistence_engine": "Persistence by an engine has no field.",
    "quorum_down": _NOTIFY,
    "quorum_up": _NOTIFY,
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
    quorum: Said | None = None
    hysteresis: Said | None = None
    lines: list[Line] = field(default_factory=list)
    servers: list[FoundServer] = field(default_factory=list)
    timing: list[CheckWord] = field(default_factory=list)
    """Settings of checks that stand beside the servers."""
    checker: list[CheckWord] | None = None
    """The first server's."""

    def check(self) -> list[CheckWord]:
        """All that is said of the servers' check; what a checker says is nearer than the rest."""
        checker = self.checker or []
        said = {word.name for word in checker if word.places}
        timing = [word for word in self.timing if word.name not in said]
        return [*(word for word in checker if word.name in said or not word.places), *timing]


def virtual_of(statement: Statement, left: Left) -> Virtual:
    """What stands in the block of a virtual_server; raises `Unread` if it is none of ours."""
    virtual = Virtual(statement)
    reals: list[Statement] = []
    for inner in statement.inside():
        if inner.name == "real_server" and not inner.why:
            reals.append(inner)
            continue
        try:
            _setting(virtual, inner)
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
    virtual.timing += _quorum(virtual, left)
    if virtual.ops is not None:
        if virtual.protocol is Protocol.UDP:
            virtual.protocol = Protocol.ONE_PACKET
        else:
            left.add(virtual.ops, "One packet at a time is for UDP services.")
    return virtual


class _Alien(Exception):
    """Something that makes a service one we have no like of."""


def _setting(virtual: Virtual, inner: Statement) -> None:
    if inner.why:
        raise Unread(inner.why)
    line = inner.line
    match inner.name:
        case "lvs_sched" | "lb_algo":
            virtual.fields["scheduler"] = Said(_one(inner), line)
        case "lvs_method" | "lb_kind":
            virtual.way = _way(inner)
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
            virtual.fallback_way = _way(inner)
            virtual.lines.append(line)
        case _:
            _of_health(virtual, inner)


def _of_health(virtual: Virtual, inner: Statement) -> None:
    line = inner.line
    match inner.name:
        case "quorum":
            virtual.quorum = Said(number_of(_one(inner)), line)
        case "hysteresis":
            virtual.hysteresis = Said(number_of(_one(inner)), line)
        case "inhibit_on_failure":
            virtual.lines.append(line)  # a failed server keeps its place here, with weight 0
        case name if name in FLAGS and len(inner.words) == 1:
            virtual.fields |= flags_of(name, line)
        case name if name in TIMING:
            virtual.timing.append(word_of(inner))
        case name:
            raise _unknown(name)


def _quorum(virtual: Virtual, left: Left) -> Iterator[CheckWord]:
    """Its marks in servers, if those are what the weights count."""
    said = [each for each in (virtual.quorum, virtual.hysteresis) if each is not None]
    if any(server.fields["weight"].value != 1 for server in virtual.servers):
        left.add_all((each.line for each in said), _QUORUM)
        return
    needed, slack = (
        each.value if each is not None and isinstance(each.value, int) else default
        for each, default in ((virtual.quorum, 1), (virtual.hysteresis, 0))
    )
    places = tuple(each.line for each in said)
    if (needed, slack) != (1, 0):
        yield CheckWord("quorum_down", str(max(0, needed - slack)), places)
    if slack:
        yield CheckWord("quorum_up", str(needed + slack), places)


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
            server.way = _way(inner)
            server.lines.append(line)
        case "inhibit_on_failure":
            server.lines.append(line)
        case name if name in CHECKERS and inner.block is not None:
            if any(word.name == "checktype" for word in words):
                raise Unread("A service has one check, and another comes before this.")
            words += checker_words(inner, left)
        case name if name in TIMING:
            words.append(word_of(inner))
        case name:
            raise _unknown(name)


def _way(statement: Statement) -> Way:
    match statement.words[1:]:
        case [method] if method in _METHODS:
            return Way(_METHODS[method])
        case ["TUN", "type", kind, *rest] if kind in {each.value for each in Tunnel}:
            tunnel, port = Tunnel(kind), 0
            if tunnel is Tunnel.GUE and rest[:1] == ["port"] and len(rest) > 1:
                port, rest = port_of(rest[1]), rest[2:]
            if not rest:
                return Way(Forwarding.TUN, tunnel, port)
            if len(rest) == 1 and rest[0] in _SUMS and tunnel is not Tunnel.IPIP:
                return Way(Forwarding.TUN, tunnel, port, _SUMS[rest[0]])
            raise Unread(f"`{cleaned(' '.join(rest), 40)}` is nothing of such a tunnel.")
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
