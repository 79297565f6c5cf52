# SPDX-License-Identifier: Apache-2.0
"""The EFI system partition: signed boot loaders, and the configuration both firmwares read."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path, PurePosixPath

from image.disk import grub
from image.disk.layout import SECTOR
from image.disk.slot import Slot
from image.disk.sparse import blank
from image.recipe import ESP_LABEL, ESP_SERIAL
from image.toolbox import Toolbox
from services.command import run

INSTALL = "Install the package mtools, then build again."


def files(toolbox: Toolbox, slot: Slot) -> dict[str, bytes]:
    """Name on the partition → bytes."""
    signed = toolbox.boot_file("usr/lib/grub/x86_64-efi-signed/grubx64.efi.signed")
    shim = toolbox.boot_file("usr/lib/shim/shimx64.efi.signed")
    hashsum = toolbox.boot_file("usr/lib/grub/x86_64-efi/hashsum.mod")
    return {
        "EFI/BOOT/BOOTX64.EFI": shim.read_bytes(),
        "EFI/BOOT/grubx64.efi": signed.read_bytes(),
        f"{grub.FOLDER}/x86_64-efi/hashsum.mod": hashsum.read_bytes(),
        f"{grub.FOLDER}/grub.cfg": grub.grub_cfg().encode(),
        f"{grub.FOLDER}/grubenv": grub.environment_block(grub.ENVIRONMENT),
        f"{grub.FOLDER}/slot-a.cfg": grub.slot_cfg(slot).encode(),
        f"{grub.FOLDER}/slot-a.sum": grub.slot_sum(slot, toolbox.root).encode(),
    }


async def make(
    content: Mapping[str, bytes],
    target: Path,
    *,
    size: int,
    epoch: int,
    serial: int = ESP_SERIAL,
    fat32: bool = True,
) -> None:
    """A FAT file system of `size` bytes with these files.

    Below 33 MiB it cannot be FAT32, and mformat chooses between the others by the size.
    """
    env = {"SOURCE_DATE_EPOCH": str(epoch), "MTOOLSRC": "/dev/null"}
    blank(target, size)
    label = ("-v", ESP_LABEL, "-N", f"{serial:08x}")
    kind = ("-F",) if fat32 else ("-T", str(size // SECTOR), "-h", "64", "-s", "32")
    await _mtools("mformat", target, *kind, *label, "::", env=env)
    with tempfile.TemporaryDirectory(dir=target.parent) as work:
        for folder in folders(content):
            await _mtools("mmd", target, f"::{folder}", env=env)
        for name, data in content.items():
            path = Path(work) / Path(name).name
            path.write_bytes(data)
            await _mtools("mcopy", target, str(path), f"::{name}", env=env)


def folders(names: Iterable[str]) -> list[str]:
    """Every folder above these files, a parent before its children."""
    found = {str(each) for name in names for each in PurePosixPath(name).parents}
    return sorted(found - {"."})


async def _mtools(program: str, image: Path, *args: str, env: Mapping[str, str]) -> None:
    argv = [program, "-i", str(image), *args]
    await run(argv, timeout_s=60, env=env, do=INSTALL)
