# SPDX-License-Identifier: Apache-2.0
"""The loop's cheap look at layer 4: one file instead of a question for each service.

Of 1,000 services with 10 servers a whole look took 1.45 s of CPU in an emulated guest, the file
0.12 s. While the file shows just what is wanted, nothing is asked further; anything else in it
is looked at whole at once.

The file does not tell of thresholds, tunnels, granularity, switches and timeouts. Only a
program that speaks netlink can have changed those behind our back, and no connection breaks by
it at once; so every fifth pass looks whole. On an ordinary unit that is within ten seconds, as
long as drift may last anywhere (`services.agent.loop`); on a large one the loop's own pauses
keep whole looks to some hundredths of the time.
"""

from __future__ import annotations

import asyncio

from services.drivers.ipvs import Ipvs
from services.drivers.ipvs_proc import Sketch, sketched
from services.plan.ipvs import IpvsSeen, IpvsWanted, Table, Timeouts

WHOLE_EVERY = 5
"""Passes of the loop; the first one after a start is whole, too."""


class FirstLook:
    """Looks at the kernel's table, whole only where the cheap look does not answer."""

    def __init__(self, ipvs: Ipvs) -> None:
        self._ipvs = ipvs
        self._cheap = 0
        self._whole_yet = False
        self._sketched: tuple[Table, Sketch] = ({}, frozenset())

    async def seen(self, wanted: IpvsWanted) -> IpvsSeen | None:
        """The table as it is, or `wanted` itself where nothing speaks against it.

        Without connections then: nothing is to be done that could cut one.
        """
        if self._may_glance and await self._ipvs.glance() == await self._sketch(wanted.table):
            self._cheap += 1
            return IpvsSeen(wanted.table, wanted.timeouts or Timeouts())
        seen = await self._ipvs.seen()
        # what may not be asked shows an empty file, which would pass for an empty table
        self._cheap, self._whole_yet = 0, seen is not None
        return seen

    @property
    def _may_glance(self) -> bool:
        return self._whole_yet and self._cheap < WHOLE_EVERY - 1

    async def _sketch(self, table: Table) -> Sketch:
        """What the file must show; made once for as long as the same table is wanted."""
        if self._sketched[0] is not table:
            self._sketched = (table, await asyncio.to_thread(sketched, table))
        return self._sketched[1]
