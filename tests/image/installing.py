# SPDX-License-Identifier: Apache-2.0
"""A machine that starts from the installer medium, with a person in front of it."""

from __future__ import annotations

import socket
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from image.qemu import Firmware, Hardware, Machine
from tests.image.watched import ANSWER_S, Watched

SERIAL_NUMBER = "DISK-0001"
START_S = 300
"""Until the list of disks is there."""
MEDIUM = "medium"


def as_cd(medium: Path) -> tuple[str, ...]:
    """QEMU's options for the medium in a drive, as virtual media are."""
    return (
        *("-drive", f"if=none,id={MEDIUM},media=cdrom,readonly=on,{_file(medium)}"),
        *("-device", f"ide-cd,drive={MEDIUM},id=drive,bootindex=0"),
    )


def as_stick(medium: Path) -> tuple[str, ...]:
    """QEMU's options for the medium written to a stick."""
    return (
        *("-drive", f"if=none,id={MEDIUM},{_file(medium)}"),
        *("-device", "qemu-xhci"),
        *("-device", f"usb-storage,drive={MEDIUM},id=drive,removable=on,bootindex=0"),
    )


def _file(medium: Path) -> str:
    kind = "qcow2" if medium.suffix == ".qcow2" else "raw"
    return f"file={medium},format={kind},file.locking=off"


class Installing(Watched):
    """It has a serial line besides, and a medium that can be taken out."""

    def __init__(
        self,
        disk: Path,
        folder: Path,
        root: Path,
        *,
        medium: Sequence[str],
        firmware: Firmware = Firmware.BIOS,
        cpus: int = 2,
    ) -> None:
        """`disk` is a qcow2 that is written to, `root` the root.tar of the product."""
        self._line = folder / "serial"
        self._is_cd = any("ide-cd" in word for word in medium)
        serial = ("-serial", f"unix:{self._line},server=on,wait=off")
        hardware = Hardware(
            firmware=firmware,
            cpus=cpus,
            controller=f"virtio-blk-pci,serial={SERIAL_NUMBER}",
            extra=(*medium, *serial),
        )
        super().__init__(Machine(disk, folder, hardware), root)

    def take_medium_out(self) -> None:
        """As a person does when the installer says so."""
        if self._is_cd:
            self.machine.order("eject", id="drive", force=True)
        else:
            self.machine.order("device_del", id="drive")

    def over_serial(self, data: bytes, *words: str, within_s: float = ANSWER_S) -> str:
        """Send bytes over the serial line, and wait until all of `words` have come back."""
        give_up_at = time.monotonic() + within_s
        came = b""
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as link:
            link.connect(str(self._line))
            link.sendall(data)
            link.settimeout(1)
            while any(word.encode() not in came for word in words):
                assert time.monotonic() < give_up_at, came.decode(errors="replace")
                with suppress(TimeoutError):
                    came += link.recv(1 << 16)
        return came.decode(errors="replace")
