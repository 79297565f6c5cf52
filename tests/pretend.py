# SPDX-License-Identifier: Apache-2.0
"""A system made of values: what following a plan would lead to, without doing anything.

Planners are proved against it: following `plan(wanted, seen)` must lead to a system whose
plan is empty. It knows only what a change says, never how the planner thinks.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

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
from services.plan.ipvs import Entry, IpvsSeen
from services.plan.ipvs_changes import (
    DropDest,
    DropService,
    IpvsChange,
    PutDest,
    PutService,
    SetTimeouts,
)
from services.plan.state import ChecksSeen, ChecksWanted, HaproxySeen, LinksSeen, Seen, Wanted


def settled(wanted: Wanted) -> Seen:
    """The system as it is when `wanted` has been reached and nothing drifted."""
    haproxy = wanted.haproxy
    return Seen(
        haproxy=HaproxySeen(
            config=haproxy.config.data,
            running=haproxy.running,
            fingerprint=haproxy.fingerprint if haproxy.running else "",
            servers=dict(haproxy.servers) if haproxy.running else {},
            masters=1 if haproxy.running else 0,
        ),
        links=LinksSeen(ours=dict(wanted.links.addresses), gateways=dict(wanted.links.gateways)),
        files={file.path: file.data for file in wanted.files},
        hostname=wanted.hostname,
        sysctls=dict(wanted.sysctls),
        ipvs=IpvsSeen(table=dict(wanted.ipvs.table)),
        rules=wanted.rules,
        checks=_looked_after(wanted.checks),
    )


def _looked_after(wanted: ChecksWanted) -> ChecksSeen:
    if not wanted.running:
        return ChecksSeen()
    return ChecksSeen(wanted.config.data, running=True, fingerprint=wanted.fingerprint)


def after(seen: Seen, changes: Iterable[Change], wanted: Wanted) -> Seen:
    """`seen` once `changes` were followed; a worker that starts loads the file as written."""
    for change in changes:
        if isinstance(change, IpvsChange):
            seen = replace(seen, ipvs=_layer4(seen.ipvs or IpvsSeen(), change))
        else:
            checks = _checks(seen.checks, change, wanted.checks)
            seen = _one(replace(seen, checks=checks), change, wanted)
    return seen


def _checks(seen: ChecksSeen, change: Change, wanted: ChecksWanted) -> ChecksSeen:
    match change:
        case WriteFile(file=file) if file.path == wanted.config.path:
            return replace(seen, config=file.data)
        case StartChecks() if seen.config == wanted.config.data:
            return _looked_after(wanted)
        case StopChecks():
            return ChecksSeen()
    return seen


def _one(seen: Seen, change: Change, wanted: Wanted) -> Seen:
    links, haproxy = seen.links, seen.haproxy
    match change:
        case AddAddress(key=key, floating=floating):
            links = replace(links, ours={**links.ours, key: floating})
        case DropAddress(key=key):
            links = replace(links, ours={k: v for k, v in links.ours.items() if k != key})
        case SetGateway(version=version, address=address):
            links = replace(links, gateways={**links.gateways, version: address})
        case DropGateway(version=version):
            gateways = {k: v for k, v in links.gateways.items() if k != version}
            links = replace(links, gateways=gateways)
        case SetMtu(device=name, mtu=mtu):
            device = replace(links.devices[name], mtu=mtu)
            links = replace(links, devices={**links.devices, name: device})
        case SetSysctls(values=values):
            return replace(seen, sysctls={**seen.sysctls, **dict(values)})
        case SetHostname(hostname=hostname):
            return replace(seen, hostname=hostname)
        case WriteFile(file=file) if file.path == wanted.haproxy.config.path:
            haproxy = replace(haproxy, config=file.data)
        case WriteFile(file=file):
            return replace(seen, files={**seen.files, file.path: file.data})
        case SetServer(key=server, knobs=knobs):
            haproxy = replace(haproxy, servers={**haproxy.servers, server: knobs})
        case StartHaproxy() | ReloadHaproxy():
            loaded = haproxy.config == wanted.haproxy.config.data
            haproxy = replace(
                haproxy,
                running=True,
                fingerprint=wanted.haproxy.fingerprint if loaded else "another",
                servers=wanted.haproxy.servers if loaded else haproxy.servers,
                masters=1,
            )
        case StopHaproxy():
            haproxy = replace(haproxy, running=False, fingerprint="", servers={}, masters=0)
        case EndStrays():
            haproxy = replace(haproxy, masters=1)
        case SetRules(rules=rules):
            return replace(seen, rules=rules)
    return replace(seen, links=links, haproxy=haproxy)


def _layer4(seen: IpvsSeen, change: IpvsChange) -> IpvsSeen:
    table = dict(seen.table)
    match change:
        case PutService(key=key, service=service):
            table[key] = Entry(service, table[key].dests if key in table else {})
        case DropService(key=key):
            del table[key]
        case PutDest(service=of, key=dest_key, dest=dest):
            table[of] = Entry(table[of].service, {**table[of].dests, dest_key: dest})
        case DropDest(service=of, key=dest_key):
            left = {key: dest for key, dest in table[of].dests.items() if key != dest_key}
            table[of] = Entry(table[of].service, left)
        case SetTimeouts(timeouts=timeouts):
            return replace(seen, timeouts=timeouts)
    return replace(seen, table=table)
