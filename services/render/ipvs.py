# SPDX-License-Identifier: Apache-2.0
"""The kernel's IPVS table from a document: which services, which destinations.

The kernel knows one port of one protocol at one address, or a firewall mark. A service of
several ports or of both protocols is therefore known by a mark that `services.render.nft` sets
on its packets; one mark for all of its addresses, so that a persistent client stays on its
server whichever of them it asks.

A drained server stays, with weight 0, until its connections have ended; a halted one goes, and
its clients are told at once (`expire_nodest_conn`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from services.health.shares import FULL, GONE, Shares, weighed, whole_weights
from services.model import Document, Layer4Service, Local, ServerState
from services.model import Forwarding as Method
from services.model.base import Address
from services.model.layer4 import (
    DIRECT,
    Layer4Server,
    Protocol,
    Tunnel,
    TunnelChecksum,
    has_own_mark,
)
from services.model.service import PAGE_PORT
from services.plan import ipvs
from services.plan.ipvs import IPIP, Dest, DestKey, Encapsulation, Entry, Flags, ServiceKey

_FORWARDING = {
    Method.DR: ipvs.Forwarding.DR,
    Method.NAT: ipvs.Forwarding.NAT,
    Method.TUN: ipvs.Forwarding.TUN,
    # of which the answer is made to come back by a rule that changes the source
    Method.SNAT: ipvs.Forwarding.NAT,
}
_TUNNEL = {
    Tunnel.IPIP: ipvs.Tunnel.IPIP,
    Tunnel.GUE: ipvs.Tunnel.GUE,
    Tunnel.GRE: ipvs.Tunnel.GRE,
}
_CHECKSUM = {
    TunnelChecksum.NONE: ipvs.Checksum.NONE,
    TunnelChecksum.FULL: ipvs.Checksum.FULL,
    TunnelChecksum.REMOTE: ipvs.Checksum.REMOTE,
}
_PROTOCOL = {
    Protocol.TCP: ipvs.Protocol.TCP,
    Protocol.UDP: ipvs.Protocol.UDP,
    Protocol.ONE_PACKET: ipvs.Protocol.UDP,
}


def ipvs_wanted(document: Document, shares: Shares = FULL) -> ipvs.IpvsWanted:
    """The table that `document` and the health of its servers ask for.

    Every object must have its id and its mark. A server that is down stays with weight 0, like
    one that drains: the kernel forgets who was kept on it (`expire_quiescent_template`). Where
    servers are not to be quiescent it goes, like one that is halted.
    """
    table = table_of(document.cluster.layer4, document.local, shares)
    advanced = document.cluster.layer4_advanced
    timeouts = ipvs.Timeouts(
        advanced.tcp_timeout_s, advanced.tcp_fin_timeout_s, advanced.udp_timeout_s
    )
    return ipvs.IpvsWanted(table=table, timeouts=timeouts)


def table_of(
    services: Iterable[Layer4Service], local: Local, shares: Shares
) -> dict[ServiceKey, Entry]:
    """The part of the table that is of these services of a document, which depends on no other."""
    return {
        key: Entry(_service(service, key.version), dict(_dests(service, key, local, shares)))
        for service in services
        for key in service_keys(service)
    }


def service_keys(service: Layer4Service) -> tuple[ServiceKey, ...]:
    """What the service is in the kernel: one entry per address, or one per family by its mark."""
    if service.protocol is Protocol.MARK or has_own_mark(service):
        versions = sorted({address.version for address in service.addresses})
        mark = ipvs.Protocol.MARK
        return tuple(ServiceKey(version, mark, mark=service.mark) for version in versions)
    protocol, port = _PROTOCOL[service.protocol], int(service.ports)
    return tuple(
        ServiceKey(address.version, protocol, str(address), port) for address in service.addresses
    )


def dest_key(server: Layer4Server, key: ServiceKey) -> DestKey:
    """What a server is in the kernel, below `key`."""
    return DestKey(str(server.address), server.port or key.port)


def serves(service: Layer4Service, server: Layer4Server, key: ServiceKey) -> bool:
    """Whether a server can answer for clients of the key's family."""
    if server.address.version == key.version:
        return True
    # the other family is reached in a tunnel, by services that have only this one
    has_its_own = any(vip.version == server.address.version for vip in service.addresses)
    return service.forwarding is Method.TUN and not has_its_own


def own_address(local: Local, version: int) -> Address | None:
    """An address of the unit itself, which no failover moves: there the built-in page answers."""
    own = (address.ip for card in local.interfaces for address in card.addresses)
    return next((ip for ip in own if ip.version == version), None)


def _service(service: Layer4Service, version: int) -> ipvs.Service:
    kept = service.persistence_s
    prefix = service.granularity if version == 4 else service.granularity6
    return ipvs.Service(
        scheduler=service.scheduler.value,
        flags=_flags(service),
        persistence_s=kept,
        granularity=prefix if kept else 0,
    )


def _flags(service: Layer4Service) -> Flags:
    flags = Flags.ONE_PACKET if service.protocol is Protocol.ONE_PACKET else Flags.NONE
    if service.hash_port:
        flags |= Flags.PORT
    if service.hash_fallback:
        flags |= Flags.FALLBACK
    return flags


def _dests(
    service: Layer4Service, key: ServiceKey, local: Local, shares: Shares
) -> Iterator[tuple[DestKey, Dest]]:
    method = _FORWARDING[service.forwarding]
    wrapped = _encapsulation(service)
    taking = 0
    for server, whole in zip(service.servers, whole_weights(service), strict=True):
        share = shares.get((service.id, server.id), 100)
        halted = server.state is ServerState.HALT or share == GONE
        if halted or not serves(service, server, key):
            continue
        weight = 0 if server.state is ServerState.DRAIN else weighed(whole, share)
        taking += weight
        limits = (server.max_connections, server.min_connections)
        yield dest_key(server, key), Dest(method, weight, *limits, wrapped)
    if not taking and (found := _fallback(service, key, local)) is not None:
        yield found


def _encapsulation(service: Layer4Service) -> Encapsulation:
    if service.forwarding is not Method.TUN or service.tunnel is Tunnel.IPIP:
        return IPIP
    port = service.tunnel_port if service.tunnel is Tunnel.GUE else 0
    return Encapsulation(_TUNNEL[service.tunnel], port, _CHECKSUM[service.tunnel_checksum])


def _fallback(service: Layer4Service, key: ServiceKey, local: Local) -> tuple[DestKey, Dest] | None:
    address = service.fallback_address
    if address is None:
        return None
    if address.is_loopback:
        # by NAT whatever the method: the page listens on a port of its own
        own = own_address(local, key.version)
        page = Dest(ipvs.Forwarding.NAT, 1)
        return (DestKey(str(own), PAGE_PORT), page) if own is not None else None
    if address.version != key.version:
        return None
    port = key.port if service.forwarding in DIRECT else service.fallback_port
    return DestKey(str(address), port), Dest(
        _FORWARDING[service.forwarding], 1, encapsulation=_encapsulation(service)
    )
