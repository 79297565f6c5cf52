# SPDX-License-Identifier: Apache-2.0
"""The running configuration, and the only way it changes.

One lock stands around everything that acts, so that a person's change, the reconcile loop
and an expiring window never see each other half done. Deciding is left to pure modules,
doing to the drivers: what is here is the order of things.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from dataclasses import replace

from services import draft as drafting
from services.agent.drafts import Draft, Drafts
from services.agent.journal import AGENT, Journal
from services.agent.review import Running, planned, told
from services.agent.stored import Stored
from services.agent.window import Window, WindowFile
from services.api import Applied, ConfirmStatus, PlanView, StoredKind
from services.apply import Found, converge, transact
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
from services.health.shares import FULL, Shares
from services.identity import with_ids
from services.model import Document, RealServer, ServerState, real_servers
from services.plan.ipvs import IpvsSeen, IpvsWanted
from services.plan.ipvs_changes import IpvsChange
from services.plan.ipvs_planner import plan_ipvs
from services.plan.state import ServerKey, ServerKnobs
from services.render import Place
from services.render.haproxy import knobs_of
from services.render.ipvs import table_of
from services.store import RevisionRecord, Staged, Store
from services.switch import reason, switched
from services.wanted import wanted


def pick_id() -> int:
    """A permanent id; random, so that the id of a deleted object is not given again."""
    return secrets.randbelow(2**31 - 1) + 1


class Appliance:
    """The one writer of the system."""

    def __init__(
        self,
        *,
        store: Store,
        drivers: Drivers,
        place: Place,
        journal: Journal,
        drafts: Drafts,
        window_file: WindowFile,
        stored: Stored,
        pick: Callable[[], int] = pick_id,
    ) -> None:
        self._store = store
        self._drivers = drivers
        self._place = place
        self._journal = journal
        self._drafts = drafts
        self._window_file = window_file
        self._stored = stored
        self._pick = pick
        self.lock = asyncio.Lock()
        """Held by whoever acts, from before it decides until it is done."""
        self.notices: dict[str, str] = {}
        """What the administrator must know, by cause."""
        self._shares: Shares = FULL
        self._found: Found | None = None
        loaded = store.newest()
        for text in loaded.notices:
            journal.note(AGENT, text)
        if loaded.notices:
            self.notices["store"] = " ".join(loaded.notices)
        self._running = self.made(loaded.document, loaded.record.number)
        self._window = window_file.read()
        if self._window is not None and not self.window_over:
            self._running = self.made(self._window.document, loaded.record.number)

    # -- what both rooms share --------------------------------------------------------------

    @property
    def running(self) -> Running:
        """What runs, confirmed or not."""
        return self._running

    @property
    def window(self) -> Window | None:
        """The change that waits to be confirmed, if there is one."""
        return self._window

    @property
    def window_over(self) -> bool:
        """Whether a change has waited in vain, and is to be taken back."""
        return self._window is not None and self._window.seconds_left() <= 0

    @property
    def shares(self) -> Shares:
        """What health leaves servers of their weights."""
        return self._shares

    def made(self, document: Document, revision: int) -> Running:
        """What `document` comes to here, with what health leaves the servers."""
        return Running.of(document, wanted(document, self._place, self._shares), revision)

    def share(self, shares: Shares) -> tuple[IpvsChange, ...]:
        """Health leaves servers this from now on; what that changes in the kernel's table.

        Only what differs from the shares before is worked out.
        """
        turned = {service for (service, _), _ in shares.items() ^ self._shares.items()}
        self._shares, self._found = shares, None
        running = self._running
        services = (running.layer4[each] for each in sorted(turned) if each in running.layer4)
        after, before = table_of(services, running.document.local, shares), running.wanted.ipvs
        layer4 = replace(before, table={**before.table, **after})
        self._running = replace(running, wanted=replace(running.wanted, ipvs=layer4))
        return plan_ipvs(IpvsWanted(after), IpvsSeen({key: before.table[key] for key in after}))

    def run_for_good(self, new: Running) -> None:
        """`new` runs, and nothing waits to be confirmed any more."""
        self._running = new
        if self._window is not None:
            self._window_file.close()
            self._window = None

    def run_for_a_while(
        self, new: Running, *, who: str, why: str, confirm_s: int, draft: Draft | None
    ) -> None:
        """`new` runs until its window is over, unless it is confirmed; raises `Unable`."""
        self._window = self._window_file.open(
            new.document, who=who, why=why, confirm_s=confirm_s, draft=draft
        )
        self._running = new

    def remember(self, found: Found) -> None:
        """What a look found, all as wanted, for whoever acts next."""
        self._found = found

    def about_to_act(self) -> Found | None:
        """What the last look found; nobody else gets it, for now the system changes."""
        found, self._found = self._found, None
        return found

    # -- asking -----------------------------------------------------------------------------

    async def planned(self, document: Document) -> PlanView:
        """What applying `document` would do; nothing is touched, not even the lock."""
        document = with_ids(document, self.running.document, self._pick)
        self._require(document)
        new = self.made(document, self.running.revision)
        return await planned(self._drivers, self.running, new)

    def confirm_status(self) -> ConfirmStatus | None:
        """The open window, if there is one."""
        if self.window is None:
            return None
        return ConfirmStatus(
            revision=self.running.revision,
            seconds_left=max(0, round(self.window.seconds_left())),
            who=self.window.who,
        )

    # -- changing ---------------------------------------------------------------------------

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
        async with self.lock:
            if base is not None and base != self.running.revision:
                what = f"Revision {self.running.revision} runs, this was made from {base}."
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
        async with self.lock:
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
        merged = drafting.merge(self.running.document, draft.edits.values())
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
        async with self.lock:
            self._require_no_window()
            document = switched(self.running.document, keys, state=state, weight=weight)
            why = why or reason(document, keys, state=state, weight=weight)
            staged = None
            if document != self.running.document:
                # first of all, for what cannot be kept must not be carried out either
                staged = await self._stage(document, who=who, why=why)
            self.about_to_act()
            # the person waits for these; whether it took is judged by the verification below
            with suppress(ApplianceError):
                if knobs := _layer7_knobs(document, keys):
                    await self._drivers.haproxy.set_servers(knobs)
            if staged is None:
                return Applied(revision=self.running.revision, changes=())
            return await self._change(document, who=who, why=why, staged=staged)

    async def rollback(self, number: int | None, *, who: str, why: str) -> Applied:
        """Apply an earlier revision again; inside a window, end it and go back."""
        async with self.lock:
            if self.window is not None and number is None:
                return await self._expire(f"{who} rolled back")
            if number is None:
                earlier = [
                    record.number
                    for record in self._store.records()
                    if record.number < self.running.revision
                ]
                if not earlier:
                    raise NotFound("There is no earlier revision.", do="See `ballast revisions`.")
                number = max(earlier)
            document = self._store.read(number).document
            return await self._change(document, who=who, why=why or f"back to revision {number}")

    async def confirm(self, *, who: str) -> Applied:
        """Keep the change that is waiting."""
        async with self.lock:
            if self.window is None:
                raise Refused("Nothing waits for a confirmation.", do="Nothing needs to be done.")
            if self.window_over:
                await self._expire("the time to confirm it ran out")
                raise Refused("The change was rolled back already.", do="Apply it again.")
            window = self.window
            record = await asyncio.to_thread(
                self._store.commit,
                window.document,
                who=window.who,
                why=window.why,
                at=time.time(),
            )
            self._is_kept(self.running, record)
            self._journal.note(who, f"confirmed revision {self.running.revision}")
            return Applied(revision=self.running.revision, changes=())

    async def expire_overdue(self) -> None:
        """Take a change back that nobody has confirmed in time, if there is one."""
        async with self.lock:
            if self.window_over:
                await self._expire("nobody confirmed it in time")

    async def forget(self, kind: StoredKind, name: str, *, who: str) -> None:
        """Throw a stored secret or script away that nobody needs."""
        async with self.lock:
            self._require_no_window()
            self._stored.require_unused(self.running.document, kind, name)
            await asyncio.to_thread(self._stored.remove, kind, name)
            self._journal.note(who, f"deleted the {kind.value} {name}")

    async def _stage(self, document: Document, *, who: str, why: str) -> Staged:
        return await asyncio.to_thread(
            self._store.stage, document, who=who, why=why, at=time.time()
        )

    async def _as_it_runs(self) -> Applied:
        """What runs is wanted again: no revision is made, so that one step back stays one."""
        self.about_to_act()
        changes = await converge(self._drivers, self.running.wanted)
        words = told(changes, self.running.document)
        return Applied(revision=self.running.revision, changes=words)

    async def _expire(self, reason: str) -> Applied:
        who = self.window.who if self.window else AGENT
        if self.window is not None and self.window.draft is not None:
            self._drafts.restore(self.window.draft)
        record = self._store.newest()
        self.run_for_good(self.made(record.document, record.record.number))
        self._journal.note(AGENT, f"rolled back the change of {who}: {reason}")
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
        document = with_ids(document, self.running.document, self._pick)
        if local_only and document.cluster != self.running.document.cluster:
            raise Refused(
                "This account may change this unit's network settings only.",
                do="Leave the services as they are.",
            )
        new = self.made(document, self.running.revision)
        same = new.wanted == self.running.wanted and document == self.running.document
        if same and confirm_s is None:
            return await self._as_it_runs()

        async def ready() -> None:
            nonlocal staged
            self._require(document)
            if confirm_s is None and staged is None:
                staged = await self._stage(document, who=who, why=why)

        async def commit() -> None:
            if confirm_s is not None:
                self.run_for_a_while(new, who=who, why=why, confirm_s=confirm_s, draft=draft)
            elif staged is not None:
                self._is_kept(new, await asyncio.to_thread(staged.keep))

        found = self.about_to_act()
        try:
            changes, last = await transact(
                self._drivers,
                old=self.running.wanted,
                new=new.wanted,
                ready=ready,
                commit=commit,
                found=found,
            )
        except BaseException:
            if staged is not None:
                staged.drop()
            raise
        self.remember(last)
        done = (
            f"applied revision {self.running.revision}"
            if confirm_s is None
            else f"applied a change to be confirmed within {confirm_s} s"
        )
        self._journal.note(who, f"{done}: {why or '-'}")
        return Applied(
            revision=self.running.revision,
            changes=told(changes, self.running.document, document),
            confirm=self.confirm_status(),
        )

    def _require_no_window(self) -> None:
        if self.window is not None:
            raise Refused(
                f"A change of {self.window.who} waits to be confirmed.",
                do="Confirm it or roll it back first.",
            )

    def _is_kept(self, new: Running, record: RevisionRecord) -> None:
        self.notices.pop("store", None)
        self.run_for_good(replace(new, revision=record.number))


def _layer7_knobs(document: Document, keys: Collection[ServerKey]) -> dict[ServerKey, ServerKnobs]:
    servers = real_servers(document)
    chosen = ((key, servers[key]) for key in keys)
    return {key: knobs_of(found) for key, found in chosen if isinstance(found, RealServer)}
