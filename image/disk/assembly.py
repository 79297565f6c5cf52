# SPDX-License-Identifier: Apache-2.0
"""Put the disk together: unpack the root, make the parts, pour them into one file."""

from __future__ import annotations

import logging
import shutil
import time
from collections.abc import Sequence
from pathlib import Path

from image.disk import esp, grub, slot
from image.disk.layout import MIB, SECTOR, Place, places, sfdisk_script
from image.disk.sparse import blank, demand_space, pour, replacing
from image.recipe import BIOS_BOOT, DATA, DATA_LABEL, DISK_MIB, ESP, ROOT_A, source_date_epoch
from image.toolbox import Toolbox
from services.command import run
from services.errors import Refused, Unable

log = logging.getLogger(__name__)

DISK = "disk.raw"
"""The disk as the firmware sees it; every format is made of it."""
WORK = ".disk"
"""Below the products: room for big files, and never left behind."""
PROGRAMS = {
    "tar": "tar",
    "dpkg-deb": "dpkg",
    "sfdisk": "fdisk",
    "mformat": "mtools",
    "mcopy": "mtools",
}
"""What must be on the machine → the package that brings it."""


def demand_programs(programs: dict[str, str]) -> None:
    """Raise `Unable`, naming the packages, unless all of `programs` are there."""
    path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
    lacking = {package for name, package in programs.items() if not shutil.which(name, path=path)}
    if lacking:
        raise Unable(
            f"Programs are missing: those of {', '.join(sorted(lacking))}.",
            do=f"As root: apt-get install --no-install-recommends {' '.join(sorted(lacking))}",
        )


async def build(archive: Path, products: Path, *, boot_debs: Sequence[Path]) -> Path:
    """Make `products`/disk.raw from the root file system in `archive`; return its path.

    `boot_debs` are the packages of `recipe.BOOT_PACKAGES`, as files.
    Raises `Unable` or `Refused` with the remedy; then no file has changed and none is left over.
    """
    demand_programs(PROGRAMS)
    if not archive.exists():
        raise Refused(f"There is no {archive}.", do="Build it first: python -m image root")
    epoch = source_date_epoch()
    if time.time() < epoch:
        raise Refused(
            "The clock of this machine is behind the time that the image's files bear.",
            do="Set the clock, or set SOURCE_DATE_EPOCH to a time in the past.",
        )
    demand_space(products, 3 * archive.stat().st_size + 512 * MIB)
    work = products / WORK
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    try:
        for deb in boot_debs:
            await run(["dpkg-deb", "--extract", str(deb), str(work / "boot")], timeout_s=60)
        return await _assemble(archive, work, products / DISK, epoch=epoch)
    finally:
        shutil.rmtree(work)


async def _assemble(archive: Path, work: Path, target: Path, *, epoch: int) -> Path:
    root = work / "root"
    root.mkdir()
    log.info("Unpacking the root file system")
    await unpack(archive, root)
    toolbox = Toolbox(root, work / "boot")
    where = {place.partition: place for place in places()}
    log.info("Making the slot, its hash tree and the other partitions")
    room = where[ROOT_A].size
    made = await slot.make(toolbox, work / "slot", room=room, epoch=epoch)
    await slot.make_data(
        toolbox, work / "data", size=where[DATA].size, label=DATA_LABEL, epoch=epoch
    )
    core = await _core(toolbox, work / "core", where[BIOS_BOOT])
    content = esp.files(toolbox, made)
    await esp.make(content, work / "esp", size=where[ESP].size, epoch=epoch)
    boot = toolbox.boot_file("usr/lib/grub/i386-pc/boot.img").read_bytes()
    sector = where[BIOS_BOOT].start // SECTOR
    with replacing(target) as disk:
        blank(disk, DISK_MIB * MIB)
        await run(
            ["sfdisk", "--quiet", "--no-reread", "--no-tell-kernel", str(disk)],
            stdin=sfdisk_script(tuple(where.values())),
            timeout_s=60,
            do="Its own words say what is wrong; nothing of the image was kept.",
        )
        with disk.open("r+b") as file:
            file.write(grub.boot_sector(boot, sector=sector))
            file.seek(where[BIOS_BOOT].start)
            file.write(core)
            for partition, name in ((ESP, "esp"), (ROOT_A, "slot"), (DATA, "data")):
                pour(work / name, file, at=where[partition].start)
    log.info("The slot takes %d MiB of %d", made.size // MIB, room // MIB)
    return target


async def unpack(archive: Path, folder: Path) -> None:
    """Unpack a root file system as it is: owners by number, capabilities, modes."""
    await run(
        [
            *("tar", "--extract", "--file", str(archive), "--directory", str(folder)),
            *("--numeric-owner", "--same-permissions", "--xattrs", "--xattrs-include=*"),
        ],
        timeout_s=600,
        do="Only root can unpack it; start the same command as root.",
    )


async def _core(toolbox: Toolbox, target: Path, place: Place) -> bytes:
    await grub.core_image(toolbox, target)
    return grub.place_core(target.read_bytes(), sector=place.start // SECTOR, room=place.size)
