# SPDX-License-Identifier: Apache-2.0
"""Who did what: one JSON line per event, bounded, and the same words to the system's log.

A text file and not the system journal alone, because an audit trail must survive a unit
whose journal is volatile and be readable without privileges of ours.
"""

from __future__ import annotations

import logging
import os
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path

from pydantic import ValidationError

from services.api import JournalEntry
from services.drivers.files import write_durably
from services.errors import Unable
from services.model.base import cleaned
from services.plan.state import File

log = logging.getLogger("ballast.journal")

AGENT = "agent"
"""Who did what nobody asked for."""

LIMIT_BYTES = 2 * 2**20
KEPT = 2000
"""Entries held in memory; the file's older half is dropped when it passes the limit."""

LONGEST = 1000
"""Characters of one entry."""


class Journal:
    """The appliance's own record of changes and repairs."""

    def __init__(self, path: Path, *, clock: Callable[[], float] = time.time) -> None:
        self._path = path
        self._clock = clock
        self._entries: deque[JournalEntry] = deque(self._read(), maxlen=KEPT)

    def note(self, who: str, what: str) -> None:
        """Record one event; a full disk loses the line but never the event in progress.

        One line: what somebody gave as a reason must not write a second one into a log.
        """
        who, what = cleaned(who, LONGEST), cleaned(" ".join(what.split()), LONGEST)
        entry = JournalEntry(at=self._clock(), who=who, what=what)
        self._entries.append(entry)
        log.info("%s: %s", who, what)
        try:
            with self._path.open("a", encoding="utf-8") as file:
                file.write(entry.model_dump_json() + "\n")
            if self._path.stat().st_size > LIMIT_BYTES:
                self._shorten()
        except (OSError, Unable) as error:
            log.error("the journal cannot be written: %s", error)

    def newest(self, limit: int) -> tuple[JournalEntry, ...]:
        """The last entries, newest first."""
        return tuple(reversed(self._entries))[:limit]

    def _read(self) -> list[JournalEntry]:
        entries = []
        try:
            with self._path.open("rb") as file:
                file.seek(max(0, os.fstat(file.fileno()).st_size - 2 * LIMIT_BYTES))
                lines = file.read(2 * LIMIT_BYTES).splitlines()
        except OSError:
            return []
        for line in lines[-KEPT:]:
            try:
                entries.append(JournalEntry.model_validate_json(line))
            except ValidationError:
                continue  # a line cut short by a power loss says nothing
        return entries

    def _shorten(self) -> None:
        half = list(self._entries)[-KEPT // 2 :]
        data = "".join(entry.model_dump_json() + "\n" for entry in half).encode()
        write_durably(File(str(self._path), data, 0o640))
