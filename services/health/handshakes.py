# SPDX-License-Identifier: Apache-2.0
"""Why a TLS handshake failed, which HAProxy does not say; pure.

HAProxy's check ends with "SSL handshake failure" for an expired certificate, for another name and
for a server that speaks no TLS at all. So as long as such a check fails, `ballast-probe` shakes
hands with that server now and then in the same manner, and its words take the place of HAProxy's.
Whether the server is healthy is still for HAProxy alone to say.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from services.health.targets import Kind, Manner, Target
from services.health.verdict import UNKNOWN, Result, Verdict
from services.model.checks import TLS

FAILED = "TLS handshake failed"
"""How the words of such a result begin."""

EVERY_S = 60
"""Seconds between two looks into the same cause, which mostly takes a person to change."""

MOST = 100
"""Servers whose cause is looked into at once: more that fail together fail of the same."""


def question(target: Target) -> Target | None:
    """The handshake of this target by itself; None: it has none."""
    manner = target.manner
    if manner.kind not in TLS:
        return None
    alone = Manner(
        *(Kind.TLS, EVERY_S, manner.timeout_s),
        fall=1,
        rise=1,
        host=manner.host,
        verify_tls=manner.verify_tls,
    )
    return target._replace(manner=alone)


def questions(
    asked: Iterable[tuple[str, Target]], verdicts: Mapping[str, Verdict]
) -> tuple[Target, ...]:
    """Those to look into now, of a target's name and its `question` each."""
    failed = {
        about
        for name, about in asked
        for result in verdicts.get(name, UNKNOWN).results[-1:]
        if not result.ok
        and (result.words.startswith(FAILED) or result.words == _cause(about, verdicts))
    }
    return tuple(sorted(failed))[:MOST]


def explained(result: Result, about: Target | None, verdicts: Mapping[str, Verdict]) -> Result:
    """The result with the words of whoever looked into it, where there are any."""
    if about is None or result.ok or not result.words.startswith(FAILED):
        return result
    return replace(result, words=_cause(about, verdicts) or result.words)


def _cause(about: Target, verdicts: Mapping[str, Verdict]) -> str:
    """What was found; empty: nothing yet, or nothing wrong."""
    found = verdicts.get(about.name, UNKNOWN)
    return "" if found.up else found.words
