# SPDX-License-Identifier: Apache-2.0
"""The transaction: judge, plan, act, verify, commit; or bring the old state back.

The way back is the pipeline itself, run towards the old wanted state. Each step could have
registered its own inverse instead, but an inverse returns to what was seen, drift and all,
and is code that only runs on the worst day; converging on the old document is the code
that runs every two seconds. A process killed in the middle needs no log either: whoever
starts next converges on the revision that was committed, old or new, never a mix.

A person's change is made as a whole or not at all. Whoever keeps what runs, or goes back to it,
does as much of it as can be done.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass, replace
from itertools import groupby

from services import able
from services.drivers.checks import Checks
from services.drivers.files import Files
from services.drivers.haproxy import Haproxy
from services.drivers.host import Host
from services.drivers.ipvs import Ipvs
from services.drivers.links import Links
from services.drivers.nft import Nft
from services.drivers.sysctl import Sysctls
from services.errors import ApplianceError, ApplyFailed, Unable
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
from services.plan.ipvs import IpvsSeen, IpvsWanted, Protocol, ServiceKey
from services.plan.ipvs_changes import DropDest, DropService, IpvsChange, PutService, service_of
from services.plan.planner import plan
from services.plan.state import AddressKey, Seen, Wanted

log = logging.getLogger(__name__)

FRESH_S = 5.0
"""A look is trusted for so long by a change that needs little of it; the loop looks every 2 s."""

ROUNDS = 3
"""How often a state that has not settled is planned again: a reload may bring back a knob
which the second round sets; what needs a fourth is broken."""


class Incomplete(Unable):
    """Not all of the changes could be made; those in `done` were."""

    def __init__(self, what: str, *, do: str, done: Sequence[Change]) -> None:
        super().__init__(what, do=do)
        self.done = tuple(done)


@dataclass(frozen=True)
class Found:
    """A system that a look found as it was wanted."""

    wanted: Wanted
    seen: Seen
    at: float
    """When, by the monotonic clock."""


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


async def look(
    drivers: Drivers,
    wanted: Wanted,
    *,
    running: Wanted | None = None,
    layer4: Callable[[IpvsWanted], Awaitable[IpvsSeen | None]] | None = None,
) -> Seen:
    """The system as it is, as far as `wanted` speaks about it.

    `running` is what the system was brought to before: it knows whose clients use which
    address, so that the plan can count whom it cuts. `layer4` looks at the kernel's table; the
    driver's whole look unless given.
    """
    table = layer4(wanted.ipvs) if layer4 is not None else drivers.ipvs.seen()
    paths = [file.path for file in wanted.files]
    haproxy, links, (ipvs, rules, checks), hostname, sysctls, files = await asyncio.gather(
        drivers.haproxy.seen(),
        drivers.links.seen(),
        asyncio.gather(table, drivers.nft.seen(), drivers.checks.seen()),
        drivers.host.hostname(),
        drivers.sysctls.seen(wanted.sysctls),
        asyncio.gather(*map(drivers.files.read, paths)),
    )
    return Seen(
        haproxy=haproxy,
        links=links,
        hostname=hostname,
        sysctls=sysctls,
        ipvs=ipvs,
        rules=rules,
        checks=checks,
        clients=(running or wanted).links.clients,
        outside=(running or wanted).links.outside,
        files=dict(zip(paths, files, strict=True)),
    )


async def converge(drivers: Drivers, wanted: Wanted) -> tuple[Change, ...]:
    """Bring the system to `wanted` and prove it by reading back; returns what was done.

    What this machine lacks and what layer 4 refuses does not keep the rest from being done. Raises
    `Incomplete` then, and `Unable` when it has not settled after `ROUNDS`.
    """
    done, _ = await _brought(drivers, wanted, await look(drivers, wanted))
    return done


async def _brought(
    drivers: Drivers, wanted: Wanted, seen: Seen, *, whole: bool = False
) -> tuple[tuple[Change, ...], Seen]:
    """What was done from what was `seen`, and what was seen at last.

    As a `whole` it is all done or none of it: then it also raises `Refused` for what this machine
    lacks.
    """
    done: list[Change] = []
    lacking = able.lacks(wanted, seen)
    if whole:
        able.require(lacking)
    changes = plan(wanted, seen)
    for _ in range(ROUNDS):
        if not changes:
            break
        try:
            await follow(drivers, changes, whole=whole)
        except Incomplete as error:
            raise Incomplete(error.what, do=error.do, done=(*done, *error.done)) from error
        done += changes
        seen = await look(drivers, wanted)
        changes = plan(wanted, seen)
    if changes:
        left = ", ".join(sorted({type(change).__name__ for change in changes}))
        raise Unable(
            f"The appliance does not take the configuration on: {left} is still due.",
            do="Something else changes it at the same time; see the journal.",
        )
    for problem in lacking:
        raise Incomplete(problem.what, do=problem.do, done=done)
    return tuple(done), seen


async def transact(
    drivers: Drivers,
    *,
    old: Wanted,
    new: Wanted,
    ready: Callable[[], Awaitable[None]],
    commit: Callable[[], Awaitable[None]],
    found: Found | None = None,
) -> tuple[tuple[Change, ...], Found]:
    """Bring the system from `old` to `new` and `commit`, or back to `old`.

    Returns what was done, and as what the system was found then: for the next change, which need
    not look first if it is soon enough and small enough (`_known`): beside HAProxy, which judges
    meanwhile, a look takes part of a small machine from it. Whether it came out as asked is always
    proved by a look.

    `ready` does whatever else may refuse, and what `commit` needs; HAProxy judges meanwhile, in
    a process of its own. Raises what they say, with nothing touched; after the first step every
    failure is `ApplyFailed`, with the old state back (or the sentence that it is not).
    """
    known = _known(found, old, new)
    seen = await _prepared(drivers, old, new, ready, known)
    try:
        seen = seen or await look(drivers, new, running=old)
        try:
            done, last = await _brought(drivers, new, seen, whole=True)
        except ApplianceError:
            if known is None:
                raise
            fresh = await look(drivers, new, running=old)
            if set(plan(new, fresh)) <= set(plan(new, known)):
                raise
            # somebody had changed something behind our back
            done, last = await _brought(drivers, new, fresh, whole=True)
        now = time.monotonic()
        await commit()
    except (ApplianceError, OSError) as error:
        raise await _undone(drivers, old, error) from error
    return done, Found(new, last, now)


def _known(found: Found | None, old: Wanted, new: Wanted) -> Seen | None:
    """The system without looking, if it was found as wanted a moment ago and only HAProxy changes.

    Then the steps are a file, a reload and knobs, none of which takes anything away that a look
    would have counted anew. What somebody changed since is met by the proof, or makes a step fail.
    """
    if found is None or found.wanted is not old or time.monotonic() - found.at > FRESH_S:
        return None
    only_haproxy = new != old == replace(new, haproxy=old.haproxy)
    return found.seen if only_haproxy else None


async def _prepared(
    drivers: Drivers,
    old: Wanted,
    new: Wanted,
    ready: Callable[[], Awaitable[None]],
    known: Seen | None,
) -> Seen | None:
    """What is seen, or `known`, once nobody refuses; None if nothing could be seen.

    Raises what `ready` says, before what the judge says: ours is in the administrator's words.
    """

    async def judged() -> None:
        if new.haproxy.fingerprint != old.haproxy.fingerprint:
            await drivers.haproxy.judge(new.haproxy.config.data)
        if new.checks.running and new.checks.fingerprint != old.checks.fingerprint:
            await drivers.checks.judge(new.checks.config.data)

    async def looked() -> Seen:
        return known or await look(drivers, new, running=old)

    # gathered like this, because a look cut off in the middle leaves answers that nobody reads
    refusal, obstacle, seen = await asyncio.gather(
        judged(), ready(), looked(), return_exceptions=True
    )
    for error in (obstacle, refusal):
        if error is not None:
            raise error
    if not isinstance(seen, Seen):
        return None
    able.require(able.lacks(new, seen))
    able.require(await able.schedulers(drivers.ipvs, new, seen))
    return seen


async def _undone(drivers: Drivers, old: Wanted, error: Exception) -> ApplyFailed:
    log.warning("apply failed, going back: %s", error)
    what = error.what if isinstance(error, ApplianceError) else f"{error}."
    do = error.do if isinstance(error, ApplianceError) else "Mend the cause and apply again."
    try:
        await converge(drivers, old)
    except (ApplianceError, OSError) as second:
        log.error("the way back failed: %s", second)
        return ApplyFailed(
            f"The change could not be applied: {what} The way back is not complete: {second}",
            do="The appliance goes on trying to restore the last revision; see the journal.",
        )
    return ApplyFailed(f"The change could not be applied and was undone: {what}", do=do)


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
