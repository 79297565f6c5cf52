# SPDX-License-Identifier: Apache-2.0
"""A unit of the appliance in front of a person: switched on, read, typed at, reached over its wire.

Everything happens in a child of `tests.netns`, so that the unit's first card ends in a bridge of
the child's own: what is asked of the unit over the network is asked on a wire that holds nobody
else, and the machine that runs the tests is not on it.
"""

from __future__ import annotations

import socket
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Self

from image.qemu import Firmware, Hardware, Machine
from tests.image.pictures import compare
from tests.image.watched import ANSWER_S, Watched, in_text_mode
from tests.netns import ip

NEIGHBOUR = "192.168.2.2"
"""The machine at the other end of eth0's cable, which has every address of `ADDRESSES`."""
NEIGHBOUR_MAC = "02:00:00:00:00:02"
ADDRESSES = (f"{NEIGHBOUR}/24", "192.168.2.50/24")
FACTORY = "192.168.2.21"
CARDS = 4
PAINT_S = 480
"""Until the status screen has painted its figures: 40 on a machine with nothing else to do, more
than 240 seen on one that had to do six times what it can."""

SSH_S = 120
"""Until sshd listens, which begins when the screen has its figures."""

CONSOLE_S = 240
"""Until a console has loaded after a login, which is a good part of a start."""


class Unit(Watched):
    """`with` lays its cables too."""

    def __init__(
        self,
        disk: Path,
        folder: Path,
        root: Path,
        *,
        firmware: Firmware = Firmware.BIOS,
        cards: int = CARDS,
        order: Sequence[int] = (),
        extra: Sequence[str] = (),
        resume: str = "",
    ) -> None:
        """`disk` is an overlay over a product, `root` the root.tar that it was made from.

        `resume` is the name under which a machine with the same hardware was kept on that disk.
        """
        self._asked = 0
        wired = "tap,ifname=unit0,script=no,downscript=no"
        hardware = Hardware(
            firmware=firmware,
            nics=(wired, *["user,restrict=on"] * (cards - 1)),
            order=order,
            extra=extra,
        )
        super().__init__(Machine(disk, folder, hardware, resume=resume), root)

    def __enter__(self) -> Self:
        if "wire:" not in ip("-o link show"):
            ip(
                f"link add wire address {NEIGHBOUR_MAC} type bridge mcast_snooping 0",
                "link set wire up",
            )
            ip(*(f"addr add {address} dev wire" for address in ADDRESSES))
            ip("tuntap add dev unit0 mode tap", "link set unit0 master wire up")
        return super().__enter__()

    # ------------------------------------------------------------------------------------ eyes

    def looks(self, name: str, *, renew: bool) -> None:
        """Compare the screen with the agreed picture of that name."""
        compare(name, self.machine, self._font, renew=renew)

    def see_status(self, address: str = FACTORY) -> float:
        """Wait for the status screen with its figures; the seconds since the power came on."""
        self.see("F2 Log in", address, within_s=PAINT_S)
        return self.since_power_on()

    def since_power_on(self) -> float:
        """Seconds."""
        return time.monotonic() - self.machine.started_at

    def in_boot_menu(self) -> bool:
        """Whether GRUB shows its menu: a frame on the VGA's text screen, whose font is not ours."""
        picture = self.machine.look()
        row = picture.width * 3
        lines = (picture.pixels[at : at + row] for at in range(0, len(picture.pixels), row))
        frame = any(row - line.count(0) > 0.7 * row for line in lines)
        return frame and in_text_mode(picture)

    # ----------------------------------------------------------------------------------- hands

    def log_in(self, name: str, password: str) -> None:
        """From the status screen to whatever follows a right password."""
        self.press("f2")
        self.answer("login:", name)
        self.answer("Password:", password)

    def log_in_first(self, name: str, factory: str, chosen: str) -> None:
        """The same for an account that has to choose a password of its own."""
        self.log_in(name, factory)
        self.answer("Current password:", factory)
        self.answer("New password:", chosen)
        self.answer("Retype new password:", chosen)

    def fill(self, text: str) -> None:
        """Replace what stands in the field that has the focus."""
        self.press("ctrl-u")
        self.type(text)

    def root_shell(self, chosen: str, *, first: bool) -> None:
        """From the status screen to root's shell; `first`: its factory password is still there."""
        if first:
            self.log_in_first("root", "loadbalancer", chosen)
        else:
            self.log_in("root", chosen)
        self.see("root@", ":~#")

    def shell(self, command: str, *, within_s: float = ANSWER_S) -> str:
        """Type a command to root's shell; what it wrote, which must fit on the screen."""
        self._asked += 1
        self.type(f"clear; {command}; echo =$?.{self._asked}=\n")
        done = f"=0.{self._asked}="
        return self.see(done, within_s=within_s).partition(done)[0].strip()

    # -------------------------------------------------------------------------------- the wire

    def answers_ping(self, address: str, *, within_s: float = ANSWER_S) -> bool:
        """Whether the unit answers at `address` within the time."""
        give_up_at = time.monotonic() + within_s
        while True:
            argv = ["ping", "-c", "1", "-W", "1", "-I", "wire", address]
            if subprocess.run(argv, capture_output=True, check=False).returncode == 0:
                return True
            if time.monotonic() > give_up_at:
                return False
            time.sleep(0.2)

    def answers_ssh(self, address: str, *, within_s: float = SSH_S) -> bool:
        """Whether somebody listens at the unit's SSH port within the time."""
        give_up_at = time.monotonic() + within_s
        while not open_ports(address, [22]):
            if time.monotonic() > give_up_at:
                return False
            time.sleep(0.2)
        return True

    def ssh(
        self, name: str, password: str, address: str, *command: str, folder: Path
    ) -> subprocess.CompletedProcess[str]:
        """Run `command` on the unit over SSH as a person with a password would."""
        say = folder / "say"
        say.write_text(f"#!/bin/sh\nprintf '%s\\n' '{password}'\n")
        say.chmod(0o700)
        options = {
            "StrictHostKeyChecking": "no",
            "UserKnownHostsFile": "/dev/null",
            "GlobalKnownHostsFile": "/dev/null",
            "NumberOfPasswordPrompts": "1",
            "PubkeyAuthentication": "no",
            "ConnectTimeout": "30",
            "LogLevel": "ERROR",
        }
        argv = ["setsid", "ssh", "-F", "none"]
        argv += [word for pair in options.items() for word in ("-o", "=".join(pair))]
        environment: Mapping[str, str] = {
            "PATH": "/usr/bin:/bin",
            "HOME": str(folder),
            "SSH_ASKPASS": str(say),
            "SSH_ASKPASS_REQUIRE": "force",
        }
        return subprocess.run(
            [*argv, f"{name}@{address}", *command],
            check=False,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=120,
            env=environment,
        )


def open_ports(address: str, ports: Sequence[int]) -> set[int]:
    """Those TCP ports of the unit at which somebody listens."""
    found = set()
    for port in ports:
        with socket.socket() as probe:
            probe.settimeout(2)
            if probe.connect_ex((address, port)) == 0:
                found.add(port)
    return found
