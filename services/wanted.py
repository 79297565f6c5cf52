# SPDX-License-Identifier: Apache-2.0
"""From a document to the whole system it asks for; pure.

wanted = f(document, health): whoever holds these and this function needs nothing else to
know what every file, address and server must be.
"""

from __future__ import annotations

from services.health.shares import FULL, Shares
from services.model import Document
from services.plan.state import AddressKey, LinksWanted, Wanted
from services.render import Place, haproxy_wanted, system_files
from services.render.checks import checks_wanted
from services.render.devices import Devices
from services.render.ipvs import ipvs_wanted
from services.render.kernel import kernel_settings
from services.render.nft import nft_wanted


def wanted(document: Document, place: Place, shares: Shares = FULL) -> Wanted:
    """The system that `document` asks for, with files where `place` says.

    `shares`: what health leaves the layer 4 servers of their weights.
    """
    return Wanted(
        haproxy=haproxy_wanted(document, place),
        links=_links(document),
        files=system_files(document, place),
        hostname=document.local.hostname,
        sysctls=kernel_settings(document),
        ipvs=ipvs_wanted(document, shares),
        rules=nft_wanted(document),
        checks=checks_wanted(document, place),
    )


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
    outside = frozenset(
        AddressKey(devices.of(entry.address), f"{entry.address}/{entry.address.max_prefixlen}")
        for entry in document.cluster.nat
    )
    addresses |= dict.fromkeys(outside, True)
    gateways = {4: local.gateway, 6: local.gateway6}
    return LinksWanted(
        addresses=addresses,
        outside=outside,
        clients={key: frozenset(services) for key, services in clients.items()},
        gateways={version: str(via) for version, via in gateways.items() if via is not None},
        mtu={interface.name: interface.mtu for interface in local.interfaces},
    )
