# SPDX-License-Identifier: Apache-2.0
"""The fewest changes from seen to wanted, make before break.

The kernel's settings come first, for a card must not come up with others. Addresses come up
before the file that binds them, and go only after the worker that used them has been replaced;
HAProxy has the fallback page before layer 4 sends anybody there; knobs move before a reload, so
that a halted server is cut at once and not when the old worker ends. Sorted, so that equal input
gives an equal plan.
"""

from __future__ import annotations

from collections.abc import Iterator

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
from services.plan.ipvs_planner import ipvs_down, ipvs_up
from services.plan.state import (
    AddressKey,
    ChecksSeen,
    ChecksWanted,
    HaproxySeen,
    HaproxyWanted,
    LinksSeen,
    LinksWanted,
    Seen,
    Wanted,
)


def plan(wanted: Wanted, seen: Seen) -> tuple[Change, ...]:
    """Ordered changes; `plan(wanted, what following it leads to)` is empty."""
    return (
        *_sysctls(wanted, seen),
        *_links_up(wanted.links, seen.links),
        *_host(wanted, seen),
        *_haproxy(wanted.haproxy, seen.haproxy),
        *_layer4(wanted, seen),
        *_checks(wanted.checks, seen.checks),
        *_links_down(wanted, seen),
    )


def _sysctls(wanted: Wanted, seen: Seen) -> Iterator[Change]:
    values = tuple(
        (name, value)
        for name, value in sorted(wanted.sysctls.items())
        if seen.sysctls.get(name) not in {None, value}
    )
    if values:
        yield SetSysctls(values=values)


def _links_up(wanted: LinksWanted, seen: LinksSeen) -> Iterator[Change]:
    for device, mtu in sorted(wanted.mtu.items()):
        if device in seen.devices and seen.devices[device].mtu != mtu:
            yield SetMtu(device=device, mtu=mtu)
    # an interface's own address first: a floating one may need its network
    for key, floating in sorted(wanted.addresses.items(), key=lambda item: (item[1], item[0])):
        if seen.ours.get(key) is not floating:
            yield AddAddress(key=key, floating=floating)
    for version, address in sorted(wanted.gateways.items()):
        if seen.gateways.get(version) != address:
            yield SetGateway(version=version, address=address)


def _links_down(wanted: Wanted, seen: Seen) -> Iterator[Change]:
    for version, address in sorted(seen.links.gateways.items()):
        if version not in wanted.links.gateways:
            yield DropGateway(version=version, address=address)
    for key, floating in sorted(seen.links.ours.items()):
        if key not in wanted.links.addresses:
            # a stopped HAProxy has cut them already
            cut = _clients(key, seen) if wanted.haproxy.running else 0
            serves = wanted.haproxy.running and bool(seen.clients.get(key))
            serves = serves or key in seen.outside
            yield DropAddress(key=key, floating=floating, drops=cut, serves=serves)


def _host(wanted: Wanted, seen: Seen) -> Iterator[Change]:
    if wanted.hostname and wanted.hostname != seen.hostname:
        yield SetHostname(hostname=wanted.hostname)
    for file in wanted.files:
        if seen.files.get(file.path) != file.data:
            yield WriteFile(file=file)


def _haproxy(wanted: HaproxyWanted, seen: HaproxySeen) -> Iterator[Change]:
    if seen.masters > 1:
        yield EndStrays(drops=sum(seen.clients.values()))
    if wanted.running and seen.running:
        for key, knobs in sorted(wanted.servers.items()):
            known = seen.servers.get(key)
            if known is not None and known != knobs:
                cut = seen.connections.get(key, 0) if knobs.halted else 0
                yield SetServer(key=key, knobs=knobs, drops=cut)
    if seen.config != wanted.config.data:
        yield WriteFile(file=wanted.config)
    if wanted.running and not seen.running:
        yield StartHaproxy()
    elif wanted.running and seen.fingerprint != wanted.fingerprint:
        yield ReloadHaproxy()
    elif seen.running and not wanted.running:
        yield StopHaproxy(drops=sum(seen.clients.values()))


def _checks(wanted: ChecksWanted, seen: ChecksSeen) -> Iterator[Change]:
    """After the kernel's table: a check that fails meanwhile finds its server there."""
    if not wanted.running:
        if seen.config is not None:
            yield StopChecks()
        return
    if seen.config != wanted.config.data:
        yield WriteFile(file=wanted.config)
    if not seen.running or seen.fingerprint != wanted.fingerprint:
        yield StartChecks()


def _layer4(wanted: Wanted, seen: Seen) -> Iterator[Change]:
    """Services before the rules that mark packets for them, and the other way round at the end."""
    if seen.ipvs is not None:
        yield from ipvs_up(wanted.ipvs, seen.ipvs)
    if seen.rules is not None and seen.rules != wanted.rules:
        yield SetRules(rules=wanted.rules, replaces=bool(seen.rules))
    if seen.ipvs is not None:
        yield from ipvs_down(wanted.ipvs, seen.ipvs)


def _clients(key: AddressKey, seen: Seen) -> int:
    """Connections that end with an address: all of the services that clients reach by it.

    HAProxy counts by server and not by address, so of a service with two VIPs this is the
    most it can be.
    """
    services = seen.clients.get(key, frozenset())
    return sum(seen.haproxy.clients.get(service, 0) for service in services)
