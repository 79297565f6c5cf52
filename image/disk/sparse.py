# SPDX-License-Identifier: Apache-2.0
"""Writing into big files that are mostly empty, without making them full."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from services.errors import Unable

BLOCK = 1 << 16
_NOTHING = bytes(BLOCK)


def blank(path: Path, size: int) -> None:
    """Make `path` a file of `size` bytes, all of them holes."""
    with path.open("wb") as file:
        file.truncate(size)


def pour(source: Path, target: BinaryIO, *, at: int) -> None:
    """Copy a file to `at` in another; what is zero stays a hole there."""
    with source.open("rb", buffering=0) as file:
        position = 0
        end = file.seek(0, os.SEEK_END)
        while (position := _next_data(file, position, end)) < end:
            file.seek(position)
            block = file.read(BLOCK - position % BLOCK)
            if block != _NOTHING[: len(block)]:
                target.seek(at + position)
                target.write(block)
            position += len(block)


def _next_data(file: BinaryIO, position: int, end: int) -> int:
    try:
        return os.lseek(file.fileno(), position, os.SEEK_DATA) if position < end else end
    except OSError as error:
        if error.errno == errno.ENXIO:
            return end
        raise


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A name beside `path` to write to; it takes the place of `path` only if all went well."""
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(f".{path.name}.new")
    fresh.unlink(missing_ok=True)
    try:
        yield fresh
        fresh.replace(path)
    finally:
        fresh.unlink(missing_ok=True)


def demand_space(folder: Path, needed: int) -> None:
    """Raise `Unable` unless `needed` bytes are free where `folder` lies."""
    folder.mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise Unable(
            f"{folder} has {free >> 20} MiB free and the image needs {needed >> 20} MiB there.",
            do="Make room, or let the folder be on a larger disk; nothing was changed.",
        )
