# SPDX-License-Identifier: Apache-2.0
"""From disk.raw to the files a person downloads, and their checksums.

Each is written beside its place and moved there when it is whole. qemu-img works with one
coroutine, because more of them write in the order in which they happen to finish.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Iterable
from pathlib import Path

from image.disk.assembly import demand_programs
from image.disk.sparse import demand_space, replacing
from image.formats import ova, vhdx
from image.recipe import NAME, VMDK_CID, identifier, source_date_epoch, version
from services.command import run
from services.errors import Refused

log = logging.getLogger(__name__)

PROGRAMS = {"qemu-img": "qemu-utils", "zstd": "zstd"}
SUMS = "SHA256SUMS"
CONVERT_S = 1800.0
_FAILED = "Its own words say what is wrong; the product was not changed."


async def make(disk: Path, products: Path) -> list[Path]:
    """Make every format of `disk` in `products`; return the files.

    Raises `Unable` for missing programs or room, with the remedy.
    """
    _demand(disk, products)
    made = [
        await _qcow2(disk, products / f"{NAME}-{version()}-va.qcow2"),
        await _ova(disk, products / f"{NAME}-{version()}-va.ova"),
        await _vhdx(disk, products / f"{NAME}-{version()}-va.vhdx"),
        await _raw(disk, raw_of(products)),
    ]
    for path in made:
        log.info("%s: %d MiB", path.name, path.stat().st_size >> 20)
    return made


def raw_of(products: Path) -> Path:
    """The disk as a server takes it; the installer medium carries the same file."""
    return products / f"{NAME}-{version()}-hardware.raw.zst"


async def make_raw(disk: Path, products: Path) -> Path:
    """Make this format alone; raises `Unable` as `make` does."""
    _demand(disk, products)
    return await _raw(disk, raw_of(products))


def _demand(disk: Path, products: Path) -> None:
    demand_programs(PROGRAMS)
    if not disk.exists():
        raise Refused(f"There is no {disk}.", do="Build it first: python -m image disk")
    demand_space(products, 4 * disk.stat().st_blocks * 512)


async def _qcow2(disk: Path, target: Path) -> Path:
    with replacing(target) as fresh:
        await _convert(disk, fresh, "qcow2", "-c", options="compression_type=zstd")
    return target


async def _vhdx(disk: Path, target: Path) -> Path:
    with replacing(target) as fresh:
        await _convert(disk, fresh, "vhdx", options="subformat=dynamic,block_size=1M")
        vhdx.settle(fresh, identifier("vhdx"))
    return target


async def _ova(disk: Path, target: Path) -> Path:
    # The name inside: the VMDK's own descriptor mentions it.
    name = target.stem
    vmdk = target.with_name(f"{name}-disk1.vmdk")
    try:
        await _convert(
            disk, vmdk, "vmdk", options="subformat=streamOptimized,adapter_type=lsilogic"
        )
        ova.settle_vmdk(vmdk, VMDK_CID)
        sizes = ova.Disk(vmdk.name, vmdk.stat().st_size, disk.stat().st_size, _used(disk))
        text = ova.describe(sizes, name=name, version=version())
        with replacing(target) as fresh:
            ova.pack(fresh, text, vmdk, name=name, epoch=source_date_epoch())
    finally:
        vmdk.unlink(missing_ok=True)
    return target


async def _raw(disk: Path, target: Path) -> Path:
    with replacing(target) as fresh:
        argv = ["zstd", "-q", "-f", "-10", "-T0", str(disk), "-o", str(fresh)]
        await run(argv, timeout_s=CONVERT_S, do=_FAILED)
    return target


async def _convert(disk: Path, target: Path, kind: str, *flags: str, options: str) -> None:
    argv = ["qemu-img", "convert", "-m", "1", "-f", "raw", "-O", kind, "-o", options, *flags]
    await run([*argv, str(disk), str(target)], timeout_s=CONVERT_S, do=_FAILED)


def _used(disk: Path) -> int:
    """Bytes that are not holes, by content: what the file system of the builder did is chance."""
    block = 1 << 16
    zero = bytes(block)
    with disk.open("rb") as file:
        return sum(block for data in iter(lambda: file.read(block), b"") if data != zero)


def write_sums(products: Path, files: Iterable[Path]) -> Path:
    """SHA256SUMS of the files, as sha256sum --check reads it."""
    lines = []
    for path in sorted(files):
        with path.open("rb") as file:
            lines.append(f"{hashlib.file_digest(file, 'sha256').hexdigest()}  {path.name}\n")
    target = products / SUMS
    with replacing(target) as fresh:
        fresh.write_text("".join(lines))
    return target
