# SPDX-License-Identifier: Apache-2.0
"""One examination: asks the wire in two steps, and has the answers judged.

The hardware addresses come first, since a knock goes to one; while servers are knocked at, the
VIPs are asked for once more. One examination at a time, over
in some seconds whatever answers; it reads the running document and changes nothing.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence

from services.api import DoctorReport, FindingView
from services.doctor.asked import Heard, Knock, Observed
from services.doctor.cases import cases, services_of, who_has
from services.doctor.finding import Finding
from services.doctor.findings import findings
from services.drivers.knocking import Macs
from services.drivers.wire import MOST_KNOCKS, Wire
from services.errors import NotFound, Unable
from services.model import Document

WITHIN_S = 30.0
"""Twice what the longest takes: 16,000 packets three times over, and three questions before."""

LEAD_S = 0.2
"""Until somebody listens to what servers say in ARP when they are knocked at."""


class Doctor:
    """Examines services of the document that runs."""

    def __init__(self, wire: Wire, document: Callable[[], Document]) -> None:
        self._wire = wire
        self._document = document
        self._one = asyncio.Lock()

    async def examine(self, service: int | None = None) -> DoctorReport:
        """Everything that can be proven of one service, or of all; raises `NotFound`, `Unable`."""
        async with self._one:
            try:
                async with asyncio.timeout(WITHIN_S):
                    return await self._examine(service)
            except TimeoutError as error:
                raise Unable(
                    f"The examination was not over in {WITHIN_S:g} s.",
                    do="Examine one service at a time.",
                ) from error

    async def _examine(self, service: int | None) -> DoctorReport:
        began = time.monotonic()
        document = self._document()
        services = services_of(document, service)
        if service is not None and not services:
            raise NotFound("There is no such service.", do="Look at what runs now.")
        asked, left_out = [], 0
        knocks: dict[Knock, None] = {}
        for case in cases(document, services):
            # at the VIP first: to answer there a server may have to ask for us, and then it
            # shows whether it asks in its own name
            more = (*case.proof, *case.control)
            if len(knocks) + len(more) > MOST_KNOCKS:
                left_out += 1
                continue
            asked.append(case)
            knocks |= dict.fromkeys(more)
        questions = who_has(document, services)
        owners = await self._wire.who_has(questions)
        first = Observed(owners)
        macs = {question: first.owner(question) for question in owners}
        vips = {address for each in services for address in each.addresses}
        heard, again = await asyncio.gather(
            self._knock(tuple(knocks), macs),
            self._wire.who_has([each for each in questions if each.address in vips]),
        )
        owners = {**owners, **{each: owners.get(each, again[each]) | again[each] for each in again}}
        observed = Observed(owners, heard)
        found = findings(document, services, asked, observed)
        return DoctorReport(
            findings=tuple(finding_view(each) for each in found),
            took_s=round(time.monotonic() - began, 1),
            left_out=left_out,
        )

    async def _knock(self, knocks: Sequence[Knock], macs: Macs) -> Mapping[Knock, Heard]:
        await asyncio.sleep(LEAD_S)
        return await self._wire.knock(knocks, macs)


def finding_view(finding: Finding) -> FindingView:
    """A finding as it travels over the socket."""
    return FindingView(
        verdict=finding.verdict,
        service=finding.service,
        server=finding.server,
        what=finding.what,
        do=finding.do,
        key=finding.key,
        setup=finding.setup,
    )
