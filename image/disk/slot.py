# SPDX-License-Identifier: Apache-2.0
"""A root slot: a read-only ext4, and right behind it the tree of hashes that dm-verity reads.

The file system is as large as its content, since the second slot is filled by copying the first.
It has no journal and no checksums of its own: nothing ever writes to it, and every block is
covered by the tree, whose root hash stands on the kernel's command line.
"""

from __future__ import annotations

import os
import re
import stat
from dataclasses import dataclass
from pathlib import Path

from image.disk.layout import MIB
from image.disk.sparse import blank
from image.recipe import identifier
from image.toolbox import Toolbox
from services.errors import Refused

BLOCK = 4096
INODE = 256
FEATURES = (
    "none,ext_attr,dir_index,filetype,extent,64bit,flex_bg,sparse_super,large_file,huge_file,"
    "dir_nlink,extra_isize"
)
"""What ext4 of GRUB 2.06 and newer reads; no more, so that a newer mke2fs makes the same."""
SPARE = 1.02
"""Group descriptors, bitmaps and the blocks of extents, over what is counted; measured 1.006."""


@dataclass(frozen=True)
class Slot:
    """What GRUB must know of a slot in order to boot it."""

    file: Path
    roothash: str
    hashoffset: int
    """Bytes; where the tree begins and the file system ends."""
    size: int
    """Bytes; the end of the tree."""
    kernel: str
    """Paths inside the root."""
    initrd: str


def environment(root: Path, epoch: int) -> dict[str, str]:
    """What keeps mke2fs from looking at the machine's clock and configuration."""
    return {
        "SOURCE_DATE_EPOCH": str(epoch),
        "E2FSPROGS_FAKE_TIME": str(epoch),
        "MKE2FS_CONFIG": str(root / "etc/mke2fs.conf"),
    }


async def make(toolbox: Toolbox, target: Path, *, room: int, epoch: int) -> Slot:
    """Make a slot of the toolbox's root in `target`; it must fit into `room` bytes."""
    root = toolbox.root
    blocks, inodes = needs(root)
    size = -(-int(blocks * SPARE + inodes * INODE / BLOCK + 1024) * BLOCK // (8 * MIB)) * 8 * MIB
    total = size + _tree(size // BLOCK) * BLOCK
    if total > room:
        raise Refused(
            f"The root file system needs {-(-total // MIB)} MiB and a slot has {room // MIB} MiB.",
            do="Take packages out of the image's elements, or give the slots more in the recipe.",
        )
    await toolbox.run(
        "usr/sbin/mke2fs",
        *("-q", "-F", "-t", "ext4", "-O", FEATURES, "-b", str(BLOCK), "-I", str(INODE)),
        *("-N", str(inodes), "-m", "0", "-L", "ballast-root", "-U", str(identifier("root"))),
        "-E",
        f"hash_seed={identifier('root/hash')},lazy_itable_init=0,nodiscard,root_owner=0:0",
        *("-d", root, target, str(size // BLOCK)),
        package="e2fsprogs",
        env=environment(root, epoch),
    )
    said = await toolbox.run(
        "usr/sbin/veritysetup",
        *("format", f"--hash-offset={size}", f"--data-blocks={size // BLOCK}"),
        *(f"--data-block-size={BLOCK}", f"--hash-block-size={BLOCK}", "--hash=sha256"),
        *(f"--uuid={identifier('root/verity')}", f"--salt={identifier('root/salt').hex}"),
        *(target, target),
        package="cryptsetup-bin",
    )
    found = re.search(r"^Root hash:\s*([0-9a-f]{64})$", said.stdout, re.MULTILINE)
    if found is None:
        raise Refused("veritysetup names no root hash.", do="Look at its output for the reason.")
    kernel, initrd = boot_files(root)
    return Slot(target, found[1], size, target.stat().st_size, kernel, initrd)


async def make_data(toolbox: Toolbox, target: Path, *, size: int, label: str, epoch: int) -> None:
    """The empty file system of the data partition."""
    blank(target, size)
    await toolbox.run(
        "usr/sbin/mke2fs",
        *("-q", "-F", "-t", "ext4", "-J", "size=64", "-m", "1", "-L", label),
        *("-U", str(identifier("data")), "-E"),
        f"hash_seed={identifier('data/hash')},nodiscard,root_owner=0:0",
        target,
        package="e2fsprogs",
        env=environment(toolbox.root, epoch),
    )


def needs(root: Path) -> tuple[int, int]:
    """Blocks and inodes of everything below `root`; a file with several names counts once."""
    blocks = inodes = 0
    seen: set[int] = set()
    for folder, folders, files in os.walk(root):
        for name in (*folders, *files):
            found = (Path(folder) / name).lstat()
            if found.st_nlink > 1 and not stat.S_ISDIR(found.st_mode):
                if found.st_ino in seen:
                    continue
                seen.add(found.st_ino)
            inodes += 1
            if stat.S_ISREG(found.st_mode):
                blocks += -(-found.st_size // BLOCK)
        blocks += 1 + len(folders + files) * 40 // BLOCK
    return blocks, inodes + 64


def _tree(blocks: int) -> int:
    """Blocks of the hash tree over `blocks`: its header, and 128 hashes to a block upwards."""
    total = 1
    while blocks > 1:
        blocks = -(-blocks // (BLOCK // 32))
        total += blocks
    return total


def boot_files(root: Path) -> tuple[str, str]:
    """The kernel and its initrd, as paths inside the root; there must be one of each."""
    found = []
    for pattern, package in (
        ("vmlinuz-*", "linux-image-amd64"),
        ("initrd.img-*", "initramfs-tools"),
    ):
        names = sorted(path.name for path in (root / "boot").glob(pattern))
        if len(names) != 1:
            raise Refused(
                f"/boot of the root file system has {len(names)} files {pattern}, not one.",
                do=f"Look at what {package} left there, and build the root again.",
            )
        found.append(f"/boot/{names[0]}")
    return found[0], found[1]
