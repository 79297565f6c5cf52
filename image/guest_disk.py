# SPDX-License-Identifier: Apache-2.0
"""Look into and change the disk of a machine that is off, without mounting it.

Used to try an image in ways a person at the machine could not wait for: to give the kernel more
options, to read what GRUB has counted, to damage what a worn disk would damage. Only ever on an
`overlay`, never on a product.
"""

from __future__ import annotations

import math
import tempfile
from collections.abc import Mapping
from pathlib import Path

from image.disk.grub import FOLDER, environment_block
from image.disk.layout import MIB, Place, places
from image.recipe import ESP, Partition
from services.command import run
from services.errors import Unable

INSTALL = "As root: apt-get install --no-install-recommends qemu-utils mtools"
GRUBENV = f"::{FOLDER}/grubenv"
CHUNK = 1 << 16


async def overlay(disk: Path, target: Path) -> None:
    """Make `target` a qcow2 that takes the writes meant for `disk`."""
    if not disk.exists():
        raise Unable(f"There is no {disk}.", do="Build it first: make image")
    kind = "qcow2" if disk.suffix == ".qcow2" else "raw"
    argv = ["qemu-img", "create", "-q", "-f", "qcow2", "-b", str(disk.resolve()), "-F", kind]
    await run([*argv, str(target)], timeout_s=60, do=INSTALL)


async def shorten(disk: Path, size: int) -> None:
    """Make an overlay a smaller or larger disk than the one below."""
    argv = ["qemu-img", "resize", "-q", "-f", "qcow2", "--shrink", str(disk), str(size)]
    await run(argv, timeout_s=60, do=INSTALL)


async def overwrite(disk: Path, at: int, size: int, *, byte: int = 0xA5) -> None:
    """Write `size` equal bytes to the overlay."""
    await _io(disk, f"write -q -P {byte} {at} {size}")


async def write(disk: Path, at: int, data: bytes) -> None:
    """Write bytes to the overlay; both numbers are multiples of 512."""
    with tempfile.NamedTemporaryFile() as file:
        file.write(data)
        file.flush()
        await _io(disk, f"write -q -s {file.name} {at} {len(data)}")


async def read(disk: Path, at: int, size: int) -> bytes:
    """Read bytes of the disk as the guest sees it; both numbers are multiples of 512."""
    with tempfile.TemporaryDirectory() as work:
        target = Path(work) / "out"
        block = math.gcd(at, size, MIB)  # as large as may be: each costs a read and a write
        argv = ["qemu-img", "dd", "-f", "qcow2", "-O", "raw", f"bs={block}", f"skip={at // block}"]
        argv += [f"count={(at + size) // block}", f"if={disk}", f"of={target}"]
        await run(argv, timeout_s=300, do=INSTALL)
        return target.read_bytes()


def place_of(partition: Partition) -> Place:
    """Where a partition lies."""
    return next(each for each in places() if each.partition == partition)


async def grub_variables(disk: Path) -> dict[str, str]:
    """What GRUB remembers."""
    with tempfile.TemporaryDirectory() as work:
        image = Path(work) / "esp"
        image.write_bytes(await _esp(disk))
        said = await run(["mtype", "-i", str(image), GRUBENV], timeout_s=60, do=INSTALL)
    lines = [line for line in said.stdout.splitlines() if "=" in line]
    return {name: value for name, _, value in (line.partition("=") for line in lines)}


async def set_grub_variables(disk: Path, variables: Mapping[str, str]) -> None:
    """Let GRUB remember these beside the others; `EXTRA` goes to the kernel's command line."""
    wanted = await grub_variables(disk) | dict(variables)
    before = await _esp(disk)
    with tempfile.TemporaryDirectory() as work:
        image, block = Path(work) / "esp", Path(work) / "grubenv"
        image.write_bytes(before)
        block.write_bytes(environment_block(wanted))
        argv = ["mcopy", "-o", "-i", str(image), str(block), GRUBENV]
        await run(argv, timeout_s=60, do=INSTALL)
        after = image.read_bytes()
    for offset in range(0, len(after), CHUNK):
        piece = after[offset : offset + CHUNK]
        if piece != before[offset : offset + CHUNK]:
            await write(disk, place_of(ESP).start + offset, piece)


async def _esp(disk: Path) -> bytes:
    return await read(disk, place_of(ESP).start, ESP.size_mib * MIB)


async def _io(disk: Path, command: str) -> None:
    await run(["qemu-io", "-f", "qcow2", "-c", command, str(disk)], timeout_s=300, do=INSTALL)
