# SPDX-License-Identifier: Apache-2.0
"""Files in memory that refuse what a disk refuses."""

from __future__ import annotations

import errno
import os
from dataclasses import dataclass, field
from pathlib import PurePath

from services.drivers.files import unable
from services.errors import Unable
from services.plan.state import File


@dataclass
class FakeFiles:
    """Every folder exists, unless `folders` says which ones do."""

    held: dict[str, File] = field(default_factory=dict)
    """What lies on the disk, by path; a test may put something there by hand."""
    folders: set[str] | None = None
    links: set[str] = field(default_factory=set)
    """Paths that are symbolic links."""
    failing: int = 0
    """While set: the errno every change fails with, e.g. `errno.ENOSPC`."""
    writes: list[str] = field(default_factory=list)
    """Paths written so far, in order."""

    def data(self, path: str) -> bytes | None:
        """What lies there, for whoever loads it by itself."""
        file = self.held.get(path)
        return file.data if file else None

    async def read(self, path: str) -> bytes | None:
        return self.data(path)

    async def write(self, file: File) -> None:
        self._judge(file.path)
        if file.path in self.links:
            raise Unable(f"{file.path} is a symbolic link.", do="Remove the link; it is ours.")
        self.held[file.path] = file
        self.writes.append(file.path)

    async def remove(self, path: str) -> None:
        if path in self.held or path in self.links:
            self._judge(path)
        self.held.pop(path, None)
        self.links.discard(path)

    def _judge(self, path: str) -> None:
        folder = str(PurePath(path).parent)
        if self.folders is not None and folder not in self.folders:
            raise unable(OSError(errno.ENOENT, ""), path)
        if self.failing:
            raise unable(OSError(self.failing, os.strerror(self.failing)), path)
