# SPDX-License-Identifier: Apache-2.0
"""Requests to the agent's socket with a clock on them.

The body is made before the clock starts: what a client spends on its own document is not
the appliance's time.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx

TIMEOUT_S = 60


class Door:
    """A connection to the agent that is kept open, as a console keeps it."""

    def __init__(self, socket: Path) -> None:
        self._http = httpx.Client(
            transport=httpx.HTTPTransport(uds=str(socket)),
            base_url="http://ballast",
            timeout=TIMEOUT_S,
            trust_env=False,
        )

    def get(self, path: str) -> Any:
        """The answer to a question, from JSON."""
        return self._http.get(path).raise_for_status().json()

    def apply_s(self, document: Mapping[str, Any]) -> float:
        """Apply a whole document; seconds from the request to the answer that it is verified."""
        body = json.dumps({"document": document, "why": "benchmark"}).encode()
        begun = time.perf_counter()
        answer = self._http.post(
            "/apply", content=body, headers={"Content-Type": "application/json"}
        )
        spent = time.perf_counter() - begun
        if answer.is_error:
            raise RuntimeError(f"the agent refused: {answer.text[:2000]}")
        return spent

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._http.close()
