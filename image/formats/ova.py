# SPDX-License-Identifier: Apache-2.0
"""OVA: a tar of the machine's description, its checksums, and a streamOptimized VMDK.

The description is a page of XML kept as such (va.ovf), with what the recipe says put in: 8 GB,
2 GB, one processor, four network cards of which only eth0 is connected when the machine is
switched on. The disk's controller is the one that every importer knows.
"""

from __future__ import annotations

import hashlib
import io
import re
import tarfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from string import Template
from xml.sax.saxutils import escape

from image.recipe import VA
from services.errors import Refused

HERE = Path(__file__).parent
CARD_SLOT = 7
"""The place on the bus where hypervisors begin to count network cards."""
FIRST_CARD = 10
"""InstanceID; the ones below are the other devices'."""
DESCRIPTOR = 512
DESCRIPTOR_SIZE = 20 * 512
"""Where qemu-img keeps the VMDK's own description: text, and zeros up to the end."""
_CID = re.compile(rb"\nCID=[0-9a-f]{1,8}\n")


@dataclass(frozen=True)
class Disk:
    """The VMDK as the description speaks of it; sizes in bytes."""

    name: str
    size: int
    capacity: int
    populated: int


def settle_vmdk(path: Path, identifier: int) -> None:
    """Put a fixed content identifier in the place of qemu-img's random one."""
    with path.open("r+b") as file:
        file.seek(DESCRIPTOR)
        text, fixes = _CID.subn(
            f"\nCID={identifier:08x}\n".encode(), file.read(DESCRIPTOR_SIZE).rstrip(b"\0")
        )
        if fixes != 1:
            raise Refused(
                f"{path.name} has no content identifier where qemu-img writes it.",
                do="Build it again; should it happen again, qemu-img writes another layout.",
            )
        file.seek(DESCRIPTOR)
        file.write(text.ljust(DESCRIPTOR_SIZE, b"\0"))


def describe(disk: Disk, *, name: str, version: str) -> str:
    """The OVF descriptor."""
    page = Template((HERE / "va.ovf").read_text(encoding="utf-8"))
    card = Template((HERE / "card.ovf").read_text(encoding="utf-8"))
    cards = "".join(
        card.substitute(
            address=CARD_SLOT + number,
            connected="true" if number == 0 else "false",
            number=number + 1,
            device=f"eth{number}",
            instance=FIRST_CARD + number,
        )
        for number in range(VA.nics)
    )
    return page.substitute(
        name=escape(name),
        product=escape(VA.product),
        version=escape(version),
        disk=escape(disk.name),
        disk_size=disk.size,
        capacity=disk.capacity,
        populated=disk.populated,
        cpus=VA.cpus,
        memory_mib=VA.memory_mib,
        cards=cards,
    )


def pack(target: Path, descriptor: str, vmdk: Path, *, name: str, epoch: int) -> None:
    """Write the OVA: the descriptor first, as importers read it while it still arrives."""
    text = descriptor.encode()
    with vmdk.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    manifest = f"SHA256({name}.ovf)= {hashlib.sha256(text).hexdigest()}\n"
    manifest += f"SHA256({vmdk.name})= {digest}\n"
    with tarfile.open(target, "w:", format=tarfile.USTAR_FORMAT) as archive:
        for member, data in _small(name, text, manifest.encode()):
            archive.addfile(_entry(member, len(data), epoch), io.BytesIO(data))
        with vmdk.open("rb") as file:
            archive.addfile(_entry(vmdk.name, vmdk.stat().st_size, epoch), file)


def _small(name: str, descriptor: bytes, manifest: bytes) -> Iterable[tuple[str, bytes]]:
    return ((f"{name}.ovf", descriptor), (f"{name}.mf", manifest))


def _entry(name: str, size: int, epoch: int) -> tarfile.TarInfo:
    entry = tarfile.TarInfo(name)
    entry.size = size
    entry.mtime = epoch
    return entry
