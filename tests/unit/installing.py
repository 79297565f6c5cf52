# SPDX-License-Identifier: Apache-2.0
"""What the tests of the installer share: disks a person may meet, and a small appliance."""

from __future__ import annotations

import hashlib
from pathlib import Path

from image.installer import dialogue
from image.installer.dialogue import State
from image.installer.disks import Disk, Part
from image.installer.payload import CHUNK, ISO_SECTOR, Payload

GIB = 1 << 30
NEEDED = 8 * GIB

SSD = Disk("sda", 240 * GIB, model="INTEL SSDSC2KB240", serial="PHYF1234")
NVME = Disk("nvme0n1", 960 * GIB, model="Micron 7450", serial="2231", parts=())
STICK = Disk("sdb", 16 * GIB, model="Ultra Fit", serial="4C53", removable=True)
DOM = Disk("sdc", 4 * GIB, model="SATADOM", serial="D0")
MOUNTED = Disk("sdd", 16 * GIB, used_by=("/mnt",))
FULL = Disk(
    "vda",
    12 * GIB,
    parts=(
        *(Part("vda1", 1 << 20, "bios"), Part("vda2", 128 << 20, "esp")),
        *(Part("vda3", 2 * GIB, "root-a"), Part("vda4", 2 * GIB, "root-b")),
        Part("vda5", 8 * GIB, "data"),
    ),
)


def choosing(*disks: Disk) -> State:
    """The conversation when the disks were found."""
    return dialogue.found(State(needed=NEEDED), disks)


def pressed(state: State, *keys: str) -> State:
    """The conversation after these keys; a word is typed letter by letter."""
    named = {"up", "down", "enter", "escape", "backspace"}
    for key in keys:
        for each in [key] if key in named else key:
            state = dialogue.press(state, each)
    return state


def appliance(folder: Path, data: bytes) -> tuple[Payload, Path]:
    """What a medium carries if the appliance's disk is `data`; the file is not compressed."""
    file = folder / "appliance.raw"
    file.write_bytes(data)
    pieces = [data[at : at + CHUNK] for at in range(0, len(data), CHUNK)]
    payload = Payload(
        version="1.2.3",
        file=file.name,
        size=len(data),
        sha256=hashlib.sha256(data).hexdigest(),
        disk_size=len(data),
        sums={
            number: hashlib.sha256(piece).hexdigest()
            for number, piece in enumerate(pieces)
            if piece.strip(b"\0")
        },
    )
    return payload, file


def descriptor(payload: Payload) -> bytes:
    """A volume descriptor that names the payload's medium."""
    sector = bytearray(ISO_SECTOR)
    sector[:7] = b"\x01CD001\x01"
    sector[190:318] = payload.identity.encode().ljust(128)
    return bytes(sector)
