# SPDX-License-Identifier: Apache-2.0
"""The guest: the appliance's own root file system and kernel, with this tree's tests in it.

One virtual machine for a whole run. Its disk is the root as it is built, unpacked, with the
tree's code, pytest and an init of our own beside it; the shipped Python runs what it is told to.
It has no network card: whatever the tests send stays in namespaces inside the guest. Results come
out by the second serial port, JSON in each line, and are read while the guest goes on.
"""

from __future__ import annotations

import asyncio
import fcntl
import json
import shutil
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from types import MappingProxyType
from typing import Any

from image.qemu import QEMU, accelerator
from image.recipe import CACHE
from image.root import build
from tests.shipped import carry, unpack

DISK_MIB = 1536
MEMORY_MIB = 1500
CPUS = 2

BOOT_S = 240.0
"""To the first result, on a slow machine: 20 s here."""
SILENCE_S = 150.0
"""Between two results; a test that hangs is ended by the guest's own limit first."""
OTHERS_S = 1200.0
"""For another run's guest to end: two emulated machines at once take longer than in turn."""
LAST_WORDS = 3000
EMPTY: Mapping[str, str] = MappingProxyType({})


class GuestSilent(Exception):
    """The guest said nothing more; what its console showed last."""


class Guest:
    """The machine, started with what its Python is to run."""

    def __init__(
        self,
        folder: Path,
        archive: Path | None,
        words: Sequence[str],
        *,
        files: Mapping[str, str] = EMPTY,
        packages: Sequence[Path] = (),
        silence_s: float = SILENCE_S,
    ) -> None:
        """`archive` is a root.tar; None: this tree's, built or taken from where it is kept.

        `words` come after `python3`, at most thirty, none with a blank in it. `files` lie beside
        the tests, by name; `packages` are .deb files that are unpacked, but not set up, besides
        what the appliance has.
        """
        self._folder = folder
        self._silence_s = silence_s
        self._console = folder / "console.log"
        self._reports: Iterator[dict[str, Any]] = iter(())
        self._left = ExitStack()
        try:
            self._turn()
            disk, kernel, initrd = _disk(folder, archive, files, packages)
            self._child = self._start(disk, kernel, initrd, words)
            self._reports = self._read()
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Cut its power."""
        self._left.close()

    def next_report(self) -> dict[str, Any]:
        """The next result, one line of what the guest tells. Raises `GuestSilent`."""
        try:
            return next(self._reports)
        except StopIteration:
            raise GuestSilent("The guest has told all it had to tell.") from None

    def _turn(self) -> None:
        """Wait until no other guest runs on this machine."""
        CACHE.mkdir(parents=True, exist_ok=True)
        lock = self._left.enter_context((CACHE / "guest.lock").open("w"))
        give_up_at = time.monotonic() + OTHERS_S
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if time.monotonic() > give_up_at:
                    raise GuestSilent("Another run's guest goes on and on.") from None
                time.sleep(0.5)
            else:
                return

    def _start(
        self, disk: Path, kernel: Path, initrd: Path, words: Sequence[str]
    ) -> subprocess.Popen[bytes]:
        said = self._left.enter_context(self._console.open("wb"))
        options = "console=ttyS0 root=/dev/vda rw init=/ballast-tests/tests/kernel/init quiet"
        child = subprocess.Popen(
            [
                *(QEMU, "-nodefaults", "-no-user-config", *accelerator(), "-M", "q35"),
                *("-m", str(MEMORY_MIB), "-smp", str(CPUS), "-display", "none", "-no-reboot"),
                *("-kernel", str(kernel), "-initrd", str(initrd)),
                *("-append", f"{options} panic=-1 mitigations=off -- {' '.join(words)}"),
                *("-drive", f"file={disk},format=raw,if=virtio,cache=unsafe"),
                *("-device", "virtio-rng-pci", "-nic", "none", "-serial", "stdio"),
                *("-serial", f"file:{self._folder / 'reports'}"),
            ],
            stdin=subprocess.DEVNULL,
            stdout=said,
            stderr=subprocess.STDOUT,
        )
        self._left.callback(child.wait)
        self._left.callback(child.kill)
        return child

    def _read(self) -> Iterator[dict[str, Any]]:
        path = self._folder / "reports"
        give_up_at = time.monotonic() + BOOT_S
        place, begun = 0, b""
        while True:
            ended = self._child.poll() is not None
            data = path.read_bytes()[place:] if path.exists() else b""
            place += len(data)
            *lines, begun = (begun + data).split(b"\n")
            for line in lines:
                yield json.loads(line)
                give_up_at = time.monotonic() + self._silence_s
            if ended and not lines:
                raise GuestSilent(f"The guest has ended. {self._last_words()}")
            if time.monotonic() > give_up_at:
                raise GuestSilent(f"The guest does not answer. {self._last_words()}")
            time.sleep(0.1)

    def _last_words(self) -> str:
        said = self._console.read_text(errors="replace")[-LAST_WORDS:]
        return f"Its console showed last:\n{said}"


def _disk(
    folder: Path, archive: Path | None, files: Mapping[str, str], packages: Sequence[Path]
) -> tuple[Path, Path, Path]:
    """The disk; kernel and initrd out of it."""
    if archive is None:
        archive = asyncio.run(build(folder)).archive
    root = folder / "root"
    unpack(archive, root)
    for package in packages:
        _run("dpkg-deb", "--extract", package, root)
    tests = carry(root)
    for name, text in files.items():
        (tests / name).write_text(text)
    disk = folder / "disk"
    _run("mke2fs", "-q", "-F", "-t", "ext4", "-O", "^has_journal", "-d", root, disk, f"{DISK_MIB}M")
    [kernel], [initrd] = (
        list((root / "boot").glob(f"{name}-*")) for name in ("vmlinuz", "initrd*")
    )
    for each in (kernel, initrd):
        shutil.move(each, folder / each.name)
    shutil.rmtree(root)
    return disk, folder / kernel.name, folder / initrd.name


def _run(*argv: str | Path) -> None:
    subprocess.run([str(each) for each in argv], check=True, stdin=subprocess.DEVNULL, timeout=300)
