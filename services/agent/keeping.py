# SPDX-License-Identifier: Apache-2.0
"""Keeping what runs as it is wanted, whatever drifts and whichever servers fail.

Nobody asks for any of this, so nobody is told that it failed but the journal and the notices; what
could not be done is tried again.
"""

from __future__ import annotations

import time
from collections.abc import Sequence

from services import able
from services.agent.appliance import Appliance
from services.agent.changing import Changing
from services.agent.first_look import FirstLook
from services.agent.journal import AGENT, Journal
from services.agent.review import told
from services.apply import Found, converge, look
from services.errors import ApplianceError
from services.follow import Drivers, Incomplete, write_layer4
from services.health.shares import Shares
from services.model import Document
from services.plan.changes import Change
from services.plan.planner import plan
from services.plan.state import Seen

_RECONCILE = "reconcile"


class Keeping:
    """Puts right what is not as wanted, and gives servers what health leaves them."""

    def __init__(
        self, appliance: Appliance, changing: Changing, drivers: Drivers, journal: Journal
    ) -> None:
        self._appliance = appliance
        self._changing = changing
        self._drivers = drivers
        self._journal = journal
        self._first_look = FirstLook(drivers.ipvs)
        self._refused = False
        """A weight was, and nobody has looked since."""

    @property
    def due(self) -> bool:
        """Whether something is known not to be as wanted: the loop must not rest before it looks.

        A window that has run out is, and what the kernel refused of the last shares.
        """
        return self._refused or self._appliance.window_over

    async def share(self, document: Document, shares: Shares) -> None:
        """Give layer 4 servers what health leaves them; nothing if `document` runs no more.

        Nobody looks first: one server that fails costs the same among ten thousand, ten thousand
        that fail at once are out of the way as soon as the kernel can write it, and what differs
        from what it was thought to have is found by the loop. What the kernel refuses is told, and
        the loop tries it next.
        """
        if shares == self._appliance.shares:
            return
        async with self._appliance.lock:
            if self._appliance.running.document is not document:
                return
            changes = self._appliance.share(shares)
            try:
                await write_layer4(self._drivers, changes)
            except ApplianceError as error:
                # what is refused already, the loop tries every two seconds and has told
                if _RECONCILE not in self._appliance.notices:
                    self._refused = True
                    self._could_not(error)

    async def reconcile(self) -> tuple[Change, ...]:
        """Put right whatever drifted from the running document; journal what was done.

        A window that has run out ends first, under the lock for itself. Whatever somebody does
        before the lock is held again is done whole by then, and what runs after it is kept.
        """
        self._refused = False
        if await self._as_wanted():
            self._appliance.notices.pop(_RECONCILE, None)
            return ()
        await self._changing.expire_overdue()
        async with self._appliance.lock:
            self._appliance.about_to_act()
            try:
                changes = await converge(self._drivers, self._appliance.running.wanted)
            except ApplianceError as error:
                self._note_put_right(error.done if isinstance(error, Incomplete) else ())
                self._could_not(error)
                raise
            self._appliance.notices.pop(_RECONCILE, None)
            self._note_put_right(changes)
            return changes

    def _note_put_right(self, changes: Sequence[Change]) -> None:
        for each in told(changes, self._appliance.running.document):
            self._journal.note(AGENT, f"put right: {each.what}")

    def _could_not(self, error: ApplianceError) -> None:
        """Say what stands in the way of what is wanted; once, as long as it is the same."""
        if self._appliance.notices.get(_RECONCILE) != str(error):
            self._journal.note(AGENT, f"could not put right: {error}")
        self._appliance.notices[_RECONCILE] = str(error)

    async def _as_wanted(self) -> bool:
        """Whether nothing is to be done, as far as can be seen without the lock.

        Nearly every pass ends here, and so nobody's drain waits until a look is over. What
        looks like drift may be a change under way: the pass that has the lock looks again.
        """
        running = self._appliance.running
        if self._appliance.lock.locked() or self._appliance.window_over:
            return False
        try:
            seen = await look(self._drivers, running.wanted, layer4=self._first_look.seen)
        except ApplianceError:
            return False
        self._tell_of_layer4(seen)
        if plan(running.wanted, seen) or self._appliance.running is not running:
            return False
        self._appliance.remember(Found(running.wanted, seen, time.monotonic()))
        return True

    def _tell_of_layer4(self, seen: Seen) -> None:
        """Say what this machine lacks before somebody has typed a service in for nothing."""
        if seen.ipvs is None:
            self._appliance.notices["layer4"] = f"{able.NO_IPVS.what} {able.NO_IPVS.do}"
        else:
            self._appliance.notices.pop("layer4", None)
