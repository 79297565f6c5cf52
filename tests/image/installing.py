# SPDX-License-Identifier: Apache-2.0
"""A machine that starts from the installer medium, with a person in front of it."""

from __future__ import annotations

import socket
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

from image.glyphs import read_text
from image.qemu import Firmware, Hardware, Machine
from tests.image.unit import TRACES, font

SERIAL_NUMBER = "DISK-0001"
START_S = 300
"""Until the list of disks is there."""
ANSWER_S = 60
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


class Installing:
    """`with` switches it on, and cuts its power at the end."""

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
        self._font = font(root)
        self._line = folder / "serial"
        self._is_cd = any("ide-cd" in word for word in medium)
        serial = ("-serial", f"unix:{self._line},server=on,wait=off")
        hardware = Hardware(
            firmware=firmware,
            cpus=cpus,
            controller=f"virtio-blk-pci,serial={SERIAL_NUMBER}",
            extra=(*medium, *serial),
        )
        self.machine = Machine(disk, folder, hardware)

    def __enter__(self) -> Self:
        self.machine.__enter__()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if error is not None and not self.machine.has_ended():
            TRACES.mkdir(parents=True, exist_ok=True)
            self.machine.picture(TRACES / "last.png")
            error.add_note(f"{self.text()}\n(a picture of it: {TRACES / 'last.png'})")
        self.machine.cut_power()

    def text(self) -> str:
        """What stands on the screen, without empty lines."""
        lines = read_text(self.machine.look(), self._font).splitlines()
        return "\n".join(line for line in lines if line)

    def see(self, *words: str, within_s: float = ANSWER_S) -> str:
        """Wait until all of `words` are on the screen at once; returns the screen."""
        give_up_at = time.monotonic() + within_s
        while any(word not in (screen := self.text()) for word in words):
            lacking = [word for word in words if word not in screen]
            assert time.monotonic() < give_up_at, f"not on the screen: {lacking}"
            assert not self.machine.has_ended(), self.machine.log.read_text()[-500:]
            time.sleep(0.5)
        return screen

    def answer(self, question: str, *keys: str) -> None:
        """Once `question` is on the screen press the keys."""
        self.see(question)
        self.machine.press(*keys)

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
