# SPDX-License-Identifier: Apache-2.0
"""Whose is a connection of the kernel's? The labels of its service and its server; pure.

The kernel's entry has addresses only. That of a service known by a mark has the address and
port which the client called, so it is found by the service's own list of ports; of a service
whose mark somebody else's rules set, nobody knows the ports: there the address decides, and
the server, where several services share it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from types import MappingProxyType

from services.model import Layer4Service
from services.model.base import port_ranges
from services.model.layer4 import Protocol, has_own_mark

_SPOKEN: Mapping[Protocol, frozenset[str]] = MappingProxyType(
    {
        Protocol.TCP: frozenset({"tcp"}),
        Protocol.UDP: frozenset({"udp"}),
        Protocol.ONE_PACKET: frozenset({"udp"}),
        Protocol.TCP_UDP: frozenset({"tcp", "udp"}),
    }
)


class Names:
    """The layer 4 services of a document, found by what the kernel tells of a connection."""

    def __init__(self, services: Iterable[Layer4Service]) -> None:
        self._marks: dict[int, Layer4Service] = {}
        self._exact: dict[tuple[str, bytes, int], Layer4Service] = {}
        self._several: defaultdict[bytes, list[Layer4Service]] = defaultdict(list)
        self._servers: dict[int, dict[tuple[bytes, int], str]] = {}
        for service in services:
            self._servers[service.id] = {
                (server.address.packed, server.port): server.label for server in service.servers
            }
            if service.protocol is Protocol.MARK or has_own_mark(service):
                self._marks[service.mark] = service
                for address in service.addresses:
                    self._several[address.packed].append(service)
            else:
                [spoken] = _SPOKEN[service.protocol]
                for address in service.addresses:
                    self._exact[(spoken, address.packed, int(service.ports))] = service

    def by_mark(self, mark: int) -> Layer4Service | None:
        """The service that a mark is of."""
        return self._marks.get(mark)

    def service(self, protocol: str, vip: bytes, port: int, rip: bytes) -> Layer4Service | None:
        """The service whose client called this address and port, and was sent to `rip`."""
        if (found := self._exact.get((protocol, vip, port))) is not None:
            return found
        possible = [each for each in self._several[vip] if _takes(each, protocol, port)]
        serving = [each for each in possible if self.server(each, rip, port)]
        return next(iter((*serving, *possible)), None)

    def server(self, service: Layer4Service, rip: bytes, port: int) -> str:
        """The label of a service's server; empty: it is none of its servers."""
        servers = self._servers[service.id]
        return servers.get((rip, port)) or servers.get((rip, 0)) or ""


def _takes(service: Layer4Service, protocol: str, port: int) -> bool:
    if service.protocol is Protocol.MARK:
        return True
    fits = any(first <= port <= last for first, last in port_ranges(service.ports))
    return fits and protocol in _SPOKEN[service.protocol]
