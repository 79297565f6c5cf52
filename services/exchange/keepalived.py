# SPDX-License-Identifier: Apache-2.0
"""keepalived.conf, read into services: its virtual servers, groups of addresses with them.

Its other half, VRRP, moves addresses between machines and has no like here: services bring their
addresses up by themselves, and a pair is another program's.

Source: keepalived.conf(5), version 2.2.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from services.exchange.blocks import Statement, statements_of
from services.exchange.checks import check_fields
from services.exchange.keepalived_checks import IMPLICIT
from services.exchange.keepalived_groups import Target, targets_of
from services.exchange.keepalived_virtual import Virtual, virtual_of
from services.exchange.lines import Imported, Left, Marks, lines_of
from services.exchange.making import (
    MOST_IN_ALL,
    FoundServer,
    FoundService,
    Said,
    services_of,
    unable,
)
from services.exchange.names import Labels, Unread, prefix_of
from services.model.base import cleaned
from services.model.layer4 import Protocol

SCHEDULER = "wlc"
"""keepalived's own."""

_PAIR = "A pair of appliances is heartbeat's; services bring their addresses up by themselves."
_ROUTES = "The unit's own addresses and routes are not imported."
_KNOWN = {
    "bfd_instance": _PAIR,
    "global_defs": "Settings of keepalived's own processes.",
    "static_ipaddress": _ROUTES,
    "static_routes": _ROUTES,
    "static_rules": _ROUTES,
    "track_file": _PAIR,
    "vrrp_instance": _PAIR,
    "vrrp_script": _PAIR,
    "vrrp_sync_group": _PAIR,
    "vrrp_track_file": _PAIR,
    "vrrp_track_process": _PAIR,
}
"""Why blocks that are known are left over."""


def read_keepalived(text: str, *, marks: Marks, labels: Labels) -> Imported:
    """The services of a keepalived.conf, and the lines that say more."""
    left = Left()
    servers: list[Statement] = []
    groups: dict[str, Statement] = {}
    for statement in statements_of(lines_of(text, left), left):
        match statement.words:
            case _ if statement.why:
                _leave(left, statement, statement.why)
            case ["virtual_server", _, *_] if statement.block is not None:
                servers.append(statement)
            case ["virtual_server_group", name] if statement.block is not None:
                if name in groups:
                    _leave(left, statement, f"Line {groups[name].line.number} has that group.")
                else:
                    groups[name] = statement
            case [name, *_]:
                unknown = f"`{cleaned(name, 40)}` is no block that is known."
                _leave(left, statement, _KNOWN.get(name, unknown))
    used = {" ".join(each.words[2:]) for each in servers if each.words[1] == "group"}
    for name, group in groups.items():
        if name not in used:
            _leave(left, group, "No virtual_server uses it.")

    def found() -> Iterator[FoundService]:
        for statement in servers:
            try:
                targets = targets_of(statement, groups, marks, left)
                virtual = virtual_of(statement, left)
                if len(targets) * len(virtual.servers) > MOST_IN_ALL:
                    raise Unread(f"That would be more than {MOST_IN_ALL} servers.")
                yield from _services(virtual, targets, left)
            except Unread as error:
                _leave(left, statement, str(error))

    return Imported(services_of(found(), left, labels), left.sorted())


def _leave(left: Left, statement: Statement, why: str) -> None:
    left.add(statement.line, why, last=statement.last)


def _services(virtual: Virtual, targets: Sequence[Target], left: Left) -> Iterator[FoundService]:
    line = virtual.statement.line
    checked = check_fields(virtual.check(), IMPLICIT, line, left)
    fallback = virtual.fallback
    if fallback is not None:
        fallback = fallback._replace(way=virtual.fallback_way)
    for target in targets:
        protocol = virtual.protocol if target.mark is None else Protocol.MARK
        udp = protocol in {Protocol.UDP, Protocol.ONE_PACKET}
        fields = {
            "scheduler": Said(SCHEDULER, line),
            "persistence_s": Said(0, line),
            **virtual.fields,
            **checked,
            **_granularity(virtual, target, left),
        }
        found = FoundService(
            line=line,
            name=target.name + ("-udp" if udp else ""),
            addresses=target.addresses,
            port=target.port,
            protocol=protocol,
            mark=target.mark or 0,
            way=virtual.way if not virtual.servers else None,
            fallback=fallback,
            fields=fields,
            servers=[_copied(server) for server in virtual.servers],
            lines=[*virtual.lines, *target.lines],
        )
        # of a group, one entry may be impossible and the others not
        if target.lines and (why := unable(found)):
            left.add_all(target.lines, why)
        else:
            yield found


def _copied(server: FoundServer) -> FoundServer:
    return FoundServer(
        server.line,
        server.address,
        server.port,
        server.way,
        dict(server.fields),
        list(server.lines),
    )


def _granularity(virtual: Virtual, target: Target, left: Left) -> dict[str, Said]:
    if virtual.mask is None:
        return {}
    mask, line = virtual.mask
    version = target.addresses[0].version if target.addresses else virtual.version or 4
    try:
        length = prefix_of(mask, version)
    except Unread as error:
        left.add(line, str(error))
        return {}
    return {"granularity" if version == 4 else "granularity6": Said(length, line)}
