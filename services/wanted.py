# SPDX-License-Identifier: Apache-2.0
"""From a document to the whole system it asks for; pure.

wanted = f(document): whoever holds a document and this function needs nothing else to
know what every file, address and server must be.
"""

from __future__ import annotations

from services.model import Document, Interface, Local
from services.model.base import Address
from services.plan.state import AddressKey, LinksWanted, Wanted
from services.render import Place, haproxy_wanted, system_files
from services.render.kernel import KERNEL_SETTINGS


def wanted(document: Document, place: Place) -> Wanted:
    """The system that `document` asks for, with files where `place` says."""
    return Wanted(
        haproxy=haproxy_wanted(document, place),
        links=_links(document),
        files=system_files(document, place),
        hostname=document.local.hostname,
        sysctls=KERNEL_SETTINGS,
    )


def device_for(vip: Address, local: Local) -> str:
    """The device a VIP comes up on.

    The one whose network holds it. A VIP outside every network is routed to the unit, and
    comes in where the default gateway is; without one, on the first device with an address.
    """
    for interface in local.interfaces:
        if _holds(interface, vip):
            return interface.name
    gateway = local.gateway if vip.version == 4 else local.gateway6
    if gateway is not None:
        for interface in local.interfaces:
            if _holds(interface, gateway):
                return interface.name
    with_address = (interface.name for interface in local.interfaces if interface.addresses)
    return next(with_address, "eth0")


def _holds(interface: Interface, address: Address) -> bool:
    return any(
        address in own.network for own in interface.addresses if own.version == address.version
    )


def _links(document: Document) -> LinksWanted:
    local = document.local
    clients: dict[AddressKey, set[int]] = {}
    addresses = {
        AddressKey(interface.name, str(own)): False
        for interface in local.interfaces
        for own in interface.addresses
    }
    for service in document.cluster.layer7:
        for vip in service.addresses:
            key = AddressKey(device_for(vip, local), f"{vip}/{vip.max_prefixlen}")
            addresses[key] = True
            clients.setdefault(key, set()).add(service.id)
    gateways = {4: local.gateway, 6: local.gateway6}
    return LinksWanted(
        addresses=addresses,
        clients={key: frozenset(services) for key, services in clients.items()},
        gateways={version: str(via) for version, via in gateways.items() if via is not None},
        mtu={interface.name: interface.mtu for interface in local.interfaces},
    )
