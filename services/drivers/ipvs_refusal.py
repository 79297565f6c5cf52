# SPDX-License-Identifier: Apache-2.0
"""The kernel's refusals of IPVS requests, in words with a remedy.

The kernel answers a bare number, the same for many reasons; what was asked for tells which it
can be (net/netfilter/ipvs/ip_vs_ctl.c of Linux 6.12, each tried in the kernel tier).
"""

from __future__ import annotations

import errno
from dataclasses import dataclass

from services.drivers.netlink import Refusal
from services.plan.ipvs import Forwarding, Tunnel
from services.plan.ipvs_changes import (
    DropDest,
    DropService,
    IpvsChange,
    PutDest,
    PutService,
    SetTimeouts,
)

LOOK = "Look in the kernel's log."
LONGEST_S = 2_147_483
"""What 31 bits of a kernel's ticks hold at 1,000 a second, the most a kernel is built with."""


@dataclass(frozen=True)
class NotDone:
    """A change that the kernel refused: one sentence, and the remedy."""

    change: IpvsChange
    what: str
    do: str


def not_done(change: IpvsChange, refusal: Refusal) -> NotDone:
    """What to tell of a refusal."""
    what, do = _of_everything(refusal) or _of_this(change, refusal) or (refusal.words, LOOK)
    return NotDone(change, f"{_subject(change)}: {what}.", do)


def refused(refusal: Refusal) -> tuple[str, str]:
    """The reason and the remedy, of a request that is no change of the table."""
    if refusal.number == errno.ESRCH:
        return "there is none", "Look at the table again."
    return _of_everything(refusal) or (refusal.words, LOOK)


def _subject(change: IpvsChange) -> str:
    match change:
        case PutService():
            return (
                f"Layer 4 service {change.key} cannot be {'changed' if change.exists else 'added'}"
            )
        case PutDest():
            verb = "changed" if change.exists else "added"
            return f"{change.key} of {change.service} cannot be {verb}"
        case DropDest():
            return f"{change.key} cannot be removed from {change.service}"
        case DropService():
            return f"Layer 4 service {change.key} cannot be removed"
        case SetTimeouts():
            return "The layer 4 timeouts cannot be set"


def _of_everything(refusal: Refusal) -> tuple[str, str] | None:
    match refusal.number:
        case errno.EPERM:
            return "this process has not the right to", "Run the agent as root."
        case errno.ENOMEM | errno.ENOBUFS:
            return "the kernel has no memory left", "Give the unit more memory, or fewer services."
        case errno.EAFNOSUPPORT:
            return "this kernel does not balance IPv6", "Use a kernel that does, or IPv4."
    return None


def _of_this(change: IpvsChange, refusal: Refusal) -> tuple[str, str] | None:
    match change:
        case PutService() if refusal.number == errno.ENOENT:
            return _absent(change)
        case PutService() if refusal.number == errno.EINVAL and change.service.persistence_s:
            return (
                f"it cannot keep clients by /{change.service.granularity}",
                "Write a prefix length from 1 on.",
            )
        case SetTimeouts() if refusal.number == errno.EINVAL:
            return "one is longer than the kernel counts", f"Write {LONGEST_S} s at most."
        case PutDest() if refusal.number == errno.ESRCH:
            return "its service is not there", "Apply again: somebody else has removed it."
        case PutDest() if refusal.number == errno.ERANGE:
            if change.dest.lower > change.dest.upper:
                return (
                    f"the lower limit of {change.dest.lower} connections is above the upper one",
                    f"Write {change.dest.upper} at most.",
                )
            return f"it cannot have weight {change.dest.weight}", "Write a weight from 0 on."
        case PutDest() if refusal.number == errno.EINVAL:
            return _unfit(change)
    return None


def _absent(change: PutService) -> tuple[str, str]:
    scheduler, engine = change.service.scheduler, change.service.engine
    what, do = f"the kernel has no scheduler {scheduler}", f"modprobe ip_vs_{scheduler}"
    if engine:
        what += f" or no persistence engine {engine}"
        do += f", modprobe ip_vs_pe_{engine}"
    return what, f"Load its module ({do}), or choose another."


def _unfit(change: PutDest) -> tuple[str, str]:
    version = 6 if ":" in change.key.address else 4
    if version != change.service.version and change.dest.forwarding is not Forwarding.TUN:
        return (
            f"an IPv{change.service.version} service reaches IPv{version} servers by tunnel only",
            f"Choose TUN, or give the server an IPv{change.service.version} address.",
        )
    if version != change.service.version:
        return (
            "a service and its server of two IP versions cannot be synchronised with a partner",
            "Stop the synchronisation, or give both addresses of one version.",
        )
    if change.dest.encapsulation.tunnel is Tunnel.GUE and not change.dest.encapsulation.port:
        return "a GUE tunnel ends at a port", "Write its port, 6080 as a rule."
    return (
        f"{change.key.address} is not the address of one host",
        "Write the address of the real server.",
    )


def daemon_trouble(refusal: Refusal) -> tuple[str, str]:
    """Why a sync daemon was not started, and the remedy."""
    reasons = {
        errno.EEXIST: ("one runs already", "Stop it first."),
        errno.ENODEV: ("its card does not exist", "Choose a card that this unit has."),
        errno.EINVAL: (
            "it cannot tell of services and servers of two IP versions",
            "Give the addresses of each tunnelled service one version.",
        ),
    }
    return _of_everything(refusal) or reasons.get(refusal.number, (refusal.words, LOOK))
