# SPDX-License-Identifier: Apache-2.0
"""A virtual machine to try an image in: started, typed at, looked at, cut off from its power.

The disk given is never written to: what the guest writes lies in a file of the machine's folder,
and stays there for the next start. Emulated unless BALLAST_ACCEL=kvm says otherwise, since a
/dev/kvm that exists is not always one that works.
"""

from __future__ import annotations

import enum
import json
import os
import shutil
import signal
import socket
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from image.glyphs import Picture, read_ppm
from services.command import start_daemon
from services.errors import Unable

QEMU = "qemu-system-x86_64"
INSTALL = "As root: apt-get install --no-install-recommends qemu-system-x86 qemu-utils ovmf"
OVMF = Path("/usr/share/OVMF")
KEY_S = 0.04
"""A key is down for so long; a slow guest loses keys that come faster."""


class Firmware(enum.Enum):
    """What starts the boot loader."""

    BIOS = "bios"
    UEFI = "uefi"
    SECURE_BOOT = "secure-boot"
    """UEFI with Microsoft's keys, which lets only signed programs start."""


@dataclass(frozen=True)
class Hardware:
    """What the machine is made of; as large as the smallest one that is supported."""

    firmware: Firmware = Firmware.BIOS
    memory_mib: int = 2048
    cpus: int = 2
    nics: Sequence[str] = ("user,restrict=on",)
    """QEMU's -netdev for each NIC, without its id."""
    order: Sequence[int] = ()
    """Numbers of the NICs as they lie on the bus; as in `nics` unless it is said."""
    model: str = "virtio-net-pci"
    controller: str = "virtio-blk-pci"
    extra: Sequence[str] = field(default=())


def accelerator(environment: Mapping[str, str] = os.environ) -> tuple[str, ...]:
    """QEMU's options for how the guest's processor comes about."""
    if environment.get("BALLAST_ACCEL") == "kvm":
        return ("-accel", "kvm", "-cpu", "host")
    return ("-accel", "tcg,thread=multi", "-cpu", "max")


def command_line(disk: Path, folder: Path, hardware: Hardware) -> list[str]:
    """QEMU's options for this disk (a qcow2 that may be written to); its files go to `folder`."""
    secure = hardware.firmware is Firmware.SECURE_BOOT
    argv = [QEMU, "-nodefaults", "-no-user-config", *accelerator()]
    argv += ["-M", "q35,smm=on" if secure else "q35", "-m", str(hardware.memory_mib)]
    argv += ["-smp", str(hardware.cpus), "-vga", "std", "-rtc", "base=utc"]
    argv += [*_firmware(hardware.firmware, folder), "-device", "virtio-rng-pci"]
    argv += ["-drive", f"if=none,id=disk,file={disk},format=qcow2,discard=unmap"]
    argv += ["-device", f"{hardware.controller},drive=disk,bootindex=1"]
    for number in hardware.order or range(len(hardware.nics)):
        kind, comma, rest = hardware.nics[number].partition(",")
        argv += ["-netdev", f"{kind},id=nic{number}{comma}{rest}"]
        argv += ["-device", f"{hardware.model},netdev=nic{number},mac=52:54:00:ba:11:{number:02x}"]
    return [*argv, *hardware.extra]


def _firmware(firmware: Firmware, folder: Path) -> list[str]:
    if firmware is Firmware.BIOS:
        return []
    secure = firmware is Firmware.SECURE_BOOT
    code, variables = (
        ("OVMF_CODE_4M.ms.fd", "OVMF_VARS_4M.ms.fd")
        if secure
        else ("OVMF_CODE_4M.fd", "OVMF_VARS_4M.fd")
    )
    kept = folder / "variables.fd"
    if not kept.exists():
        try:
            shutil.copyfile(OVMF / variables, kept)
        except FileNotFoundError as error:
            raise Unable(f"There is no {error.filename}.", do=INSTALL) from error
    argv = ["-drive", f"if=pflash,format=raw,unit=0,readonly=on,file={OVMF / code}"]
    argv += ["-drive", f"if=pflash,format=raw,unit=1,file={kept}"]
    if secure:
        argv += ["-global", "driver=cfi.pflash01,property=secure,value=on"]
    return argv


class Machine:
    """A machine that runs; `with` starts it and cuts its power at the end."""

    def __init__(
        self, disk: Path, folder: Path, hardware: Hardware | None = None, *, resume: str = ""
    ) -> None:
        """`disk` is an overlay; `folder` keeps the log and the firmware's variables.

        `resume`: go on where the machine was when it was kept under this name, see `keep`.
        """
        self._resume = resume
        self._folder = folder
        self._disk = disk
        self._hardware = hardware or Hardware()
        self._pid = 0
        self._qmp: socket.socket | None = None
        self._pending = b""
        self.started_at = 0.0
        """By the monotonic clock."""

    @property
    def log(self) -> Path:
        """What QEMU itself said."""
        return self._folder / "qemu.log"

    def __enter__(self) -> Self:
        control = self._folder / "qmp"
        control.unlink(missing_ok=True)
        argv = command_line(self._disk, self._folder, self._hardware)
        argv += ["-display", "none", "-qmp", f"unix:{control},server=on,wait=off"]
        if self._resume:
            argv += ["-loadvm", self._resume]
        self._pid = start_daemon(argv, log_to=self.log, do=INSTALL)
        self.started_at = time.monotonic()
        try:
            self._connect(control)
        except BaseException:
            self.cut_power()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.cut_power()

    def _connect(self, control: Path) -> None:
        # Relative, because a socket's whole name may have 107 characters only.
        give_up_at = time.monotonic() + 30
        while True:
            link = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            link.settimeout(30)
            with suppress(FileNotFoundError, ConnectionRefusedError):
                link.connect(str(control))
                break
            link.close()
            if self.has_ended() or time.monotonic() > give_up_at:
                said = self.log.read_text(errors="replace")[-500:]
                raise Unable(f"QEMU does not start: {said.strip()}.", do=INSTALL)
            time.sleep(0.05)
        self._qmp = link
        self._answer()
        self.order("qmp_capabilities")

    def order(self, command: str, **arguments: object) -> Any:  # noqa: ANN401  QMP's answers vary
        """Give QEMU an order in its own words, and return its answer."""
        if self._qmp is None:
            raise Unable("The machine is off.", do="Start it first.")
        line = json.dumps({"execute": command, "arguments": arguments})
        self._qmp.sendall(line.encode() + b"\n")
        while "event" in (answer := self._answer()):
            pass
        if "error" in answer:
            raise Unable(f"QEMU refuses {command}: {answer['error']['desc']}.", do=INSTALL)
        return answer.get("return")

    def _answer(self) -> dict[str, Any]:
        while b"\n" not in self._pending:
            piece = self._qmp.recv(1 << 16) if self._qmp else b""
            if not piece:
                said = self.log.read_text(errors="replace")[-500:]
                raise Unable(f"QEMU has ended: {said.strip()}.", do="Start it again.")
            self._pending += piece
        line, _, self._pending = self._pending.partition(b"\n")
        answer: dict[str, Any] = json.loads(line)
        return answer

    def keep(self, name: str) -> None:
        """Write the whole machine, as it runs, into its disk: a copy can be resumed there.

        Not under UEFI, whose variables lie in a file that keeps one state only.
        """
        said = self.order("human-monitor-command", **{"command-line": f"savevm {name}"})
        if said:
            raise Unable(f"QEMU does not keep the machine: {said.strip()}.", do=INSTALL)

    # ----------------------------------------------------------------------------------- hands

    def press(self, *keys: str) -> None:
        """Press keys one after the other by QEMU's names: `ret`, `f2`, `ctrl-c`, `a`."""
        for key in keys:
            codes = [{"type": "qcode", "data": code} for code in key.split("-")]
            self.order("send-key", keys=codes, **{"hold-time": int(KEY_S * 1000)})
            time.sleep(2 * KEY_S)

    def type(self, text: str) -> None:
        """Type a text on a US keyboard."""
        self.press(*(key_of(letter) for letter in text))

    # ------------------------------------------------------------------------------------ eyes

    def picture(self, target: Path) -> None:
        """Write the screen to a PNG."""
        self.order("screendump", filename=str(target), format="png")

    def look(self) -> Picture:
        """The screen's pixels."""
        target = self._folder / "screen.ppm"
        self.order("screendump", filename=str(target), format="ppm")
        return read_ppm(target.read_bytes())

    # ----------------------------------------------------------------------------------- power

    def has_ended(self) -> bool:
        """Tell whether QEMU is gone."""
        if self._pid:
            gone, _ = os.waitpid(self._pid, os.WNOHANG)
            if gone:
                self._pid = 0
        return not self._pid

    def await_end(self, *, within_s: float) -> None:
        """Wait until the guest has switched itself off."""
        self._await(self.has_ended, within_s, "The machine goes on.")

    def push_power_button(self) -> None:
        """As a person would: the guest shuts down."""
        self.order("system_powerdown")

    def reset(self) -> None:
        """Push the reset button: the guest learns nothing of it."""
        self.order("system_reset")

    def cut_power(self) -> None:
        """Pull the plug: what the guest has not written is lost."""
        if self._qmp is not None:
            self._qmp.close()
            self._qmp = None
            self._pending = b""
        if not self.has_ended():
            os.kill(self._pid, signal.SIGKILL)
            os.waitpid(self._pid, 0)
            self._pid = 0

    @staticmethod
    def _await(holds: Callable[[], bool], within_s: float, otherwise: str) -> None:
        give_up_at = time.monotonic() + within_s
        while not holds():
            if time.monotonic() > give_up_at:
                raise Unable(otherwise, do="Look at a picture of its screen.")
            time.sleep(0.2)


_PLAIN = {
    " ": "spc",
    "\n": "ret",
    "\t": "tab",
    "-": "minus",
    "=": "equal",
    "[": "bracket_left",
    "]": "bracket_right",
    ";": "semicolon",
    "'": "apostrophe",
    "`": "grave_accent",
    "\\": "backslash",
    ",": "comma",
    ".": "dot",
    "/": "slash",
}
_SHIFTED = dict(zip('!@#$%^&*()_+{}|:"~<>?', "1234567890-=[]\\;'`,./", strict=True))


def key_of(letter: str) -> str:
    """QEMU's name of the key that types `letter` on a US keyboard; raises `KeyError`."""
    if letter in _SHIFTED:
        return f"shift-{key_of(_SHIFTED[letter])}"
    if letter in _PLAIN:
        return _PLAIN[letter]
    if letter.isascii() and letter.isalnum():
        return f"shift-{letter.lower()}" if letter.isupper() else letter
    raise KeyError(letter)
