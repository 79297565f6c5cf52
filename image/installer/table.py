# SPDX-License-Identifier: Apache-2.0
"""The partition table of a disk that is larger than the image (UEFI specification 2.10, 5.3).

The image ends with the copy of its table, and a table's copy belongs at the end of the disk: some
firmwares do not start from a disk whose copy is elsewhere. So the copy moves. The data partition
keeps its size: it grows when the appliance starts for the first time.
"""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass

from image.installer.disks import SECTOR
from services.errors import Unable

HEAD = 34 * SECTOR
"""Protective MBR, header, entries: what must be read in order to decide."""
_HEADER = struct.Struct("<8s4sIIIQQQQ16sQIII")
_SIGNATURE = b"EFI PART"
_MBR_SECTORS = 446 + 12
"""Where the MBR's only entry says how many sectors it protects."""


@dataclass(frozen=True)
class Patch:
    """Bytes to write."""

    at: int
    data: bytes


def relocated(head: bytes, disk_size: int) -> tuple[Patch, ...]:
    """What must be written for the table to fit a disk of `disk_size`, in that order.

    The new copy comes first, the header that points to it last: cut off in between, the disk has
    one table that is right. Nothing, if the image fills the disk. Raises `Unable` if `head` is
    no partition table.
    """
    fields = _header(head)
    size, copy = fields[2], fields[6]
    entries_at, count, length = fields[10], fields[11], fields[12]
    last = disk_size // SECTOR - 1
    if copy == last:
        return ()
    entries = head[entries_at * SECTOR :][: count * length]
    room = -(-len(entries) // SECTOR)
    sectors = struct.pack("<I", min(last, 0xFFFFFFFF))
    mbr = head[:_MBR_SECTORS] + sectors + head[_MBR_SECTORS + 4 : SECTOR]
    usable = last - room - 1
    primary = _sealed(fields, size, here=1, other=last, usable=usable, entries_at=entries_at)
    backup = _sealed(fields, size, here=last, other=1, usable=usable, entries_at=last - room)
    old = (copy - room) * SECTOR
    end = min((copy + 1) * SECTOR, (last - room) * SECTOR)
    return (
        Patch((last - room) * SECTOR, entries.ljust(room * SECTOR, b"\0")),
        Patch(last * SECTOR, backup),
        Patch(0, mbr + primary),
        *((Patch(old, bytes(end - old)),) if end > old else ()),
    )


def _header(head: bytes) -> tuple[int, ...]:
    fields = _HEADER.unpack_from(head, SECTOR)
    size = fields[2]
    if len(head) == HEAD and fields[0] == _SIGNATURE and _HEADER.size <= size <= SECTOR:
        sealed = head[SECTOR : SECTOR + size]
        entries = head[fields[10] * SECTOR :][: fields[11] * fields[12]]
        if (
            zlib.crc32(sealed[:16] + bytes(4) + sealed[20:]) == fields[3]
            and zlib.crc32(entries) == fields[13]
        ):
            return fields
    raise Unable(
        "What was written does not begin with a partition table.",
        do="Write the medium again from a download whose checksum is right.",
    )


def _sealed(
    fields: tuple[int, ...], size: int, *, here: int, other: int, usable: int, entries_at: int
) -> bytes:
    """A header with its checksum, filled up to its sector."""
    fresh = list(fields)
    fresh[3], fresh[5], fresh[6], fresh[8], fresh[10] = 0, here, other, usable, entries_at
    bare = _HEADER.pack(*fresh).ljust(size, b"\0")
    return (bare[:16] + struct.pack("<I", zlib.crc32(bare)) + bare[20:]).ljust(SECTOR, b"\0")
