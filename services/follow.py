# SPDX-License-Identifier: Apache-2.0
"""Doing what was planned: each step through its driver, neighbours of one kind in one batch."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from itertools import groupby

from services.drivers.checks import Checks
from services.drivers.files import Files
from services.drivers.haproxy import Haproxy
from services.drivers.host import Host
from services.drivers.ipvs import Ipvs
from services.drivers.links import Links
from services.drivers.nft import Nft
from services.drivers.sysctl import Sysctls
from services.errors import ApplianceError, Unable
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
from services.plan.ipvs import Protocol, ServiceKey
from services.plan.ipvs_changes import DropDest, DropService, IpvsChange, PutService, service_of
from services.plan.state import AddressKey


class Incomplete(Unable):
    """Not all of the changes could be made; those in `done` were."""

    def __init__(self, what: str, *, do: str, done: Sequence[Change]) -> None:
        super().__init__(what, do=do)
        self.done = tuple(done)


@dataclass(frozen=True)
class Drivers:
    """Every door to the outside that an apply goes through."""

    files: Files
    links: Links
    haproxy: Haproxy
    host: Host
    sysctls: Sysctls
    ipvs: Ipvs
    nft: Nft
    checks: Checks


async def follow(drivers: Drivers, changes: Sequence[Change], *, whole: bool = False) -> None:
    """Do the changes in their order; neighbours of one kind go to the driver in one batch.

    The kernel may refuse one service of layer 4 for as long as it runs, for want of a module, say.
    So what it refuses holds up only what must not be done without it (`_waits`), unless the changes
    are to be done as a `whole` or not at all. What another driver refuses ends the pass: it brings
    the addresses or the HAProxy that all after it stand on. Raises `Incomplete`.
    """
    done: list[Change] = []
    errors: list[ApplianceError] = []
    refused: set[ServiceKey] = set()
    for kind, neighbours in groupby(changes, _kind):
        batch = [step for step in neighbours if not _waits(step, refused)]
        try:
            await _do(drivers, batch)
            done += batch
        except ApplianceError as error:
            errors.append(error)
            made = frozenset(error.done if isinstance(error, Incomplete) else ())
            done += [step for step in batch if step in made]
            if whole or kind not in _LAYER4:
                break
            left = (step for step in batch if isinstance(step, IpvsChange) and step not in made)
            refused.update(key for step in left if (key := service_of(step)) is not None)
    if errors:
        what = " ".join(dict.fromkeys(error.what for error in errors))
        raise Incomplete(what, do=errors[0].do, done=done) from errors[0]


_COME, _GO = _LAYER4 = (PutService, DropService)


def _kind(change: Change) -> type[Change]:
    """What makes neighbours one batch. The kernel keeps the order of a batch, but goes on where
    it refuses something: so what goes from its table is not in one with what comes.
    """
    if isinstance(change, DropDest | DropService):
        return _GO
    return _COME if isinstance(change, IpvsChange) else type(change)


def _waits(step: Change, refused: Collection[ServiceKey]) -> bool:
    """Whether a step must not be done while the kernel refuses changes of these services.

    Only what takes something away waits: a destination for all that its service was to get, for
    else it could be the last; a service, an address and a route for every service, for the refused
    one may be there in its stead. The packet rules are replaced as a whole: those that are there
    may lead to a service that runs, the new ones to a mark that is refused. So they wait for that;
    where there are none yet, as at a start, they do not.
    """
    if not refused:
        return False
    match step:
        case DropDest():
            return step.service in refused
        case DropService() | DropAddress() | DropGateway():
            return True
        case SetRules():
            return step.replaces and any(key.protocol is Protocol.MARK for key in refused)
    return False


async def _do(drivers: Drivers, batch: Sequence[Change]) -> None:
    """Do steps of one kind."""
    links = drivers.links
    match batch:
        case []:
            return
        case [AddAddress(), *_]:
            await _add(links, [step for step in batch if isinstance(step, AddAddress)])
        case [DropAddress(), *_]:
            await links.drop_addresses(
                [step.key for step in batch if isinstance(step, DropAddress)]
            )
        case [SetServer(), *_]:
            await drivers.haproxy.set_servers(
                {step.key: step.knobs for step in batch if isinstance(step, SetServer)}
            )
        case [first, *_] if isinstance(first, IpvsChange):
            await write_layer4(drivers, [step for step in batch if isinstance(step, IpvsChange)])
        case _:
            for step in batch:
                await _single(drivers, step)


async def write_layer4(drivers: Drivers, steps: Sequence[IpvsChange]) -> None:
    """Change the kernel's table; raises `Incomplete` with what it refuses, the rest is done."""
    if refused := await drivers.ipvs.write(steps):
        first, *more = refused
        also = f" {len(more)} further changes failed, too." if more else ""
        left = frozenset(each.change for each in refused)
        done = [step for step in steps if step not in left]
        raise Incomplete(f"{first.what}{also}", do=first.do, done=done)


async def _add(links: Links, steps: list[AddAddress]) -> None:
    wanted: dict[AddressKey, bool] = {step.key: step.floating for step in steps}
    await links.add_addresses(wanted)
    if floating := [key for key, floats in wanted.items() if floats]:
        await links.announce(floating)


async def _single(drivers: Drivers, step: Change) -> None:
    match step:
        case WriteFile():
            await drivers.files.write(step.file)
        case ReloadHaproxy():
            await drivers.haproxy.reload()
        case StartHaproxy():
            await drivers.haproxy.start()
        case StopHaproxy():
            await drivers.haproxy.stop()
        case EndStrays():
            await drivers.haproxy.end_strays()
        case StartChecks():
            await drivers.checks.start()
        case StopChecks():
            await drivers.checks.stop()
        case SetGateway():
            await drivers.links.set_gateway(step.version, step.address)
        case DropGateway():
            await drivers.links.drop_gateway(step.version)
        case SetMtu():
            await drivers.links.set_mtu(step.device, step.mtu)
        case SetRules():
            await drivers.nft.replace(step.rules)
        case SetSysctls():
            await drivers.sysctls.change(dict(step.values))
        case SetHostname():
            await drivers.host.set_hostname(step.hostname)
        case _:
            raise TypeError(f"nobody follows {type(step).__name__}")
