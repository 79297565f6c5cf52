# SPDX-License-Identifier: Apache-2.0
"""What can be done to the kernel's IPVS table: values, and their words.

Nothing here breaks a connection but taking a destination or a service away.
"""

from __future__ import annotations

from dataclasses import dataclass

from services.plan.changes import Change
from services.plan.ipvs import (
    Checksum,
    Dest,
    DestKey,
    Flags,
    Forwarding,
    Service,
    ServiceKey,
    Timeouts,
)


@dataclass(frozen=True, kw_only=True)
class PutService(Change):
    """Make a virtual service, or make the one that exists like this."""

    key: ServiceKey
    service: Service
    exists: bool = False


@dataclass(frozen=True, kw_only=True)
class PutDest(Change):
    """Give a service a destination, or make the one it has like this."""

    service: ServiceKey
    key: DestKey
    dest: Dest
    exists: bool = False


@dataclass(frozen=True, kw_only=True)
class DropDest(Change):
    """Take a destination away; its clients are told at once by `expire_nodest_conn`."""

    service: ServiceKey
    key: DestKey


@dataclass(frozen=True, kw_only=True)
class DropService(Change):
    """Take a virtual service away, and all of its destinations."""

    key: ServiceKey


@dataclass(frozen=True, kw_only=True)
class SetTimeouts(Change):
    """Set after how long silent connections are forgotten."""

    timeouts: Timeouts


_SWITCHES = {
    Flags.ONE_PACKET: "each packet by itself",
    Flags.PORT: "by the client's port too",
    Flags.FALLBACK: "falling back",
}
_SUMS = {
    Checksum.NONE: "",
    Checksum.FULL: " with checksums",
    Checksum.REMOTE: " with remote checksums",
}

IpvsChange = PutService | PutDest | DropDest | DropService | SetTimeouts


def service_of(change: IpvsChange) -> ServiceKey | None:
    """The virtual service that a change is about; None: all of them."""
    match change:
        case PutService() | DropService():
            return change.key
        case PutDest() | DropDest():
            return change.service
        case SetTimeouts():
            return None


def sentence(change: IpvsChange) -> str:
    """One line, imperative, naming the object."""
    match change:
        case PutService():
            verb = "change" if change.exists else "add"
            return f"{verb} layer 4 service {change.key} ({_settings(change.service)})"
        case PutDest() if change.exists and change.dest.weight == 0:
            return f"drain {change.key} of {change.service} (weight 0)"
        case PutDest():
            verb, into = ("change", "of") if change.exists else ("add", "to")
            return f"{verb} {change.key} {into} {change.service} ({_how(change.dest)})"
        case DropDest():
            return f"remove {change.key} from {change.service}"
        case DropService():
            return f"remove layer 4 service {change.key}"
        case SetTimeouts():
            tcp, fin, udp = change.timeouts
            return f"set layer 4 timeouts to TCP {tcp} s, closed TCP {fin} s, UDP {udp} s"


def _settings(service: Service) -> str:
    kept = f", persistent {service.persistence_s} s" if service.persistence_s else ""
    switches = "".join(f", {words}" for flag, words in _SWITCHES.items() if flag & service.flags)
    return f"{service.scheduler}{switches}{kept}"


def _how(dest: Dest) -> str:
    way = dest.forwarding.name
    if dest.forwarding is Forwarding.TUN:
        way += f" by {dest.encapsulation.tunnel.name}{_SUMS[dest.encapsulation.checksum]}"
    limit = f", at most {dest.upper} connections" if dest.upper else ""
    return f"{way}, weight {dest.weight}{limit}"
