# SPDX-License-Identifier: Apache-2.0
"""The medium this installer came on: found by what it says of itself, read as a whole, let go.

Another medium of the same version is not taken for it: the hash of what it carries is its name.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from image.installer.payload import DESCRIPTOR_AT, ISO_SECTOR, Payload
from services.command import run
from services.errors import ApplianceError, Unable

FOLDER = Path("/medium")
BLOCK = 1 << 20
AGAIN = "Compare the download with its SHA256SUMS, then write the medium again or use another one."
Progress = Callable[[int, int], None]
"""Done, of how many bytes."""


def find(payload: Payload, names: Sequence[str], *, devices: Path = Path("/dev")) -> str | None:
    """The name of the block device that is the medium; None as long as there is none."""
    for name in names:
        # an empty drive, a disk that does not answer: not the medium
        with suppress(OSError):
            fd = os.open(devices / name, os.O_RDONLY | os.O_CLOEXEC)
            try:
                if payload.is_carried_by(os.pread(fd, ISO_SECTOR, DESCRIPTOR_AT)):
                    return name
            finally:
                os.close(fd)
    return None


@contextmanager
def mounted(name: str, folder: Path = FOLDER) -> Iterator[Path]:
    """The medium's files. Afterwards nothing holds it, so that it can be taken out."""
    import asyncio

    folder.mkdir(exist_ok=True)
    do = "Look whether the medium is still connected, then press Enter."
    asyncio.run(run(["modprobe", "-a", "cdrom", "isofs"], timeout_s=60, do=do))
    argv = ["mount", "-t", "iso9660", "-o", "ro", f"/dev/{name}", str(folder)]
    asyncio.run(run(argv, timeout_s=60, do=do))
    try:
        yield folder
    finally:
        # it fails when the medium was pulled out, which is no second error
        with suppress(ApplianceError):
            asyncio.run(run(["umount", str(folder)], timeout_s=60, do=do))


def check(payload: Payload, path: Path, progress: Progress) -> None:
    """Read the file of the medium and compare it with its hash; raises `Unable`."""
    digest = hashlib.sha256()
    done = 0
    try:
        with path.open("rb", buffering=0) as file:
            while block := file.read(BLOCK):
                digest.update(block)
                done += len(block)
                progress(done, payload.size)
    except OSError as error:
        raise Unable(f"The medium cannot be read: {error.strerror}.", do=AGAIN) from error
    if (done, digest.hexdigest()) != (payload.size, payload.sha256):
        raise Unable(
            f"The medium is damaged: {payload.file} is not as it was made.",
            do=AGAIN,
        )
