# SPDX-License-Identifier: Apache-2.0
"""Which of the unit's devices a floating address comes up on."""

from __future__ import annotations

from services.model import Local
from services.model.base import Address


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
