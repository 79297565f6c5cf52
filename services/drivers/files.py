# SPDX-License-Identifier: Apache-2.0
"""Generated files on the disk: the old one whole or the new one whole, never a mix.

A power cut, a full disk or a kill at any step must leave a file that its program can read.
So every write goes to a temporary file beside the target, is flushed, renamed over it, and
the folder flushed too (a rename alone may be lost with the power). Then it is read back,
because a driver reports what is, not what it meant. The temporary name is fixed, so that a
killed write leaves one file at most, which the next write clears away.

A symbolic link as the target is refused: a rename would replace the link and leave what it
points to in place, and two programs would read different files. Reading follows links,
because that is what the program which owns the file does.
"""

from __future__ import annotations

import asyncio
import errno
import os
import stat
import threading
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Protocol

from services.errors import Unable
from services.plan.state import File

if TYPE_CHECKING:
    from collections.abc import Iterator

MOST_BYTES = 64 << 20
"""More than this is read of no file: whatever lies there then, it is not ours."""

_REMEDIES: dict[int, tuple[str, str]] = {
    errno.ENOSPC: ("There is no space left for {path}.", "Free some space on that disk."),
    errno.EDQUOT: ("The quota leaves no space for {path}.", "Free some space on that disk."),
    errno.EROFS: (
        "{folder} is on a read-only file system, so {path} cannot be changed.",
        "Mount it writable; look in the kernel's log if it was writable before.",
    ),
    errno.EACCES: ("This account may not change {path}.", "Run the agent as root."),
    errno.EPERM: (
        "The system forbids a change of {path}.",
        "Run the agent as root, and look for an immutable flag with lsattr.",
    ),
    errno.ENOENT: ("The folder {folder} does not exist.", "Create it."),
    errno.ENOTDIR: ("{folder} is no folder.", "Remove what lies there and create the folder."),
    errno.EISDIR: ("{path} is a folder, not a file.", "Remove it."),
    errno.EIO: ("The disk fails at {path}.", "Look in the kernel's log and replace the disk."),
}


class Files(Protocol):
    """Generated files, by absolute path."""

    async def read(self, path: str) -> bytes | None:
        """What lies at `path`, through links; None: nothing. Raises `Unable`."""

    async def write(self, file: File) -> None:
        """Put `file` in place, whole and durable, with its mode from the first byte on.

        Raises `Unable`; the old file is then untouched.
        """

    async def remove(self, path: str) -> None:
        """Take away what lies at `path`; nothing there is success. Raises `Unable`."""


class DiskFiles:
    """The real ones. Flushing takes milliseconds, so each call is one hop to a thread."""

    def __init__(self) -> None:
        self._writing = threading.Lock()

    async def read(self, path: str) -> bytes | None:
        return await asyncio.to_thread(_read, path)

    async def write(self, file: File) -> None:
        await asyncio.to_thread(self._write, file)

    async def remove(self, path: str) -> None:
        await asyncio.to_thread(_remove, path)

    def _write(self, file: File) -> None:
        with self._writing:  # a change abandoned by its caller may still be under way
            write_durably(file)


def unable(error: OSError, path: str) -> Unable:
    """The kernel's number as a sentence and its remedy."""
    what, do = _REMEDIES.get(
        error.errno or 0, ("{path} cannot be changed: " + str(error.strerror) + ".", "Mend that.")
    )
    words = {"path": path, "folder": os.path.dirname(path)}  # noqa: PTH120  as it was given
    return Unable(what.format(**words), do=do)


def _read(path: str) -> bytes | None:
    try:
        # O_NONBLOCK: a pipe somebody put there must not hold us for ever
        with open(path, "rb", opener=_nonblocking) as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise _no_file(path)
            return file.read(MOST_BYTES)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except IsADirectoryError as error:
        raise _no_file(path) from error
    except OSError as error:
        raise Unable(
            f"{path} cannot be read: {error.strerror}.", do="Run the agent as root."
        ) from error


def _nonblocking(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NONBLOCK)


def _no_file(path: str) -> Unable:
    return Unable(f"{path} is no plain file.", do="Remove what lies there.")


@contextmanager
def _folder_of(path: str) -> Iterator[tuple[int, str]]:
    """The open folder of `path`, and the name in it: everything happens in one folder."""
    folder, name = os.path.split(path)
    try:
        fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            yield fd, name
        finally:
            os.close(fd)
    except OSError as error:
        raise unable(error, path) from error


def write_durably(file: File) -> None:
    """What `Files.write` does, for code that has a thread of its own or a few bytes.

    Raises `Unable`; the old file is then untouched.
    """
    with _folder_of(file.path) as (folder, name):
        _refuse_odd_target(file.path, folder, name)
        fresh = f".{name}.new"
        with suppress(FileNotFoundError):
            os.unlink(fresh, dir_fd=folder)
        try:
            _fill(file, fresh, folder)
            os.rename(fresh, name, src_dir_fd=folder, dst_dir_fd=folder)
        except BaseException:
            with suppress(OSError):
                os.unlink(fresh, dir_fd=folder)
            raise
        os.fsync(folder)
    if _read(file.path) != file.data:
        raise Unable(
            f"{file.path} does not hold what was just written to it.",
            do="Find out what else writes that file, and check the disk.",
        )


def _refuse_odd_target(path: str, folder: int, name: str) -> None:
    try:
        mode = os.lstat(name, dir_fd=folder).st_mode
    except FileNotFoundError:
        return
    if stat.S_ISLNK(mode):
        raise Unable(f"{path} is a symbolic link.", do="Remove the link; the file is ours.")
    if not stat.S_ISREG(mode):
        raise _no_file(path)


def _fill(file: File, fresh: str, folder: int) -> None:
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
    fd = os.open(fresh, flags, file.mode, dir_fd=folder)
    with os.fdopen(fd, "wb", buffering=0) as target:
        # the umask can only have taken rights away; given back while it is still empty
        if stat.S_IMODE(os.fstat(fd).st_mode) != file.mode:
            os.fchmod(fd, file.mode)
        left = memoryview(file.data)
        while left:
            left = left[target.write(left) :]
        os.fsync(fd)


def _remove(path: str) -> None:
    folder, name = os.path.split(path)
    if not os.path.isdir(folder):  # noqa: PTH112  nothing lies in a folder that is not there
        return
    with _folder_of(path) as (fd, _), suppress(FileNotFoundError):
        os.unlink(name, dir_fd=fd)
        os.fsync(fd)
