# SPDX-License-Identifier: Apache-2.0
"""The installer medium in front of a person: it starts, asks, installs, and refuses in time."""

from __future__ import annotations

import asyncio
import filecmp
import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from image import guest_disk, recipe
from image.disk.layout import MIB
from image.formats.products import raw_of
from image.installer.pages import WIDTH
from image.qemu import Firmware
from tests.image.conftest import Appliance
from tests.image.installing import SERIAL_NUMBER, START_S, Installing, as_cd, as_stick
from tests.image.unit import FACTORY, PAINT_S

INSTALL_S = 1800
"""Eight GiB written and read back by an emulated processor: six minutes when it is alone."""
CHECK_S = 300
pytestmark = [
    pytest.mark.long,
    pytest.mark.needs("sfdisk", "xorriso"),
    pytest.mark.timeout(3 * INSTALL_S),
]

LARGER_MIB = 12 * 1024
NAME = "vda"


def blank(folder: Path, size_mib: int) -> Path:
    """A disk fresh from its box."""
    disk = folder / "disk.qcow2"
    argv = ["qemu-img", "create", "-q", "-f", "qcow2", str(disk), f"{size_mib}M"]
    subprocess.run(argv, check=True)
    return disk


def table_of(disk: Path, folder: Path) -> tuple[str, dict[str, int]]:
    """What sfdisk thinks of the disk's table, and where each partition ends, in sectors."""
    raw = folder / "table.raw"
    argv = ["qemu-img", "convert", "-f", "qcow2", "-O", "raw", str(disk), str(raw)]
    subprocess.run(argv, check=True)
    told = []
    for flag in ("--verify", "--json"):
        argv = ["sfdisk", flag, str(raw)]
        told.append(subprocess.run(argv, check=True, capture_output=True, text=True).stdout)
    raw.unlink()
    table = json.loads(told[1])["partitiontable"]
    ends = {each["name"]: each["start"] + each["size"] for each in table["partitions"]}
    return told[0], ends | {"": table["lastlba"]}


def confirm(machine: Installing) -> None:
    """From the list to the end of the second question."""
    machine.see("Choose the disk", NAME, within_s=START_S)
    machine.press("ret")
    machine.choose(f"Erase {NAME} and install", "y")
    machine.see("type the disk's name")
    machine.type(NAME)
    machine.see(f"> {NAME}_")
    machine.press("ret")


@pytest.mark.parametrize("firmware", [Firmware.UEFI, Firmware.SECURE_BOOT])
def test_it_starts_from_virtual_media_under_uefi(
    appliance: Appliance, medium: Path, tmp_path: Path, firmware: Firmware
) -> None:
    disk = blank(tmp_path, LARGER_MIB)
    # with two, the second sometimes stays in the emulated firmware and the kernel waits for it
    with Installing(
        disk, tmp_path, appliance.root, medium=as_cd(medium), firmware=firmware, cpus=1
    ) as machine:
        machine.see("Choose the disk", NAME, "12 GiB", SERIAL_NUMBER, within_s=START_S)
        machine.press("ret")
        machine.see("No partitions are on it", f"Erase {NAME} and install")


def test_a_disk_that_is_too_small_is_shown_and_refused(
    appliance: Appliance, medium: Path, tmp_path: Path
) -> None:
    disk = blank(tmp_path, 4096)
    with Installing(disk, tmp_path, appliance.root, medium=as_cd(medium)) as machine:
        machine.see("Choose the disk", NAME, "4 GiB", SERIAL_NUMBER, "too small", within_s=START_S)
        machine.press("ret")
        machine.see(f"{NAME} has 4 GiB and Ballast needs 8 GiB.", "larger disk")
        # the same over the serial line, once a person has pressed Enter there
        said = machine.over_serial(b"\r", "Choose the disk", "too small")
        assert "\x1b[7m" in said
        machine.over_serial(b"\x1b", "Nothing was written to a disk.")
        machine.see("Nothing was written to a disk.")


def test_a_refusal_half_way_leaves_every_byte(
    appliance: Appliance, medium: Path, tmp_path: Path
) -> None:
    below = blank(tmp_path, LARGER_MIB).rename(tmp_path / "below.qcow2")
    for at in (0, 5000, LARGER_MIB - 1):
        asyncio.run(guest_disk.overwrite(below, at * MIB, MIB))
    disk = tmp_path / "disk.qcow2"
    asyncio.run(guest_disk.overlay(below, disk))
    with Installing(disk, tmp_path, appliance.root, medium=as_stick(medium)) as machine:
        screen = machine.see("Choose the disk", NAME, within_s=START_S)
        # the medium is a disk too, and not offered
        assert "sda" not in screen
        machine.press("ret")
        machine.choose(f"Erase {NAME} and install", "n")
        machine.see("Stopped. Nothing was written.")
        machine.press("ret")
        machine.choose(f"Erase {NAME} and install", "y")
        machine.see("type the disk's name")
        machine.type("sda\n")
        machine.see(f"That is not {NAME}; nothing was written.")
        machine.press("esc")
        confirm(machine)
        machine.choose("Checking the medium", "esc")
        machine.see("Stopped. Nothing was written.")
    same = ["qemu-img", "compare", "-f", "qcow2", "-F", "qcow2", str(below), str(disk)]
    assert subprocess.run(same, check=False).returncode == 0


def test_a_damaged_medium_is_found_before_anything_is_written(
    appliance: Appliance, medium: Path, tmp_path: Path
) -> None:
    worn = tmp_path / "worn.qcow2"
    asyncio.run(guest_disk.overlay(medium, worn))
    asyncio.run(guest_disk.overwrite(worn, _middle_of_the_image(medium), 2048))
    disk = blank(tmp_path, LARGER_MIB)
    untouched = disk.read_bytes()
    with Installing(disk, tmp_path, appliance.root, medium=as_cd(worn)) as machine:
        confirm(machine)
        screen = machine.see("The medium is damaged", "Nothing was written", within_s=CHECK_S)
        assert all(len(line) <= WIDTH + 1 for line in screen.splitlines())
        machine.press("ret")
        machine.see("Choose the disk")
    assert disk.read_bytes() == untouched


def _middle_of_the_image(medium: Path) -> int:
    """Where on the medium the middle of the compressed image lies."""
    image = raw_of(recipe.PRODUCTS)
    with image.open("rb") as file:
        start = file.read(2048)
    with medium.open("rb") as file:
        at = 0
        while block := file.read(2048):
            if block == start:
                return (at + image.stat().st_size // 2) // 2048 * 2048
            at += 2048
    raise AssertionError("the image is not on the medium")


def test_the_same_inputs_make_the_same_medium(medium: Path, medium_again: Path) -> None:
    assert filecmp.cmp(medium, medium_again, shallow=False)


@pytest.mark.parametrize(
    ("firmware", "inserted"), [(Firmware.BIOS, as_cd), (Firmware.SECURE_BOOT, as_stick)]
)
def test_it_installs_an_appliance_that_starts(
    appliance: Appliance,
    medium: Path,
    tmp_path: Path,
    firmware: Firmware,
    inserted: Callable[[Path], tuple[str, ...]],
) -> None:
    disk = blank(tmp_path, LARGER_MIB)
    with Installing(
        disk, tmp_path, appliance.root, medium=inserted(medium), firmware=firmware
    ) as machine:
        confirm(machine)
        machine.see(f"Ballast is installed on {NAME}", within_s=INSTALL_S)
    verdict, ends = table_of(disk, tmp_path)
    assert "No errors detected" in verdict
    assert ends[""] == LARGER_MIB * MIB // 512 - 34
    with Installing(
        disk, tmp_path, appliance.root, medium=inserted(medium), firmware=firmware
    ) as machine:
        machine.see("Choose the disk", within_s=START_S)
        machine.press("ret")
        machine.see("A Ballast is on it", "root-b", "data")
        machine.press("n", "esc")
        machine.see("Remove the medium")
        machine.take_medium_out()
        machine.press("ret")
        machine.see("F2 Log in", FACTORY, within_s=PAINT_S)
        machine.switch_off()
    verdict, ends = table_of(disk, tmp_path)
    assert "No errors detected" in verdict
    # the data partition has grown to the disk
    assert ends["data"] > (LARGER_MIB - 2) * MIB // 512


@pytest.fixture(autouse=True)
def _room_is_given_back(tmp_path: Path) -> object:
    yield None
    shutil.rmtree(tmp_path, ignore_errors=True)
