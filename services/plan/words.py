# SPDX-License-Identifier: Apache-2.0
"""Changes in words: what the review screen, the journal and the command line say."""

from __future__ import annotations

from collections.abc import Callable

from services.plan.changes import (
    AddAddress,
    Change,
    DropAddress,
    DropGateway,
    EndStrays,
    ReloadHaproxy,
    SetGateway,
    SetHostname,
    SetMtu,
    SetServer,
    StartHaproxy,
    StopHaproxy,
    WriteFile,
)
from services.plan.state import ServerKey

Naming = Callable[[ServerKey], str]
"""From a server's ids to what people call it: `web/web1`."""


def sentence(change: Change, name: Naming) -> str:
    """One line, imperative, naming the object."""
    match change:
        case SetMtu():
            return f"set the MTU of {change.device} to {change.mtu}"
        case AddAddress():
            kind = "floating IP" if change.floating else "address"
            return f"bring {kind} {change.key.address} up on {change.key.device}"
        case DropAddress():
            kind = "floating IP" if change.floating else "address"
            return f"take {kind} {change.key.address} down on {change.key.device}"
        case SetGateway():
            return f"set the IPv{change.version} default gateway to {change.address}"
        case DropGateway():
            return f"remove the IPv{change.version} default gateway {change.address}"
        case SetHostname():
            return f"set the hostname to {change.hostname}"
        case WriteFile():
            return f"write {change.file.path}"
        case StartHaproxy():
            return "start HAProxy"
        case EndStrays():
            return "end a second HAProxy that shares the same addresses"
        case ReloadHaproxy():
            return "reload HAProxy"
        case StopHaproxy():
            return "stop HAProxy: no layer 7 service is left"
        case SetServer(key=key, knobs=knobs):
            if knobs.halted:
                return f"halt {name(key)}"
            if knobs.weight == 0:
                return f"drain {name(key)} (weight 0)"
            return f"set {name(key)} to weight {knobs.weight}"
    raise TypeError(f"no words for {type(change).__name__}")
