# SPDX-License-Identifier: Apache-2.0
"""Where the partitions lie, and the same as sfdisk wants to hear it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from image.recipe import DISK_MIB, DISK_UUID, PARTITIONS, Partition

MIB = 1 << 20
SECTOR = 512
GRAIN = 4096
"""The rest of the disk ends on this, as systemd-repart would have it: nothing is left to grow."""
TABLE = 33 * SECTOR
"""The copy of the table at the end of the disk."""


@dataclass(frozen=True)
class Place:
    """A partition's stretch of the disk, in bytes."""

    partition: Partition
    start: int
    size: int


def places(
    partitions: Sequence[Partition] = PARTITIONS, *, disk_mib: int = DISK_MIB
) -> tuple[Place, ...]:
    """Each partition behind the one before, on whole MiB; the first MiB is the GPT's."""
    found = []
    start = MIB
    end = (disk_mib * MIB - TABLE) // GRAIN * GRAIN
    for partition in partitions:
        size = partition.size_mib * MIB or end - start
        found.append(Place(partition, start, size))
        start += size
    return tuple(found)


def sfdisk_script(chosen: Sequence[Place]) -> str:
    """The partition table as sfdisk's input."""
    lines = ["label: gpt", f"label-id: {DISK_UUID}", "unit: sectors", ""]
    lines += [
        f"{each.partition.number}: start={each.start // SECTOR}, size={each.size // SECTOR}, "
        f"type={each.partition.kind}, uuid={each.partition.uuid}, name={each.partition.label}"
        for each in chosen
    ]
    return "\n".join(lines) + "\n"
