# SPDX-License-Identifier: Apache-2.0
"""A HAProxy's own folder: the file it loads, the health it takes over, candidates to be judged.

What lies here is made anew at every start of the unit, so nothing is synced to the disk; a
file is put in place by a rename all the same, as HAProxy may read it at any moment.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from services.drivers.haproxy_file import Listing, fingerprint_in, listing_of
from services.drivers.server_state import VERSION
from services.errors import Unable


class HaproxyFolder:
    """Every call may raise `Unable` if the folder cannot be written."""

    def __init__(self, config: Path, state: Path) -> None:
        self._folder = config.parent
        self._config = config
        self._state = state

    def prepare(self) -> None:
        """Make the folder, and the state file that HAProxy warns of when it is missing."""
        with self._writing():
            self._folder.mkdir(mode=0o750, parents=True, exist_ok=True)
        if not self._state.exists():
            self.write_state(VERSION)

    def candidate(self, config: bytes) -> Path:
        """A new file with these bytes, for nobody else to read; the caller removes it."""
        with self._writing():
            handle, name = tempfile.mkstemp(prefix="candidate-", suffix=".cfg", dir=self._folder)
            try:
                with os.fdopen(handle, "wb") as file:
                    file.write(config)
            except OSError:
                Path(name).unlink(missing_ok=True)
                raise
            return Path(name)

    def write_state(self, text: str) -> None:
        """Put the health in place that the next worker takes over."""
        fresh = self._state.with_suffix(".new")
        with self._writing():
            fresh.write_text(text)
            fresh.replace(self._state)

    def config(self) -> bytes | None:
        """The generated file; None if there is none."""
        try:
            return self._config.read_bytes()
        except FileNotFoundError:
            return None

    def listing(self) -> Listing:
        """What the generated file says."""
        return listing_of(self.config() or b"")

    def to_load(self) -> tuple[str, Listing]:
        """The generated file's fingerprint and what it says; raises `Unable` if it is not ours."""
        config = self.config() or b""
        fingerprint = fingerprint_in(config)
        if not fingerprint:
            raise Unable(
                f"{self._config} is no configuration of ours.",
                do="Apply the configuration again.",
            )
        return fingerprint, listing_of(config)

    @contextmanager
    def _writing(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            reason = os.strerror(error.errno or 0)
            raise Unable(
                f"{self._folder} cannot be written: {reason}.",
                do="Make room there, or make it writable.",
            ) from error
