# SPDX-License-Identifier: Apache-2.0
"""What the medium carries, and what a disk must hold once it was written.

The description travels in the initramfs and not beside the image on the medium: the kernel does not
start with a damaged initramfs, so what stands here is right, and the medium is judged by it. Each
stretch of the disk has a hash of its own, because most of an appliance's disk is empty: zeros are
compared and not hashed, and a damage is found where it is.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass

from services.errors import Unable

CHUNK = 4 << 20
"""Bytes of a stretch."""
ISO_SECTOR = 2048
DESCRIPTOR_AT = 16 * ISO_SECTOR
"""Where a file system of ISO 9660 describes itself."""
_ZEROS = bytes(CHUNK)
"""To ask whether it begins with a view is the one comparison Python leaves to the processor."""
_MAGIC = b"\x01CD001\x01"
_VOLUME_SET = slice(190, 318)


@dataclass(frozen=True)
class Payload:
    """The appliance's disk, compressed, as a file of the medium."""

    version: str
    file: str
    """Its name on the medium."""
    size: int
    """Bytes of the file."""
    sha256: str
    """Of the file."""
    disk_size: int
    """Bytes of what it becomes: the smallest disk it fits on."""
    sums: Mapping[int, str]
    """SHA-256 of every `CHUNK` of the disk that is not all zeros, by its number."""

    @property
    def identity(self) -> str:
        """What the medium calls itself, so that no other is taken for it."""
        return self.sha256.upper()

    @property
    def chunks(self) -> int:
        """How many stretches the disk has."""
        return -(-self.disk_size // CHUNK)

    def length(self, number: int) -> int:
        """Bytes of a stretch; the last may be shorter."""
        return min(CHUNK, self.disk_size - number * CHUNK)

    def holds(self, number: int, data: bytes | memoryview) -> bool:
        """Whether these are the bytes of this stretch."""
        if len(data) != self.length(number):
            return False
        wanted = self.sums.get(number)
        if wanted is None:
            return _ZEROS.startswith(data)
        return hashlib.sha256(data).hexdigest() == wanted

    def is_carried_by(self, descriptor: bytes) -> bool:
        """Whether this is the volume descriptor (ECMA-119) of the medium made with this payload."""
        if len(descriptor) < ISO_SECTOR or not descriptor.startswith(_MAGIC):
            return False
        return descriptor[_VOLUME_SET].rstrip().decode("ascii", "replace") == self.identity

    def text(self) -> str:
        """As the build writes it."""
        tree = {
            "version": self.version,
            "file": self.file,
            "size": self.size,
            "sha256": self.sha256,
            "disk_size": self.disk_size,
            "chunk": CHUNK,
            "sums": {str(number): self.sums[number] for number in sorted(self.sums)},
        }
        return json.dumps(tree, indent=1) + "\n"


def read(text: str) -> Payload:
    """The description as the medium brings it; raises `Unable` if it is none."""
    try:
        tree = json.loads(text)
        if tree["chunk"] != CHUNK:
            raise ValueError("its stretches have another size")
        return Payload(
            version=str(tree["version"]),
            file=str(tree["file"]),
            size=int(tree["size"]),
            sha256=str(tree["sha256"]),
            disk_size=int(tree["disk_size"]),
            sums={int(number): str(sha256) for number, sha256 in tree["sums"].items()},
        )
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise Unable(
            f"The medium does not say what it carries: {error}.",
            do="Write the medium again from a download whose checksum is right.",
        ) from error
