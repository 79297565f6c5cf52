# SPDX-License-Identifier: Apache-2.0
"""A TLS handshake by itself, and whose certificate it is that was not accepted."""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from typing import Any

from services.health.jobs import Job
from services.probe.conversation import connected
from services.probe.found import MISMATCH, Found, quoted, words_for

NAMED = 3
"""Names of a certificate that are repeated."""


async def look(job: Job) -> Found:
    """Shake hands, and hang up."""
    async with connected(job, under_tls=True):
        return Found()


async def words_of(job: Job, error: OSError) -> str:
    """What went wrong, in words; raises `Unlooked` and `OSError`.

    A refused certificate is not told by OpenSSL. So where only its name was wrong the server is
    asked for it once more, without regard to the name: everything else about it is in order.
    """
    words = words_for(error)
    if not (isinstance(error, ssl.SSLCertVerificationError) and error.verify_code in MISMATCH):
        return words
    async with connected(job, under_tls=True, any_name=True) as server:
        names = _names(server.certificate())
    asked = job.target.manner.host or job.target.address
    return f"{words}: the certificate is for {names}, not {asked}"


def _names(certificate: Mapping[str, Any]) -> str:
    """Whom it is for, as `ssl.SSLSocket.getpeercert` tells it."""
    told = [name for _, name in certificate.get("subjectAltName", ())]
    if not told:
        subject = (pair for part in certificate.get("subject", ()) for pair in part)
        told = [name for key, name in subject if key == "commonName"]
    shown = ", ".join(map(quoted, told[:NAMED])) or "nobody"
    return f"{shown} and {len(told) - NAMED} more" if len(told) > NAMED else shown
