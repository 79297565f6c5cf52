# SPDX-License-Identifier: Apache-2.0
"""Network cards in memory, with the kernel's rules."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from ipaddress import ip_address, ip_interface

from services.drivers.ethtool import CardFacts
from services.drivers.probe import Probed
from services.errors import Unable
from services.plan.state import AddressKey, Device, LinksSeen


def card(name: str, *, up: bool = False, carrier: bool = False) -> Device:
    """A card as the kernel would tell of it."""
    mac = f"02:00:00:00:00:{sum(name.encode()) % 256:02x}"
    return Device(name=name, up=up, carrier=up and carrier, mac=mac, mtu=1500)


@dataclass
class FakeLinks:
    """Cards eth0 to eth3, plugged in and switched off, unless told otherwise."""

    devices: dict[str, Device] = field(
        default_factory=lambda: {name: card(name) for name in ("eth0", "eth1", "eth2", "eth3")}
    )
    marks: dict[AddressKey, bool | None] = field(default_factory=dict)
    """Addresses; True: ours and floating, False: ours, None: added by hand."""
    routes: dict[int, tuple[str, str]] = field(default_factory=dict)
    """Our default gateways by IP version, each with its card."""
    announced: list[AddressKey] = field(default_factory=list)
    unplugged: set[str] = field(default_factory=set)
    """Cards without carrier even when they are up."""
    neighbours: dict[tuple[str, str], str] = field(default_factory=dict)
    """Who has an address on the wire of a card, by card and address."""
    failing: Unable | None = None
    """While set, every change raises it."""

    def add_by_hand(self, key: AddressKey) -> None:
        """What a person does with `ip address add`."""
        self.marks[key] = None

    def switch_off(self, device: str) -> None:
        """What a person does with `ip link set down`."""
        self.devices[device] = replace(self.devices[device], up=False, carrier=False)
        for key in [key for key in self.marks if key.device == device and _version(key) == 6]:
            del self.marks[key]
        self.routes = {v: route for v, route in self.routes.items() if route[1] != device}

    async def seen(self) -> LinksSeen:
        ours = {
            key: mark
            for key, mark in self.marks.items()
            if mark is not None and self.devices[key.device].up
        }
        foreign = frozenset(key for key, mark in self.marks.items() if mark is None)
        gateways = {version: address for version, (address, _) in self.routes.items()}
        return LinksSeen(dict(self.devices), ours, foreign, gateways)

    async def add_addresses(self, keys: Mapping[AddressKey, bool]) -> None:
        for key in keys:
            self._judge(key.device)
        for key, floating in keys.items():
            self._switch_on(key.device)
            for other in [other for other in self.marks if _same_ipv6(other, key)]:
                del self.marks[other]
            self.marks[key] = floating

    async def drop_addresses(self, keys: Iterable[AddressKey]) -> None:
        self._judge()
        for key in keys:
            if self.marks.get(key) is not None:
                del self.marks[key]
        using = {key.device for key in self.marks if _version(key) == 4}
        if 4 in self.routes and self.routes[4][1] not in using:
            del self.routes[4]

    async def announce(self, keys: Iterable[AddressKey]) -> None:
        self._judge()
        self.announced += keys

    async def probe(self, device: str, address: str) -> Probed:
        self._judge(device)
        if not self.devices[device].carrier:
            return Probed(carrier=False)
        return Probed(carrier=True, owner=self.neighbours.get((device, address), ""))

    async def describe(self, devices: Iterable[str]) -> Mapping[str, CardFacts]:
        return {
            name: CardFacts("veth", 10_000 if self.devices[name].carrier else 0)
            if name in self.devices
            else CardFacts()
            for name in devices
        }

    async def set_gateway(self, version: int, address: str) -> None:
        self._judge()
        for key in self.marks:
            interface = ip_interface(key.address)
            if ip_address(address) in interface.network and self.devices[key.device].up:
                self.routes[version] = (address, key.device)
                return
        raise Unable(
            f"{address} cannot be the default gateway: Network is unreachable.",
            do="Give an interface an address in the gateway's network first.",
        )

    async def drop_gateway(self, version: int) -> None:
        self._judge()
        self.routes.pop(version, None)

    async def set_mtu(self, device: str, mtu: int) -> None:
        self._judge(device)
        if mtu < 68:
            raise Unable(
                f"The MTU of {device} cannot be {mtu}: mtu less than device minimum.",
                do="Choose a value this card takes; see `ip -details link`.",
            )
        self.devices[device] = replace(self.devices[device], mtu=mtu)

    async def aclose(self) -> None:
        """Nothing goes on in the background here."""

    def _judge(self, device: str | None = None) -> None:
        if self.failing is not None:
            raise self.failing
        if device is not None and device not in self.devices:
            raise Unable(
                f"{device} does not exist; this unit has {', '.join(sorted(self.devices))}.",
                do="Plug the card in, or take its settings out of the configuration.",
            )

    def _switch_on(self, device: str) -> None:
        carrier = device not in self.unplugged
        self.devices[device] = replace(self.devices[device], up=True, carrier=carrier)


def _version(key: AddressKey) -> int:
    return ip_interface(key.address).version


def _same_ipv6(one: AddressKey, other: AddressKey) -> bool:
    if one.device != other.device or ":" not in one.address:
        return False
    return ip_interface(one.address).ip == ip_interface(other.address).ip
