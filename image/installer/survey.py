# SPDX-License-Identifier: Apache-2.0
"""Look at the disks of this machine: the kernel says what is there, udev what is on it.

Both are read as text from files: there is nothing else in the initramfs that would know, and a
test can lay out the same files.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from image.installer.disks import Disk, Part, is_disk

_NO_DISK = ("loop", "ram", "zram", "dm-", "md", "nbd")
_SECTOR = 512
"""What /sys counts sizes in, whatever the disk's own sectors are."""


@dataclass(frozen=True)
class Sources:
    """Where the kernel and udev tell what they know."""

    block: Path = field(default=Path("/sys/block"))
    udev: Path = field(default=Path("/run/udev/data"))
    mounts: Path = field(default=Path("/proc/mounts"))


def disks(sources: Sources | None = None) -> tuple[Disk, ...]:
    """Every disk of this machine, the medium too if it is one."""
    found = sources or Sources()
    names = sorted(path.name for path in found.block.iterdir())
    return tuple(_disk(found, name) for name in names if is_disk(name))


def may_be_medium(sources: Sources | None = None) -> tuple[str, ...]:
    """Names of everything that a medium can be in: CD drives first, then disks and cards."""
    found = sources or Sources()
    names = {path.name for path in found.block.iterdir() if not path.name.startswith(_NO_DISK)}
    return tuple(sorted(names, key=lambda name: (not name.startswith("sr"), name)))


def _disk(sources: Sources, name: str) -> Disk:
    folder = sources.block / name
    known = _udev(sources.udev, folder)
    mounted = dict(_mounts(sources.mounts))
    parts = sorted((path.parent for path in folder.glob("*/partition")), key=_number)
    used = [mounted[each.name] for each in (folder, *parts) if each.name in mounted]
    for each in (folder, *parts):
        used += sorted(path.name for path in each.glob("holders/*"))
    return Disk(
        name=name,
        size=_sectors(folder),
        sector=int(_text(folder / "queue/logical_block_size") or _SECTOR),
        model=_words(known, "ID_MODEL") or _text(folder / "device/model"),
        serial=known.get("ID_SERIAL_SHORT", "")
        or _text(folder / "serial")
        or _text(folder / "device/serial"),
        removable=_text(folder / "removable") == "1" or known.get("ID_BUS") == "usb",
        read_only=_text(folder / "ro") == "1",
        used_by=tuple(used),
        parts=tuple(_part(sources, each) for each in parts) or _whole(folder, known),
    )


def _part(sources: Sources, folder: Path) -> Part:
    return Part(folder.name, _sectors(folder), _content(_udev(sources.udev, folder)))


def _whole(folder: Path, known: dict[str, str]) -> tuple[Part, ...]:
    """A file system that fills a disk without partitions can be lost as well."""
    content = _content(known)
    return (Part(folder.name, _sectors(folder), content),) if content else ()


def _content(known: dict[str, str]) -> str:
    """The partition table's name if it has one, since people gave it; otherwise what is in it."""
    if name := _unescaped(known.get("ID_PART_ENTRY_NAME", "")):
        return name
    label = _unescaped(known.get("ID_FS_LABEL_ENC", ""))
    return " ".join(word for word in (known.get("ID_FS_TYPE", ""), label) if word)


def _words(known: dict[str, str], name: str) -> str:
    """A name as the device has it: udev's plain one has underscores for spaces."""
    exact = _unescaped(known.get(f"{name}_ENC", ""))
    return " ".join((exact or known.get(name, "")).split())


def _unescaped(text: str) -> str:
    r"""Udev's \x20 as what they stand for; what is not printable ASCII shows as a question mark.

    These words come from a stranger's disk and go to a terminal.
    """
    first, *rest = text.split("\\x")
    for piece in rest:
        try:
            first += chr(int(piece[:2], 16)) + piece[2:]
        except ValueError:
            first += piece
    return "".join(letter if " " <= letter <= "~" else "?" for letter in first)


def _udev(data: Path, folder: Path) -> dict[str, str]:
    """Udev's properties of a device."""
    text = _text(data / f"b{_text(folder / 'dev')}")
    pairs = (line[2:].partition("=") for line in text.splitlines() if line.startswith("E:"))
    return {name: value for name, _, value in pairs}


def _mounts(path: Path) -> Iterable[tuple[str, str]]:
    for line in _text(path).splitlines():
        device, _, rest = line.partition(" ")
        if device.startswith("/dev/"):
            yield device.removeprefix("/dev/"), rest.partition(" ")[0]


def _sectors(folder: Path) -> int:
    return int(_text(folder / "size") or 0) * _SECTOR


def _number(folder: Path) -> int:
    return int(_text(folder / "partition") or 0)


def _text(path: Path) -> str:
    """Empty when there is no such file: few devices have every one, and some go meanwhile."""
    with suppress(OSError):
        return path.read_bytes().decode(errors="replace").strip()
    return ""
