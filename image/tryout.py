# SPDX-License-Identifier: Apache-2.0
"""Start what was built: in this terminal, or unseen until its status screen can be photographed."""

from __future__ import annotations

import os
import socket
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import NoReturn

from image import guest_disk, recipe
from image.glyphs import Font, read_font_bytes, read_text
from image.qemu import INSTALL, Firmware, Hardware, Machine, command_line
from image.roottar import contents
from services.command import CLEAN_ENV, become
from services.errors import Refused, Unable

FOLDER = recipe.TREE / "build" / "vm"
ADDRESS = "192.168.2.21"
"""A new unit's, on eth0."""
NETWORK = "user,net=192.168.2.0/24,host=192.168.2.2,restrict=on"
"""A network of its own for the guest: nothing gets out of it, and in only what is forwarded."""
FONT = "usr/share/consolefonts/Lat15-Terminus16.psf.gz"
"""What overlays/console tells the console to load."""
PAINTED = "Host name"
"""Words of the status screen that are there with the first figures."""
TEXT_MODE = "nomodeset systemd.mask=keyboard-setup.service"
"""80 by 25 characters in the font of the VGA, the only thing a terminal can show of a screen."""


def disk_of(products: Path) -> Path:
    """The virtual appliance's disk."""
    return products / f"{recipe.NAME}-{recipe.version()}-va.qcow2"


async def prepare(products: Path, folder: Path, *, keep: bool = False, options: str = "") -> Path:
    """An overlay over the product in `folder`; `keep` continues with the one that is there.

    `options` are more words for the kernel's command line.
    """
    folder.mkdir(parents=True, exist_ok=True)
    disk = folder / "disk.qcow2"
    if not (keep and disk.exists()):
        for name in ("disk.qcow2", "variables.fd"):
            (folder / name).unlink(missing_ok=True)
        await guest_disk.overlay(disk_of(products), disk)
    if options:
        await guest_disk.set_grub_variables(disk, {"EXTRA": options})
    return disk


def demand_port(port: int) -> None:
    """Raise `Refused` if something already listens on this port of the loopback."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            raise Refused(
                f"Port {port} of this machine is taken.",
                do="Name another one: make vm ARGS='--port 2223'",
            ) from error


def cards(port: int) -> tuple[str, ...]:
    """As many network cards as the appliance has, with SSH on the first forwarded from `port`."""
    first = f"{NETWORK},hostfwd=tcp:127.0.0.1:{port}-{ADDRESS}:22"
    return (first, *["user,restrict=on"] * (recipe.VA.nics - 1))


def in_terminal(
    disk: Path,
    folder: Path,
    *,
    firmware: Firmware,
    port: int,
    environment: Mapping[str, str] = os.environ,
) -> NoReturn:
    """Let this process become the machine, its screen in the terminal."""
    if not sys.stdout.isatty():
        raise Refused("This is no terminal.", do="Use `make vm-vga` for a picture of the screen.")
    demand_port(port)
    hardware = Hardware(firmware=firmware, memory_mib=recipe.VA.memory_mib, nics=cards(port))
    argv = command_line(disk, folder, hardware)
    argv += ["-display", "curses", "-monitor", "vc"]
    env = {**CLEAN_ENV, "TERM": environment.get("TERM", "linux")}
    become(argv, env=env, do=INSTALL)


def photograph(
    disk: Path,
    folder: Path,
    target: Path,
    *,
    firmware: Firmware,
    root: Path,
    within_s: float,
) -> float:
    """Start the machine, wait for the status screen, write it to `target`; the seconds it took.

    `root` is root.tar, whose console font tells what stands on the screen. Raises `Unable` when
    it does not paint in time; then the picture shows what it painted instead.
    """
    font = console_font(root)
    hardware = Hardware(firmware=firmware, memory_mib=recipe.VA.memory_mib)
    target.parent.mkdir(parents=True, exist_ok=True)
    with Machine(disk, folder, hardware) as machine:
        while PAINTED not in read_text(machine.look(), font):
            if time.monotonic() > machine.started_at + within_s:
                machine.picture(target)
                raise Unable(
                    f"No status screen within {within_s:g} seconds.", do=f"Look at {target}."
                )
            time.sleep(0.5)
        took = time.monotonic() - machine.started_at
        machine.picture(target)
    return took


def console_font(root: Path) -> Font:
    """The font of the appliance's console, out of root.tar."""
    found = contents(root, [FONT])
    if FONT not in found:
        raise Refused(f"{root} has no /{FONT}.", do="Build it again: make image")
    return read_font_bytes(found[FONT])
