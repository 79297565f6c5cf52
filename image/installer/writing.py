# SPDX-License-Identifier: Apache-2.0
"""Write the appliance to a disk and read it back.

The first stretch holds the boot loader and the partition table: it is erased first and written
last, so that a disk on which the installation was cut off does not start. Zeros are not sent to
the disk but asked of it, which most disks do at once. Reading back goes past the kernel's memory,
which would only say what was meant to be written.

There is one buffer for everything: fresh memory for each of two thousand stretches would cost more
than the work itself on a slow machine.
"""

from __future__ import annotations

import fcntl
import mmap
import os
import struct
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Protocol

from image.installer.medium import Progress
from image.installer.payload import CHUNK, Payload
from image.installer.table import HEAD, Patch, relocated
from services.errors import Unable

BLKZEROOUT = 0x127F
BLKFLSBUF = 0x1261
BLKRRPART = 0x125F
TAIL = 1 << 20
"""Bytes at the end of the disk where a former partition table has its copy."""
NOT_ACCEPTED = "Install again; should it happen again, the disk or its cable is to be replaced."


class Source(Protocol):
    """What the image comes out of."""

    def readinto(self, buffer: memoryview, /) -> int | None:
        """Fill the buffer, as far as there is something; 0 at the end."""


@contextmanager
def opened(name: str, *, devices: Path = Path("/dev")) -> Iterator[int]:
    """The disk, for us alone; raises `Unable`, also for whatever it refuses meanwhile."""
    try:
        # O_EXCL: the kernel refuses a disk that anything else has claimed
        fd = os.open(devices / name, os.O_RDWR | os.O_EXCL | os.O_CLOEXEC)
    except OSError as error:
        raise Unable(
            f"{name} cannot be opened for writing: {error.strerror}.",
            do="Choose another disk, or look whether this one is in use or write-protected.",
        ) from error
    try:
        yield fd
    finally:
        with suppress(OSError):
            os.close(fd)


def write(payload: Payload, image: Source, fd: int, progress: Progress) -> None:
    """Write what comes out of `image`; raises `Unable` for it and for the disk."""
    with _disk_errors("written to"):
        size = os.lseek(fd, 0, os.SEEK_END)
        _zero(fd, 0, min(CHUNK, size))
        _zero(fd, size - min(TAIL, size), min(TAIL, size))
        os.fsync(fd)
    first = b""
    buffer = bytearray(CHUNK)
    for number in range(payload.chunks):
        block = _next(payload, image, number, buffer)
        with _disk_errors("written to"):
            if number == 0:
                first = bytes(block)
            elif number in payload.sums:
                _put(fd, number * CHUNK, block)
            else:
                _zero(fd, number * CHUNK, len(block))
        progress(number * CHUNK + len(block), payload.disk_size)
    with _disk_errors("written to"):
        _put(fd, 0, first)
        os.fsync(fd)


def verify(payload: Payload, fd: int, progress: Progress) -> None:
    """Read the disk and compare it; raises `Unable`."""
    with _disk_errors("read"), _straight(fd), mmap.mmap(-1, CHUNK) as buffer:
        for number in range(payload.chunks):
            at, length = number * CHUNK, payload.length(number)
            view = memoryview(buffer)[:length]
            with view:
                read = os.preadv(fd, [view], at)
                good = read == length and payload.holds(number, view)
            if not good:
                raise Unable(
                    f"The disk did not keep what was written to it, {at >> 20} MiB from its start.",
                    do=NOT_ACCEPTED,
                )
            progress(at + length, payload.disk_size)


def fit(fd: int) -> None:
    """Let the partition table fit the disk, and see that it does; raises `Unable`."""
    with _disk_errors("written to"):
        size = os.lseek(fd, 0, os.SEEK_END)
        patches = relocated(_get(fd, 0, HEAD), size)
        for patch in patches:
            _put(fd, patch.at, patch.data)
            os.fsync(fd)
        _forget(fd)
        lost = [each for each in patches if _get(fd, each.at, len(each.data)) != each.data]
    if lost:
        raise Unable(_lost(lost[0]), do=NOT_ACCEPTED)
    # only udev would miss it; the machine restarts anyway
    with suppress(OSError):
        fcntl.ioctl(fd, BLKRRPART, 0)


def _lost(patch: Patch) -> str:
    return f"The disk did not keep its partition table, {patch.at >> 20} MiB from its start."


def _next(payload: Payload, image: Source, number: int, buffer: bytearray) -> memoryview:
    """The next stretch, known to be right before a byte of it is written."""
    wanted = memoryview(buffer)[: payload.length(number)]
    came = 0
    try:
        while came < len(wanted) and (more := image.readinto(wanted[came:])):
            came += more
    except OSError as error:
        raise _stale(f"The medium cannot be read: {error.strerror}.") from error
    if not payload.holds(number, wanted[:came]):
        raise _stale("The medium was read differently than a moment ago.")
    return wanted


def _stale(what: str) -> Unable:
    return Unable(
        what, do="Look at its cable or its connection, or use another medium, and install again."
    )


@contextmanager
def _disk_errors(how: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise Unable(f"The disk cannot be {how}: {error.strerror}.", do=NOT_ACCEPTED) from error


@contextmanager
def _straight(fd: int) -> Iterator[None]:
    """Let reads of whole stretches go to the disk itself, if its driver can."""
    before = fcntl.fcntl(fd, fcntl.F_GETFL)
    _forget(fd)
    with suppress(OSError):
        fcntl.fcntl(fd, fcntl.F_SETFL, before | os.O_DIRECT)
    try:
        yield
    finally:
        fcntl.fcntl(fd, fcntl.F_SETFL, before)


def _forget(fd: int) -> None:
    """Let the kernel forget what it remembers of the disk, as far as it will."""
    with suppress(OSError):
        fcntl.ioctl(fd, BLKFLSBUF, 0)
    with suppress(OSError):
        os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)


def _put(fd: int, at: int, data: bytes | memoryview) -> None:
    view = memoryview(data)
    while view:
        written = os.pwrite(fd, view, at)
        view, at = view[written:], at + written


def _get(fd: int, at: int, size: int) -> bytes:
    data = b""
    while len(data) < size and (piece := os.pread(fd, size - len(data), at + len(data))):
        data += piece
    return data


def _zero(fd: int, at: int, size: int) -> None:
    try:
        fcntl.ioctl(fd, BLKZEROOUT, struct.pack("=QQ", at, size))
    except OSError:  # no block device, or one whose driver will not
        _put(fd, at, bytes(size))
