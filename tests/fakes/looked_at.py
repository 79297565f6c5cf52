# SPDX-License-Identifier: Apache-2.0
"""What a scripted appliance tells of the checks of layer 4 servers."""

from __future__ import annotations

from services.api_reports import CheckResult, CheckResults
from services.errors import NotFound
from services.model import Document, server_names


class TellsOfChecks:
    """The last results that a test says there are."""

    running: Document
    checked: dict[tuple[int, int], tuple[CheckResult, ...]]
    """By the ids of service and server, the newest first."""

    async def check_results(self, service: int, server: int) -> CheckResults:
        self._reached()
        key = (service, server)
        names = server_names(self.running)
        if key not in names or key not in self.checked:
            raise NotFound("There is no such layer 4 server.", do="Look at what runs now.")
        results = self.checked[key]
        reason = "" if not results or results[0].ok else results[0].words
        return CheckResults(label=names[key], reason=reason, results=results)

    def _reached(self) -> None:
        """Raise if the agent cannot be reached."""
        raise NotImplementedError
