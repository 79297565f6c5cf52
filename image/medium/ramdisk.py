# SPDX-License-Identifier: Apache-2.0
"""What the installer needs beside the appliance's own initramfs: Python, itself, a file system.

The kernel unpacks several archives one over the other, so the appliance's initramfs is used as it
was shipped, drivers and udev included, and this one only adds to it. The installer's modules come
from this tree; everything else from the root file system.
"""

from __future__ import annotations

import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from image.glyphs import plain_font
from image.installer.payload import Payload
from image.recipe import PYTHON, TREE
from image.tryout import FONT
from services.errors import Refused

HOME = "installer"
"""The folder of the initramfs in which the installer lies."""
PROGRAMS = (f"usr/bin/python{PYTHON}", "usr/bin/zstd", "usr/bin/setfont")
LIBRARIES = ("libexpat.so.1", "liblz4.so.1", "liblzma.so.5", "libxxhash.so.0", "libz.so.1")
"""What these load and the appliance's initramfs may lack; libc and libm it has."""
STANDARD = f"usr/lib/python{PYTHON}"
UNNEEDED = frozenset(
    {"_pyrepl", "config-3.13-x86_64-linux-gnu", "ctypes", "curses", "dbm", "email", "ensurepip"}
    | {"html", "http", "idlelib", "multiprocessing", "pydoc_data", "sqlite3", "test", "tkinter"}
    | {"turtledemo", "unittest", "urllib", "venv", "wsgiref", "xml", "xmlrpc", "zipfile"}
)
"""Folders of the standard library that nothing of the installer imports; a third of its bytes."""
MODULES = ("fs/isofs/isofs.ko.xz", "drivers/cdrom/cdrom.ko.xz", "drivers/scsi/sr_mod.ko.xz")
OURS = (
    "image/__init__.py",
    "image/installer/*.py",
    "services/__init__.py",
    "services/command.py",
    "services/errors.py",
)
_REGULAR, _FOLDER, _LINK = 0o100000, 0o040000, 0o120000


@dataclass(frozen=True)
class Entry:
    """A member of the archive."""

    mode: int
    data: bytes


def contents(root: Path, payload: Payload, *, tree: Path = TREE) -> dict[str, Entry]:
    """Name in the initramfs → what lies there."""
    found: dict[str, Entry] = {}
    for name in (*PROGRAMS, *_libraries(root), *_standard(root), *_modules(root)):
        found[name] = _taken(root, name)
    for pattern in OURS:
        for path in sorted(tree.glob(pattern)):
            name = f"{HOME}/{path.relative_to(tree).as_posix()}"
            found[name] = Entry(_REGULAR | 0o644, path.read_bytes())
    script = (tree / "image" / "installer" / "mountroot").read_bytes()
    found["scripts/installer"] = Entry(_REGULAR | 0o644, script)
    found[f"{HOME}/payload.json"] = Entry(_REGULAR | 0o644, payload.text().encode())
    found[f"{HOME}/font.psf"] = Entry(
        _REGULAR | 0o644, plain_font(_taken(root, FONT, follow=True).data)
    )
    return found


def _libraries(root: Path) -> Iterator[str]:
    folder = "usr/lib/x86_64-linux-gnu"
    for name in LIBRARIES:
        link = root / folder / name
        yield f"{folder}/{name}"
        if link.is_symlink():
            yield f"{folder}/{link.readlink()}"


def _standard(root: Path) -> Iterator[str]:
    top = root / STANDARD
    for path in sorted(top.rglob("*")):
        inside = path.relative_to(top)
        if inside.parts[0] not in UNNEEDED and (path.is_file() or path.is_symlink()):
            yield f"{STANDARD}/{inside.as_posix()}"


def _modules(root: Path) -> Iterator[str]:
    """The modules, and the index of all of them: the appliance's own has not heard of isofs."""
    kernels = sorted((root / "usr/lib/modules").iterdir())
    for kernel in kernels:
        folder = kernel.relative_to(root).as_posix()
        yield from (f"{folder}/kernel/{name}" for name in MODULES)
        yield from (f"{folder}/modules.dep", f"{folder}/modules.dep.bin")


def _taken(root: Path, name: str, *, follow: bool = False) -> Entry:
    path = root / name
    if path.is_symlink() and not follow:
        return Entry(_LINK | 0o777, str(path.readlink()).encode())
    if not path.is_file():
        raise Refused(
            f"The root file system has no /{name}, which the installer needs.",
            do="Correct image/medium/ramdisk.py, or the elements of the image.",
        )
    return Entry(_REGULAR | stat.S_IMODE(path.stat().st_mode), path.read_bytes())


def archive(entries: Mapping[str, Entry], *, epoch: int) -> bytes:
    """The entries and the folders above them as the kernel unpacks them (cpio, "newc").

    Numbers of inodes are counted and there is one time, so the same entries are the same bytes.
    """
    every = dict(entries)
    for name in entries:
        for folder in PurePosixPath(name).parents[:-1]:
            every.setdefault(str(folder), Entry(_FOLDER | 0o755, b""))
    made = b"".join(
        _member(name, every[name], inode=number, epoch=epoch)
        for number, name in enumerate(sorted(every), start=1)
    )
    return made + _member("TRAILER!!!", Entry(0, b""), inode=0, epoch=0)


def _member(name: str, entry: Entry, *, inode: int, epoch: int) -> bytes:
    links = 2 if stat.S_ISDIR(entry.mode) else 1
    path = name.encode() + b"\0"
    numbers = (inode, entry.mode, 0, 0, links, epoch, len(entry.data), 0, 0, 0, 0, len(path), 0)
    head = b"070701" + b"".join(b"%08X" % number for number in numbers) + path
    return _padded(head) + _padded(entry.data)


def _padded(data: bytes) -> bytes:
    return data + bytes(-len(data) % 4)
