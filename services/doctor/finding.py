# SPDX-License-Identifier: Apache-2.0
"""What the doctor says: one thing about a service or a server, and how sure it is."""

from __future__ import annotations

from dataclasses import dataclass

from services.doctor.asked import Verdict


@dataclass(frozen=True)
class Finding:
    """One thing about a service, or about one of its servers."""

    verdict: Verdict
    service: str
    """Label."""
    what: str
    """The cause, a sentence."""
    do: str = ""
    """The way out; empty where nothing needs to be done."""
    server: str = ""
    """Label; empty: about the service itself."""
    key: tuple[int, int] = (0, 0)
    """Ids of service and server; the latter 0 if about the service."""
    setup: str = ""
    """Label of the service under which the server's set-up commands, the way out, are to be had;
    empty: they are not."""
