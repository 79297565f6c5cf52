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
    SetRules,
    SetServer,
    SetSysctls,
    StartChecks,
    StartHaproxy,
    StopChecks,
    StopHaproxy,
    WriteFile,
)
from services.plan.ipvs_changes import IpvsChange
from services.plan.ipvs_changes import sentence as ipvs_sentence
from services.plan.state import ServerKey

SPELT_OUT = 3
"""More settings of the kernel than these are only counted."""

Naming = Callable[[ServerKey], str]
"""From a server's ids to what people call it: `web/web1`."""


def sentence(change: Change, name: Naming) -> str:
    """One line, imperative, naming the object."""
    if isinstance(change, IpvsChange):
        return ipvs_sentence(change)
    if isinstance(change, AddAddress | DropAddress | SetGateway | DropGateway | SetMtu):
        return _network(change)
    match change:
        case SetHostname():
            return f"set the hostname to {change.hostname}"
        case SetSysctls():
            return _settings(change)
        case SetRules():
            return _rules(change)
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
        case StartChecks():
            return "check layer 4 servers anew, from what is known of them"
        case StopChecks():
            return "stop checking layer 4 servers: none is left"
        case SetServer():
            return _server(change, name)
    raise TypeError(f"no words for {type(change).__name__}")


def _network(change: AddAddress | DropAddress | SetGateway | DropGateway | SetMtu) -> str:
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


def _settings(change: SetSysctls) -> str:
    if len(change.values) > SPELT_OUT:
        return f"set {len(change.values)} network settings of the kernel"
    told = (f"{name.replace('/', '.')} to {value}" for name, value in change.values)
    return f"set {', '.join(told)}"


def _rules(change: SetRules) -> str:
    if not change.rules:
        return "remove the packet rules of layer 4"
    return "set the packet rules of layer 4: marks, NAT"


def _server(change: SetServer, name: Naming) -> str:
    if change.knobs.halted:
        return f"halt {name(change.key)}"
    if change.knobs.weight == 0:
        return f"drain {name(change.key)} (weight 0)"
    return f"set {name(change.key)} to weight {change.knobs.weight}"
