# SPDX-License-Identifier: Apache-2.0
"""The medium's parts: the archive for the kernel, the boot loader's words, what names it."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from image.installer.payload import DESCRIPTOR_AT, ISO_SECTOR
from image.medium import boot, iso
from image.medium.ramdisk import OURS, Entry, archive
from image.recipe import EPOCH, TREE
from tests.unit.installing import appliance

ENTRIES = {
    "usr/bin/tool": Entry(0o100755, b"tool"),
    "usr/bin/link": Entry(0o120777, b"tool"),
    "init.txt": Entry(0o100644, b""),
}


def unpacked(data: bytes) -> dict[str, tuple[int, bytes]]:
    """An archive as the kernel reads it."""
    found: dict[str, tuple[int, bytes]] = {}
    at = 0
    while True:
        assert data[at : at + 6] == b"070701"
        fields = [int(data[at + 6 + 8 * n : at + 14 + 8 * n], 16) for n in range(13)]
        start = (at + 110 + fields[11] + 3) & ~3
        name = data[at + 110 : at + 109 + fields[11]].decode()
        if name == "TRAILER!!!":
            return found
        assert fields[5] == EPOCH
        found[name] = fields[1], data[start : start + fields[6]]
        at = (start + fields[6] + 3) & ~3


def test_the_archive_holds_entries_and_the_folders_above_them() -> None:
    found = unpacked(archive(ENTRIES, epoch=EPOCH))
    assert list(found) == ["init.txt", "usr", "usr/bin", "usr/bin/link", "usr/bin/tool"]
    assert found["usr/bin"] == (0o040755, b"")
    assert found["usr/bin/tool"] == (0o100755, b"tool")


def test_the_order_of_the_entries_does_not_show() -> None:
    turned = dict(reversed(ENTRIES.items()))
    assert archive(turned, epoch=EPOCH) == archive(ENTRIES, epoch=EPOCH)


def test_the_medium_carries_every_module_the_installer_imports() -> None:
    carried = {path.relative_to(TREE).as_posix() for each in OURS for path in TREE.glob(each)}
    assert {"image/installer/__main__.py", "services/command.py", "services/errors.py"} <= carried
    assert len(carried) == len(list(TREE.glob("image/installer/*.py"))) + 4


@pytest.mark.needs("xorriso")
def test_the_medium_says_what_it_carries(tmp_path: Path) -> None:
    payload, file = appliance(tmp_path, b"appliance")
    made = []
    for name in ("one.iso", "two.iso"):
        argv = ["xorriso", "-as", "mkisofs", "-quiet", *iso.identity(payload, epoch=EPOCH)]
        argv += ["-o", str(tmp_path / name), "-graft-points", f"/{file.name}={file}"]
        subprocess.run(argv, check=True, env={"PATH": "/usr/bin", "SOURCE_DATE_EPOCH": str(EPOCH)})
        made.append((tmp_path / name).read_bytes())
    assert payload.is_carried_by(made[0][DESCRIPTOR_AT : DESCRIPTOR_AT + ISO_SECTOR])
    assert made[0] == made[1]


def test_grub_looks_for_this_medium_and_offers_nothing_else() -> None:
    words = boot.grub_cfg("AB" * 32)
    assert f"--set=root /{boot.mark('AB' * 32)}" in words
    assert "menuentry" not in words
