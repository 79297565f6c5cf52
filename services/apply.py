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
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace

from services import able
from services.errors import ApplianceError, ApplyFailed, Unable
from services.follow import Drivers, Incomplete, follow
from services.plan.changes import Change
from services.plan.ipvs import IpvsSeen, IpvsWanted
from services.plan.planner import plan
from services.plan.state import Seen, Wanted

log = logging.getLogger(__name__)

FRESH_S = 5.0
"""A look is trusted for so long by a change that needs little of it; the loop looks every 2 s."""

ROUNDS = 3
"""How often a state that has not settled is planned again: a reload may bring back a knob
which the second round sets; what needs a fourth is broken."""


@dataclass(frozen=True)
class Found:
    """A system that a look found as it was wanted."""

    wanted: Wanted
    seen: Seen
    at: float
    """When, by the monotonic clock."""


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
