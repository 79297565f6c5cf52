# SPDX-License-Identifier: Apache-2.0
"""The one thing a lab has outside its namespaces: a folder that shows whether it lives.

A lock on the folder itself is held by launcher and first process, and the kernel lets go of
it when the last of them dies. Whoever can take the lock has found the remains of a lab, and
removes them; no process number is written anywhere, so none can be mistaken for another's.
"""

from __future__ import annotations

import fcntl
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from services.errors import Unable

_ROOM = 48
"""Bytes left for the longest socket inside: a UNIX socket's path has 107 in all, and HAProxy
binds under a longer temporary name."""


def _base() -> Path:
    found = Path(tempfile.gettempdir())
    return found if len(str(found)) <= _ROOM - len(_prefix()) - 9 else Path("/tmp")


def _prefix() -> str:
    return f"ballast-lab-{os.getuid()}-"


def _lock(path: Path) -> int | None:
    """A descriptor that holds the folder's lock, or None if somebody else does or it is gone."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if os.path.samestat(os.fstat(descriptor), path.stat()):
            return descriptor
    except OSError:
        pass
    os.close(descriptor)
    return None


def new_folder() -> tuple[Path, int]:
    """Make a folder for one lab; also the descriptor that holds its lock."""
    for _ in range(10):
        path = Path(tempfile.mkdtemp(prefix=_prefix(), dir=_base()))
        lock = _lock(path)
        # somebody who looks for remains may hold it for a moment, or have removed it
        if lock is not None:
            # daemons that change their user must reach their sockets inside
            path.chmod(0o711)
            return path, lock
    raise Unable(f"No folder for the lab could be made in {_base()}.", do="Look at its mode.")


def _all() -> Iterator[Path]:
    for path in _base().glob(f"{_prefix()}*"):
        with suppress(OSError):
            if path.lstat().st_uid == os.getuid():
                yield path


def remove_remains() -> tuple[Path, ...]:
    """Remove the folders of this account's dead labs; a living one cannot be locked."""
    removed = []
    for path in _all():
        lock = _lock(path)
        if lock is not None:
            shutil.rmtree(path, ignore_errors=True)
            os.close(lock)
            removed.append(path)
    return tuple(removed)


def living() -> tuple[Path, ...]:
    """The folders of this account's running labs, newest first."""
    return tuple(
        sorted((path for path in _all() if _lives(path)), key=lambda path: path.stat().st_ctime)
    )[::-1]


def _lives(path: Path) -> bool:
    if not (path / "control.sock").exists():
        return False
    lock = _lock(path)
    if lock is not None:
        os.close(lock)
    return lock is None


def find(name: str = "") -> Path:
    """The folder of the running lab `name` (a part of its name will do), else of the newest.

    Raises `Unable` if there is none.
    """
    found = [path for path in living() if re.search(re.escape(name), path.name)]
    if not found:
        which = f"No lab named {name} runs" if name else "No lab runs"
        raise Unable(f"{which} for this account.", do="Start one with `make run`.")
    return found[0]
