# SPDX-License-Identifier: Apache-2.0
"""Disks as a person sees them: which may be chosen, why another may not, what would be lost."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

SECTOR = 512
"""The image's partition table counts in these."""
_DISK = re.compile(r"(sd|vd|xvd)[a-z]+|nvme[0-9]+n[0-9]+|mmcblk[0-9]+")
_UNITS = ("bytes", "KiB", "MiB", "GiB", "TiB", "PiB")


@dataclass(frozen=True)
class Part:
    """A partition, or the content of a disk without any."""

    name: str
    size: int
    content: str
    """File system and label, or what the partition table calls it; may be empty."""


@dataclass(frozen=True)
class Disk:
    """A disk of this machine; sizes in bytes."""

    name: str
    """The kernel's, without /dev/."""
    size: int
    sector: int = SECTOR
    """The smallest piece it addresses."""
    model: str = ""
    serial: str = ""
    removable: bool = False
    read_only: bool = False
    used_by: tuple[str, ...] = ()
    """Where it or its parts are mounted, or what is built on them."""
    parts: tuple[Part, ...] = ()


@dataclass(frozen=True)
class Hindrance:
    """Why a disk cannot be chosen."""

    short: str
    """Beside it in the list."""
    what: str
    do: str


def is_disk(name: str) -> bool:
    """Whether the kernel gives this name to disks; CD drives, RAM disks and loops have others."""
    return _DISK.fullmatch(name) is not None


def offered(disks: Sequence[Disk], *, medium: str) -> tuple[Disk, ...]:
    """Those a person is shown: never the medium, never an empty card reader.

    Fixed disks come before removable ones, since nobody means the other stick.
    """
    shown = [disk for disk in disks if disk.name != medium and disk.size]
    return tuple(sorted(shown, key=lambda disk: (disk.removable, len(disk.name), disk.name)))


def hindrance(disk: Disk, *, needed: int) -> Hindrance | None:
    """What keeps the appliance from this disk, if anything does."""
    if disk.used_by:
        return Hindrance(
            "in use",
            f"{disk.name} is in use ({', '.join(disk.used_by)}).",
            "Choose another disk, or restart the machine to let go of it.",
        )
    if disk.read_only:
        return Hindrance(
            "read-only",
            f"{disk.name} cannot be written to.",
            "Look for its write protection, or choose another disk.",
        )
    if disk.size < needed:
        return Hindrance(
            "too small",
            f"{disk.name} has {size_words(disk.size)} and Ballast needs {size_words(needed)}.",
            "Choose a larger disk, or give this machine one, then press r.",
        )
    if disk.sector != SECTOR:
        return Hindrance(
            f"{disk.sector}-byte sectors",
            f"{disk.name} has sectors of {disk.sector} bytes and Ballast needs {SECTOR}.",
            "Format it to 512-byte sectors with its maker's tool, or choose another disk.",
        )
    return None


def first_choice(disks: Sequence[Disk], *, needed: int) -> int:
    """The number of the disk on which the cursor stands at first: one that can be chosen."""
    for number, disk in enumerate(disks):
        if not disk.removable and hindrance(disk, needed=needed) is None:
            return number
    return 0


def size_words(size: int) -> str:
    """`12.0 GiB`; rounded down, so that a disk that is too small never looks large enough."""
    power = max(0, min((size.bit_length() - 1) // 10, len(_UNITS) - 1))
    if power == 0:
        return f"{size} bytes"
    tenths = size * 10 >> 10 * power
    if tenths % 10 == 0:
        return f"{tenths // 10} {_UNITS[power]}"
    return f"{tenths // 10}.{tenths % 10} {_UNITS[power]}"


def holds_appliance(disk: Disk) -> bool:
    """Whether there is a Ballast on it already."""
    return {"root-a", "root-b"} <= {part.content for part in disk.parts}
