# SPDX-License-Identifier: Apache-2.0
"""The rules of `ipvsadm -S` and `ipvsadm -R`, read into services.

Rules are a history: what is added, edited and deleted line by line leaves a table, and that is
what is read. Of what a service is to us they know the kernel's part only; labels are made, and
there is no fallback server.

Source: ipvsadm(8), version 1.31.
"""

from __future__ import annotations

from collections.abc import Iterator

from services.exchange.ipvsadm_words import Rule, rule_of
from services.exchange.lines import Imported, Left, Line, Marks, lines_of
from services.exchange.making import (
    MOST_SERVERS,
    FoundServer,
    FoundService,
    Said,
    Way,
    flags_of,
    services_of,
)
from services.exchange.names import (
    Labels,
    Unread,
    address_of,
    number_of,
    port_of,
    prefix_of,
    socket_of,
)
from services.model import Forwarding
from services.model.base import Address, cleaned
from services.model.layer4 import Protocol, Tunnel, TunnelChecksum

PERSISTENT_S = 300
"""What `-p` without a time means."""

_METHODS = {
    "gatewaying": Forwarding.DR,
    "ipip": Forwarding.TUN,
    "masquerading": Forwarding.NAT,
}
_SUMS = {"tun-csum": TunnelChecksum.FULL, "tun-remcsum": TunnelChecksum.REMOTE}
_Key = tuple[str, str, int]
"""Protocol, address and port; or `mark`, nothing and the number."""


def read_ipvsadm(text: str, *, marks: Marks, labels: Labels) -> Imported:
    """The services that rules leave, and the lines that say more; `labels` knows those taken."""
    left = Left()
    reader = _Reader(left, marks)
    for line in lines_of(text, left):
        if not line.text.strip() or line.text.lstrip().startswith("#"):
            continue
        try:
            reader.obey(line, rule_of(line.text))
        except Unread as error:
            left.add(line, str(error))
    return Imported(services_of(reader.services(), left, labels), left.sorted())


class _Reader:
    """The table as it comes to be."""

    def __init__(self, left: Left, marks: Marks) -> None:
        self._table: dict[_Key, FoundService] = {}
        self._servers: dict[_Key, dict[tuple[Address, int], FoundServer]] = {}
        self._left = left
        self._marks = marks

    def services(self) -> Iterator[FoundService]:
        """What there is in the end."""
        for key, service in self._table.items():
            service.servers = list(self._servers[key].values())
            yield service

    def obey(self, line: Line, rule: Rule) -> None:
        """Do what one line says; raises `Unread` if nothing of it can be done."""
        match rule.command:
            case "clear":
                self._table.clear()
            case "add-service":
                self._add_service(line, rule)
            case "edit-service":
                self._edit_service(line, rule)
            case "delete-service":
                del self._table[self._there(rule)]
            case "add-server" | "edit-server":
                self._put_server(line, rule, edit=rule.command == "edit-server")
            case "delete-server":
                self._delete_server(rule)
            case "set":
                raise Unread("Timeouts are those of all services: `layer4_advanced` has them.")
            case "start-daemon" | "stop-daemon":
                raise Unread("Connections are synchronised by the pair, not by a setting.")
            case other:
                raise Unread(f"`{other}` makes no service.")

    def _add_service(self, line: Line, rule: Rule) -> None:
        key = _key(rule)
        there = self._table.get(key)
        version = 6 if "ipv6" in rule.options else 4
        fields = _settings(line, rule, version if key[0] == "mark" else None, key)
        if there is not None:
            self._other_family(line, there, fields)
            return
        protocol = _protocol(rule)
        if protocol is Protocol.MARK:
            addresses, name = list(self._marks.get(key[2], ())), f"mark-{key[2]}"
            port, mark = 0, key[2]
        else:
            addresses, port, mark = [address_of(key[1])], key[2], 0
            name = f"{key[1]}-{key[2]}" + ("" if protocol is Protocol.TCP else "-udp")
        self._table[key] = FoundService(line, name, addresses, port, protocol, mark, fields=fields)
        self._servers[key] = {}
        self._take_rest(key, line, rule)

    def _other_family(self, line: Line, there: FoundService, fields: dict[str, Said]) -> None:
        """A mark is one service to us, whose packets of both families are two to the kernel."""
        if there.protocol is not Protocol.MARK or any(
            there.fields[name].value != said.value
            for name, said in fields.items()
            if name in there.fields
        ):
            raise Unread(f"Line {there.line.number} has the same service.")
        there.fields.update(fields)
        there.lines.append(line)

    def _edit_service(self, line: Line, rule: Rule) -> None:
        key = self._there(rule)
        there = self._table[key]
        version = 6 if "ipv6" in rule.options else 4
        there.fields = _settings(line, rule, version if key[0] == "mark" else None, key)
        there.protocol = _protocol(rule)
        there.lines.append(line)
        self._take_rest(key, line, rule)

    def _put_server(self, line: Line, rule: Rule, *, edit: bool) -> None:
        key = self._there(rule)
        servers = self._servers[key]
        server = _server(line, rule)
        place = (server.address, server.port or key[2])
        there = servers.get(place)
        if edit and there is None:
            raise Unread(f"The service has no server {server.address}.")
        if not edit and there is not None:
            raise Unread(f"Line {there.line.number} has the same server.")
        if len(servers) == MOST_SERVERS and there is None:
            raise Unread(f"A service has {MOST_SERVERS} servers at most.")
        servers[place] = server

    def _delete_server(self, rule: Rule) -> None:
        key = self._there(rule)
        address, port = socket_of(_needed(rule, "real-server"))
        if self._servers[key].pop((address, port or key[2]), None) is None:
            raise Unread(f"The service has no server {address}.")

    def _there(self, rule: Rule) -> _Key:
        key = _key(rule)
        if key not in self._table:
            raise Unread("No line before it has made that service.")
        return key

    def _take_rest(self, key: _Key, line: Line, rule: Rule) -> None:
        """What a service says besides, and of which something may have no field."""
        if "pe" in rule.options:
            self._left.add(line, "Persistence by an engine (--pe) has no field.")
        if flags := rule.options.get("sched-flags"):
            try:
                self._table[key].fields |= flags_of(flags, line)
            except Unread as error:
                self._left.add(line, str(error))


def _key(rule: Rule) -> _Key:
    named = [
        name
        for name in ("tcp-service", "udp-service", "sctp-service", "fwmark-service")
        if name in rule.options
    ]
    if len(named) != 1:
        raise Unread("It names no service, or two.")
    value = rule.options[named[0]]
    if named[0] == "fwmark-service":
        return "mark", "", number_of(value)
    if named[0] == "sctp-service":
        raise Unread("SCTP is not balanced.")
    address, port = socket_of(value)
    return named[0], str(address), port


def _protocol(rule: Rule) -> Protocol:
    one_packet = "ops" in rule.options
    if "udp-service" in rule.options:
        return Protocol.ONE_PACKET if one_packet else Protocol.UDP
    if one_packet:
        raise Unread("One packet at a time (-o) is for UDP services.")
    return Protocol.TCP if "tcp-service" in rule.options else Protocol.MARK


def _settings(line: Line, rule: Rule, marked: int | None, key: _Key) -> dict[str, Said]:
    """The fields a service's line gives; `marked`: the family of a mark's packets."""
    options = rule.options
    kept = options.get("persistent")
    kept_s = 0 if kept is None else number_of(kept) if kept else PERSISTENT_S
    found = {
        "scheduler": Said(options.get("scheduler", "wlc"), line),
        "persistence_s": Said(kept_s, line),
    }
    version = marked or address_of(key[1]).version
    if "netmask" in options:
        name = "granularity" if version == 4 else "granularity6"
        found[name] = Said(prefix_of(options["netmask"], version), line)
    return found


def _server(line: Line, rule: Rule) -> FoundServer:
    options = rule.options
    address, port = socket_of(_needed(rule, "real-server"))
    methods = [_METHODS[name] for name in _METHODS if name in options]
    if len(methods) > 1:
        raise Unread("It has two forwarding methods.")
    method = methods[0] if methods else Forwarding.DR
    fields = {"weight": Said(number_of(options.get("weight", "1")), line)}
    for option, name in (("u-threshold", "max_connections"), ("l-threshold", "min_connections")):
        if limit := number_of(options.get(option, "0")):
            fields[name] = Said(limit, line)
    tunnel, tunnel_port, checksum = Tunnel.IPIP, 0, TunnelChecksum.NONE
    if method is Forwarding.TUN and "tun-type" in options:
        kind = options["tun-type"]
        if kind not in {each.value for each in Tunnel}:
            raise Unread(f"`{cleaned(kind, 40)}` is no tunnel that is known.")
        tunnel = Tunnel(kind)
        tunnel_port = port_of(options.get("tun-port", "0"))
        if tunnel is not Tunnel.IPIP:
            checksum = next((kind for name, kind in _SUMS.items() if name in options), checksum)
    way = Way(method, tunnel, tunnel_port, checksum)
    return FoundServer(line, address, port, way, fields)


def _needed(rule: Rule, name: str) -> str:
    if name not in rule.options:
        raise Unread(f"It has no {name}.")
    return rule.options[name]
