# SPDX-License-Identifier: Apache-2.0
"""Take chance out of a VHDX that qemu-img has made: its identifiers, and what its log still holds.

The file's two headers carry identifiers of the file and of the data, a sequence number and a
CRC-32C over themselves. The log is empty once the file is closed (its identifier in the header is
zero), but the entries that went through it are still there. The page 83 identifier of the disk is
an item of the metadata region.
"""

from __future__ import annotations

import struct
import uuid
from pathlib import Path
from typing import BinaryIO

from services.errors import Refused

HEADERS = (64 << 10, 128 << 10)
HEADER_SIZE = 4 << 10
REGIONS = 192 << 10
METADATA = uuid.UUID("8b7ca206-4790-4b9a-b8fe-575f050f886e")
PAGE_83 = uuid.UUID("beca12ab-b2e6-4523-93ef-c309e000c746")
_POLYNOMIAL = 0x82F63B78


def crc32c(data: bytes | bytearray) -> int:
    """CRC-32C (Castagnoli)."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (_POLYNOMIAL if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


def settle(path: Path, identifier: uuid.UUID) -> None:
    """Give the file the same identifiers in every build; raises `Refused` if it is no VHDX."""
    with path.open("r+b") as file:
        for number, offset in enumerate(HEADERS, start=1):
            header = bytearray(_read(file, offset, HEADER_SIZE))
            if header[:4] != b"head" or header[48:64] != bytes(16):
                raise Refused(
                    f"{path.name} is no VHDX that was closed properly.",
                    do="Build it again; should it happen again, qemu-img writes another layout.",
                )
            struct.pack_into("<IQ", header, 4, 0, number)
            header[16:48] = identifier.bytes_le * 2
            struct.pack_into("<I", header, 4, crc32c(header))
            _write(file, offset, header)
            size, place = struct.unpack_from("<IQ", header, 68)
            _write(file, place, bytes(size))
        _write(file, _page_83(file), identifier.bytes_le)


def _page_83(file: BinaryIO) -> int:
    """Where the disk's page 83 identifier lies."""
    regions = _read(file, REGIONS, 64 << 10)
    metadata = _entry(regions, 16, 32, METADATA)
    start = int(struct.unpack_from("<Q", metadata, 16)[0])
    items = _read(file, start, 64 << 10)
    item = _entry(items, 32, 32, PAGE_83)
    return start + int(struct.unpack_from("<I", item, 16)[0])


def _entry(table: bytes, first: int, size: int, wanted: uuid.UUID) -> bytes:
    for offset in range(first, len(table) - size, size):
        if table[offset : offset + 16] == wanted.bytes_le:
            return table[offset : offset + size]
    raise Refused(f"The VHDX lacks its entry {wanted}.", do="Build it again.")


def _read(file: BinaryIO, offset: int, size: int) -> bytes:
    file.seek(offset)
    return file.read(size)


def _write(file: BinaryIO, offset: int, data: bytes | bytearray) -> None:
    file.seek(offset)
    file.write(data)
