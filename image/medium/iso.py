# SPDX-License-Identifier: Apache-2.0
"""Put the medium together: what starts, the installer, and the appliance's disk as it is shipped.

One image for every way in: a CD starts by El Torito, a stick by its first sector or by the EFI
partition of its GPT, and both kinds of firmware find their loader either way. xorriso writes it,
told every time, identifier and name, since it would take them from the clock and from chance.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import logging
import shutil
from collections.abc import Sequence
from pathlib import Path

from image.disk import esp
from image.disk.assembly import demand_programs, unpack
from image.disk.layout import MIB
from image.disk.slot import boot_files
from image.disk.sparse import demand_space, replacing
from image.installer.payload import CHUNK, Payload
from image.medium import boot, ramdisk
from image.recipe import MEDIUM_SERIAL, NAME, identifier, source_date_epoch, version
from image.toolbox import Toolbox
from services.command import run

log = logging.getLogger(__name__)

PROGRAMS = {
    **dict.fromkeys(("mformat", "mcopy", "mmd"), "mtools"),
    "xorriso": "xorriso",
    "zstd": "zstd",
    "tar": "tar",
    "dpkg-deb": "dpkg",
}
WORK = ".medium"
EFI_MIB = 8
VOLUME = "BALLAST"
XORRISO_S = 600.0
_FAILED = "Its own words say what is wrong; the product was not changed."
_ZERO = bytes(CHUNK)


def describe(disk: Path, image: Path) -> Payload:
    """What the medium carries: `image` is the compressed `disk`."""
    with image.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    sums: dict[int, str] = {}
    with disk.open("rb") as file:
        number = 0
        while block := file.read(CHUNK):
            if block != _ZERO[: len(block)]:
                sums[number] = hashlib.sha256(block).hexdigest()
            number += 1
    return Payload(
        version=version(),
        file=image.name,
        size=image.stat().st_size,
        sha256=digest,
        disk_size=disk.stat().st_size,
        sums=sums,
    )


async def make(
    disk: Path, image: Path, archive: Path, products: Path, *, boot_debs: Sequence[Path]
) -> Path:
    """Make the medium in `products` from the disk, its compressed form and the root's archive.

    Raises `Unable` or `Refused` with the remedy; then no file has changed and none is left over.
    """
    demand_programs(PROGRAMS)
    demand_space(products, 2 * archive.stat().st_size + 2 * image.stat().st_size)
    work = products / WORK
    shutil.rmtree(work, ignore_errors=True)
    (work / "root").mkdir(parents=True)
    target = products / f"{NAME}-{version()}-installer.iso"
    try:
        for deb in boot_debs:
            await run(["dpkg-deb", "--extract", str(deb), str(work / "boot")], timeout_s=60)
        await unpack(archive, work / "root")
        toolbox = Toolbox(work / "root", work / "boot")
        with replacing(target) as fresh:
            await _write(toolbox, describe(disk, image), image, work, fresh)
    finally:
        shutil.rmtree(work)
    log.info("%s: %d MiB", target.name, target.stat().st_size // MIB)
    return target


async def _write(toolbox: Toolbox, payload: Payload, image: Path, work: Path, target: Path) -> None:
    epoch = source_date_epoch()
    tree = work / "tree"
    await _lay_out(toolbox, payload, tree, epoch=epoch)
    efi = work / "efi.img"
    content = boot.efi_files(toolbox, payload.identity)
    size = EFI_MIB * MIB
    await esp.make(content, efi, size=size, epoch=epoch, serial=MEDIUM_SERIAL, fat32=False)
    await run(
        [
            *("xorriso", "-as", "mkisofs", "-quiet", "-o", str(target)),
            *identity(payload, epoch=epoch),
            *("--grub2-mbr", str(boot.boot_hybrid(toolbox)), "--protective-msdos-label"),
            *("-partition_offset", "16", "--mbr-force-bootable"),
            *("-append_partition", "2", "0xef", str(efi), "-appended_part_as_gpt"),
            *("-c", "boot/catalog", "-b", boot.CORE, "-no-emul-boot", "-boot-load-size", "4"),
            *("-boot-info-table", "--grub2-boot-info", "-eltorito-alt-boot"),
            *("-e", "--interval:appended_partition_2:all::", "-no-emul-boot"),
            *("-graft-points", f"/={tree}", f"/{payload.file}={image}"),
        ],
        timeout_s=XORRISO_S,
        env={"SOURCE_DATE_EPOCH": str(epoch), "TZ": "UTC"},
        do=_FAILED,
    )


def identity(payload: Payload, *, epoch: int) -> list[str]:
    """Options of xorriso for names, times and identifiers."""
    moment = dt.datetime.fromtimestamp(epoch, dt.UTC)
    when = f"{moment:%Y%m%d%H%M%S}00"
    return [
        *("-r", "-V", VOLUME, "-volset", payload.identity),
        *("-A", f"{NAME} {payload.version} installer", "-p", "", "-publisher", ""),
        *(f"--modification-date={when}", "--set_all_file_dates", when),
        *("--gpt_disk_guid", identifier("medium").hex),
    ]


async def _lay_out(toolbox: Toolbox, payload: Payload, tree: Path, *, epoch: int) -> None:
    """The small files of the medium, in a folder; the big one is taken from where it lies."""
    for folder in (".disk", boot.FOLDER, "ballast"):
        (tree / folder).mkdir(parents=True)
    kernel, initrd = boot_files(toolbox.root)
    shutil.copyfile(toolbox.root / kernel.lstrip("/"), tree / boot.KERNEL)
    shutil.copyfile(toolbox.root / initrd.lstrip("/"), tree / boot.INITRD)
    made = ramdisk.archive(ramdisk.contents(toolbox.root, payload), epoch=epoch)
    plain = tree.parent / "installer.cpio"
    plain.write_bytes(made)
    argv = ["zstd", "-q", "-f", "-19", "-T1", str(plain), "-o", str(tree / boot.INSTALLER)]
    await run(argv, timeout_s=600, do=_FAILED)
    await boot.core_image(toolbox, tree / boot.CORE)
    (tree / boot.FOLDER / "grub.cfg").write_text(boot.grub_cfg(payload.identity))
    (tree / boot.mark(payload.identity)).write_text(f"{payload.version}\n")
    (tree / ".disk/info").write_text(f"{NAME} {payload.version} installer\n")
    names = (boot.KERNEL, boot.INITRD, boot.INSTALLER)
    (tree / boot.SUMS).write_text("".join(_sum(tree / name, f"/{name}") for name in names))
    (tree / "SHA256SUMS").write_text(f"{payload.sha256}  {payload.file}\n")


def _sum(path: Path, name: str) -> str:
    with path.open("rb") as file:
        return f"{hashlib.file_digest(file, 'sha256').hexdigest()}  {name}\n"
