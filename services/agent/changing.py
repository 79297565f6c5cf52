# SPDX-License-Identifier: Apache-2.0
"""The only way in which what runs is changed: as a person asks, or back when nobody confirms it.

Deciding is left to pure modules, doing to the drivers: what is here is the order of things.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from dataclasses import replace

from services import draft as drafting
from services.agent.appliance import Appliance
from services.agent.drafts import Draft, Drafts
from services.agent.journal import AGENT, Journal
from services.agent.review import Running, planned, told
from services.agent.stored import Stored
from services.agent.window import Window
from services.api import Applied, PlanView, StoredKind
from services.apply import converge, transact
from services.check import check
from services.errors import (
    ApplianceError,
    Clash,
    ConfigInvalid,
    EditConflict,
    NotFound,
    Problem,
    Refused,
)
from services.follow import Drivers
from services.identity import with_ids
from services.model import Document, RealServer, ServerState, real_servers
from services.plan.state import ServerKey, ServerKnobs
from services.render.haproxy import knobs_of
from services.store import RevisionRecord, Staged, Store
from services.switch import reason, switched


def pick_id() -> int:
    """A permanent id; random, so that the id of a deleted object is not given again."""
    return secrets.randbelow(2**31 - 1) + 1


class Changing:
    """Applies, confirms and takes back; refuses what must not be, before anything is touched."""

    def __init__(
        self,
        appliance: Appliance,
        drivers: Drivers,
        journal: Journal,
        *,
        store: Store,
        drafts: Drafts,
        stored: Stored,
        pick: Callable[[], int] = pick_id,
    ) -> None:
        self._appliance = appliance
        self._drivers = drivers
        self._journal = journal
        self._store = store
        self._drafts = drafts
        self._stored = stored
        self._pick = pick

    async def planned(self, document: Document) -> PlanView:
        """What applying `document` would do; nothing is touched, not even the lock."""
        running = self._appliance.running
        document = with_ids(document, running.document, self._pick)
        self._require(document)
        new = self._appliance.made(document, running.revision)
        return await planned(self._drivers, running, new)

    async def apply(
        self,
        document: Document,
        *,
        who: str,
        why: str,
        base: int | None = None,
        confirm_s: int | None = None,
        local_only: bool = False,
    ) -> Applied:
        """Make `document` the running one, or change nothing.

        `base` is the revision it was made from: refused with `EditConflict` if another runs.
        `local_only` refuses a change of the cluster half (the network wizard's account).
        """
        async with self._appliance.lock:
            now = self._appliance.running.revision
            if base is not None and base != now:
                what = f"Revision {now} runs, this was made from {base}."
                raise EditConflict([Clash("document", what)])
            return await self._change(
                document, who=who, why=why, confirm_s=confirm_s, local_only=local_only
            )

    async def apply_draft(
        self, draft: Draft, *, who: str, why: str, confirm_s: int | None, local_only: bool = False
    ) -> Applied:
        """Merge the draft into what runs now and apply it; then it is empty.

        One that nobody confirms is pending again when the settings before come back.
        """
        async with self._appliance.lock:
            document = self.merged(draft).document
            if document is None:
                raise Refused("There is nothing to apply.", do="Change something first.")
            applied = await self._change(
                document, who=who, why=why, confirm_s=confirm_s, local_only=local_only, draft=draft
            )
            self._drafts.discard(draft.key)
            return applied

    def merged(self, draft: Draft) -> drafting.Merged:
        """The draft in what runs now; raises `EditConflict` or `ConfigInvalid` with all."""
        merged = self.try_merge(draft)
        if merged.clashes:
            raise EditConflict(merged.clashes)
        if merged.problems:
            raise ConfigInvalid(merged.problems)
        return merged

    def try_merge(self, draft: Draft) -> drafting.Merged:
        """The draft in what runs now, with problems and clashes listed instead of raised."""
        merged = drafting.merge(self._appliance.running.document, draft.edits.values())
        problems = self._problems(merged.document) if merged.document else ()
        return drafting.Merged(merged.document, (*merged.problems, *problems), merged.clashes)

    def _problems(self, document: Document) -> Sequence[Problem]:
        """What is wrong with a document, here: it may name files that others have stored."""
        return [*check(document), *self._stored.missing(document)]

    def _require(self, document: Document) -> None:
        if problems := self._problems(document):
            raise ConfigInvalid(problems)

    async def set_servers(
        self,
        keys: Collection[ServerKey],
        *,
        state: ServerState | None,
        weight: int | None,
        who: str,
        why: str,
    ) -> Applied:
        """Drain, halt, bring online or weigh servers: at run time at once, then for good.

        They are one revision; one that would change nothing is not made.
        """
        async with self._appliance.lock:
            self._require_no_window()
            running, staged = self._appliance.running, None
            document = switched(running.document, keys, state=state, weight=weight)
            why = why or reason(document, keys, state=state, weight=weight)
            if document != running.document:
                # first of all, for what cannot be kept must not be carried out either
                staged = await self._stage(document, who=who, why=why)
            self._appliance.about_to_act()
            # the person waits for these; whether it took is judged by the verification below
            with suppress(ApplianceError):
                if knobs := _layer7_knobs(document, keys):
                    await self._drivers.haproxy.set_servers(knobs)
            if staged is None:
                return Applied(revision=running.revision, changes=())
            return await self._change(document, who=who, why=why, staged=staged)

    async def rollback(self, number: int | None, *, who: str, why: str) -> Applied:
        """Apply an earlier revision again; inside a window, end it and go back."""
        async with self._appliance.lock:
            window = self._appliance.window
            if window is not None and number is None:
                return await self._expire(window, f"{who} rolled back")
            if number is None:
                earlier = [
                    record.number
                    for record in self._store.records()
                    if record.number < self._appliance.running.revision
                ]
                if not earlier:
                    raise NotFound("There is no earlier revision.", do="See `ballast revisions`.")
                number = max(earlier)
            document = self._store.read(number).document
            return await self._change(document, who=who, why=why or f"back to revision {number}")

    async def confirm(self, *, who: str) -> Applied:
        """Keep the change that is waiting."""
        async with self._appliance.lock:
            window = self._appliance.window
            if window is None:
                raise Refused("Nothing waits for a confirmation.", do="Nothing needs to be done.")
            if self._appliance.window_over:
                await self._expire(window, "the time to confirm it ran out")
                raise Refused("The change was rolled back already.", do="Apply it again.")
            record = await asyncio.to_thread(
                self._store.commit,
                window.document,
                who=window.who,
                why=window.why,
                at=time.time(),
            )
            self._is_kept(self._appliance.running, record)
            self._journal.note(who, f"confirmed revision {record.number}")
            return Applied(revision=record.number, changes=())

    async def expire_overdue(self) -> None:
        """Take a change back that nobody has confirmed in time, if there is one."""
        async with self._appliance.lock:
            window = self._appliance.window
            if window is not None and self._appliance.window_over:
                await self._expire(window, "nobody confirmed it in time")

    async def forget(self, kind: StoredKind, name: str, *, who: str) -> None:
        """Throw a stored secret or script away that nobody needs."""
        async with self._appliance.lock:
            self._require_no_window()
            self._stored.require_unused(self._appliance.running.document, kind, name)
            await asyncio.to_thread(self._stored.remove, kind, name)
            self._journal.note(who, f"deleted the {kind.value} {name}")

    async def _stage(self, document: Document, *, who: str, why: str) -> Staged:
        return await asyncio.to_thread(
            self._store.stage, document, who=who, why=why, at=time.time()
        )

    async def _as_it_runs(self) -> Applied:
        """What runs is wanted again: no revision is made, so that one step back stays one."""
        self._appliance.about_to_act()
        running = self._appliance.running
        changes = await converge(self._drivers, running.wanted)
        return Applied(revision=running.revision, changes=told(changes, running.document))

    async def _expire(self, window: Window, reason: str) -> Applied:
        if window.draft is not None:
            self._drafts.restore(window.draft)
        newest = self._store.newest()
        self._appliance.run_for_good(self._appliance.made(newest.document, newest.record.number))
        self._journal.note(AGENT, f"rolled back the change of {window.who}: {reason}")
        return await self._as_it_runs()

    async def _change(
        self,
        document: Document,
        *,
        who: str,
        why: str,
        confirm_s: int | None = None,
        local_only: bool = False,
        draft: Draft | None = None,
        staged: Staged | None = None,
    ) -> Applied:
        """Apply and commit, or open a window; `staged` is the revision if it lies ready already."""
        self._require_no_window()
        running = self._appliance.running
        document = with_ids(document, running.document, self._pick)
        if local_only and document.cluster != running.document.cluster:
            raise Refused(
                "This account may change this unit's network settings only.",
                do="Leave the services as they are.",
            )
        new = self._appliance.made(document, running.revision)
        same = new.wanted == running.wanted and document == running.document
        if same and confirm_s is None:
            return await self._as_it_runs()

        async def ready() -> None:
            nonlocal staged
            self._require(document)
            if confirm_s is None and staged is None:
                staged = await self._stage(document, who=who, why=why)

        async def commit() -> None:
            if confirm_s is not None:
                self._appliance.run_for_a_while(
                    new, who=who, why=why, confirm_s=confirm_s, draft=draft
                )
            elif staged is not None:
                self._is_kept(new, await asyncio.to_thread(staged.keep))

        found = self._appliance.about_to_act()
        try:
            changes, last = await transact(
                self._drivers,
                old=running.wanted,
                new=new.wanted,
                ready=ready,
                commit=commit,
                found=found,
            )
        except BaseException:
            if staged is not None:
                staged.drop()
            raise
        self._appliance.remember(last)
        revision = self._appliance.running.revision
        done = (
            f"applied revision {revision}"
            if confirm_s is None
            else f"applied a change to be confirmed within {confirm_s} s"
        )
        self._journal.note(who, f"{done}: {why or '-'}")
        return Applied(
            revision=revision,
            changes=told(changes, running.document, document),
            confirm=self._appliance.confirm_status(),
        )

    def _require_no_window(self) -> None:
        if self._appliance.window is not None:
            raise Refused(
                f"A change of {self._appliance.window.who} waits to be confirmed.",
                do="Confirm it or roll it back first.",
            )

    def _is_kept(self, new: Running, record: RevisionRecord) -> None:
        self._appliance.notices.pop("store", None)
        self._appliance.run_for_good(replace(new, revision=record.number))


def _layer7_knobs(document: Document, keys: Collection[ServerKey]) -> dict[ServerKey, ServerKnobs]:
    servers = real_servers(document)
    chosen = ((key, servers[key]) for key in keys)
    return {key: knobs_of(found) for key, found in chosen if isinstance(found, RealServer)}
