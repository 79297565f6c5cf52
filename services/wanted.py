# SPDX-License-Identifier: Apache-2.0
"""From a document to the whole system it asks for; pure.

wanted = f(document, health): whoever holds these and this function needs nothing else to
know what every file, address and server must be.
"""

from __future__ import annotations

from services.health.shares import FULL, Shares
from services.model import Document, Local
from services.model.base import Address
from services.plan.state import AddressKey, LinksWanted, Wanted
from services.render import Place, haproxy_wanted, system_files
from services.render.checks import checks_wanted
from services.render.ipvs import ipvs_wanted
from services.render.kernel import CONNTRACK, KERNEL_SETTINGS
from services.render.nft import nft_wanted, wants_conntrack


def wanted(document: Document, place: Place, shares: Shares = FULL) -> Wanted:
    """The system that `document` asks for, with files where `place` says.

    `shares`: what health leaves the layer 4 servers of their weights.
    """
    return Wanted(
        haproxy=haproxy_wanted(document, place),
        links=_links(document),
        files=system_files(document, place),
        hostname=document.local.hostname,
        sysctls=KERNEL_SETTINGS | CONNTRACK if wants_conntrack(document) else KERNEL_SETTINGS,
        ipvs=ipvs_wanted(document, shares),
        rules=nft_wanted(document),
        checks=checks_wanted(document, place),
    )


class Devices:
    """Which device a VIP comes up on; asked once for every VIP of a large document."""

    def __init__(self, local: Local) -> None:
        self._networks = [
            (own.network, interface.name)
            for interface in local.interfaces
            for own in interface.addresses
        ]
        names = (interface.name for interface in local.interfaces if interface.addresses)
        first = next(names, "eth0")
        self._otherwise = {
            4: (local.gateway and self._holding(local.gateway)) or first,
            6: (local.gateway6 and self._holding(local.gateway6)) or first,
        }

    def of(self, vip: Address) -> str:
        """The device whose network holds it.

        A VIP outside every network is routed to the unit, and comes in where the default
        gateway is; without one, on the first device with an address.
        """
        return self._holding(vip) or self._otherwise[vip.version]

    def _holding(self, address: Address) -> str | None:
        holders = (name for network, name in self._networks if address in network)
        return next(holders, None)


def _links(document: Document) -> LinksWanted:
    local = document.local
    devices = Devices(local)
    clients: dict[AddressKey, set[int]] = {}
    addresses = {
        AddressKey(interface.name, str(own)): False
        for interface in local.interfaces
        for own in interface.addresses
    }
    for service in document.cluster.services:
        for vip in service.addresses:
            key = AddressKey(devices.of(vip), f"{vip}/{vip.max_prefixlen}")
            addresses[key] = True
            clients.setdefault(key, set()).add(service.id)
    gateways = {4: local.gateway, 6: local.gateway6}
    return LinksWanted(
        addresses=addresses,
        clients={key: frozenset(services) for key, services in clients.items()},
        gateways={version: str(via) for version, via in gateways.items() if via is not None},
        mtu={interface.name: interface.mtu for interface in local.interfaces},
    )
