# SPDX-License-Identifier: Apache-2.0
"""One time zone, and no fault unseen."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator

import pytest


@pytest.fixture(autouse=True)
def _one_time_zone(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.fixture
def faulty() -> None:
    """Asked for by tests that plant a fault on purpose."""


@pytest.fixture(autouse=True)
def _no_fault_is_swallowed(
    request: pytest.FixtureRequest, caplog: pytest.LogCaptureFixture
) -> Iterator[None]:
    """The console survives its own faults and logs them: in a test each of them is a failure."""
    yield
    if "faulty" not in request.fixturenames:
        faults = [r.getMessage() for r in caplog.records if r.levelno >= logging.ERROR]
        assert faults == []
