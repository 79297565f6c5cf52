# SPDX-License-Identifier: Apache-2.0
"""The appliance as it is now: what runs, whether it waits to be confirmed, what stands in the way.

One lock stands around everything that acts, so that a person's change (`services.agent.changing`),
the reconcile loop (`services.agent.keeping`) and an expiring window never see each other half
done. Whoever only asks needs no lock: what runs is replaced as a whole, never altered.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace

from services.agent.drafts import Draft
from services.agent.journal import AGENT, Journal
from services.agent.review import Running
from services.agent.window import Window, WindowFile
from services.api import ConfirmStatus
from services.apply import Found
from services.health.shares import FULL, Shares
from services.model import Document
from services.plan.ipvs import IpvsSeen, IpvsWanted
from services.plan.ipvs_changes import IpvsChange
from services.plan.ipvs_planner import plan_ipvs
from services.render import Place
from services.render.ipvs import table_of
from services.store import Store
from services.wanted import wanted


class Appliance:
    """What those who change it, keep it and ask about it have in common."""

    def __init__(
        self, *, store: Store, place: Place, journal: Journal, window_file: WindowFile
    ) -> None:
        self._place = place
        self._window_file = window_file
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
        """Health leaves servers this from now on; returns what the kernel's table lacks of it.

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
        """A look found all as it is wanted: who acts next need not look first."""
        self._found = found

    def about_to_act(self) -> Found | None:
        """What the last look found, handed to whoever acts: it will not be true any more."""
        found, self._found = self._found, None
        return found

    def confirm_status(self) -> ConfirmStatus | None:
        """The open window, if there is one."""
        if self.window is None:
            return None
        return ConfirmStatus(
            revision=self.running.revision,
            seconds_left=max(0, round(self.window.seconds_left())),
            who=self.window.who,
        )
