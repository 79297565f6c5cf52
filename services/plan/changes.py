# SPDX-License-Identifier: Apache-2.0
"""What can be done to the system, as values that say what they do to traffic."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from services.plan.state import AddressKey, File, ServerKey, ServerKnobs


class Effect(StrEnum):
    """What a change does to traffic, from mild to rough."""

    NONE = "no effect on traffic"
    RELOAD = "reload, no connection lost"
    DROPS = "drops connections"
    OUTAGE = "short outage"


@dataclass(frozen=True)
class Change:
    """One step; `drops` counts the live connections it ends."""

    drops: int = 0

    @property
    def effect(self) -> Effect:
        """What it does to traffic."""
        return Effect.DROPS if self.drops else Effect.NONE


@dataclass(frozen=True)
class SetMtu(Change):
    """Set a device's largest packet."""

    device: str = ""
    mtu: int = 1500


@dataclass(frozen=True)
class AddAddress(Change):
    """Bring an address up; a floating one is announced on the wire."""

    key: AddressKey = AddressKey("", "")
    floating: bool = False


@dataclass(frozen=True)
class DropAddress(Change):
    """Take an address of ours down; what is bound to it loses its connections."""

    key: AddressKey = AddressKey("", "")
    floating: bool = False
    serves: bool = False
    """Clients reach a service by it, even if none is connected at this moment."""

    @property
    def effect(self) -> Effect:
        """An interface's own address carries at least the administrator's session."""
        return Effect.DROPS if self.drops or self.serves or not self.floating else Effect.NONE


@dataclass(frozen=True)
class SetGateway(Change):
    """Route everything else through this address."""

    version: int = 4
    address: str = ""


@dataclass(frozen=True)
class DropGateway(Change):
    """Remove a default route of ours."""

    version: int = 4
    address: str = ""


@dataclass(frozen=True)
class SetHostname(Change):
    """Name the unit."""

    hostname: str = ""


@dataclass(frozen=True)
class SetSysctls(Change):
    """Set what differs of the kernel's settings, all in one: at a start they are dozens."""

    values: tuple[tuple[str, str], ...] = ()
    """Path below /proc/sys and value, sorted."""


@dataclass(frozen=True)
class SetRules(Change):
    """Replace our nftables rules."""

    rules: str = ""
    """Empty: take our table away."""
    replaces: bool = False
    """There are some already."""


@dataclass(frozen=True)
class WriteFile(Change):
    """Put a generated file in place, or back in place after a hand edited it."""

    file: File = File("", b"")


@dataclass(frozen=True)
class StartHaproxy(Change):
    """HAProxy is not running and must."""


@dataclass(frozen=True)
class EndStrays(Change):
    """More than one HAProxy master shares our ports: keep the one that answers, end the others."""

    @property
    def effect(self) -> Effect:
        return Effect.DROPS


@dataclass(frozen=True)
class ReloadHaproxy(Change):
    """New worker with the new file; the old one finishes its connections."""

    @property
    def effect(self) -> Effect:
        return Effect.DROPS if self.drops else Effect.RELOAD


@dataclass(frozen=True)
class StopHaproxy(Change):
    """No layer 7 service is left."""

    @property
    def effect(self) -> Effect:
        return Effect.DROPS


@dataclass(frozen=True)
class SetServer(Change):
    """Change a server's weight or halt it at run time, without a reload."""

    key: ServerKey = (0, 0)
    knobs: ServerKnobs = ServerKnobs(0, halted=False)


@dataclass(frozen=True)
class StartChecks(Change):
    """Look after layer 4 servers as the generated file says; what was known is known on."""


@dataclass(frozen=True)
class StopChecks(Change):
    """No layer 4 server is left to look after."""
