# SPDX-License-Identifier: Apache-2.0
"""A unit under every firmware and after what may happen to it: damage, power cuts, odd hardware."""

from __future__ import annotations

import asyncio
import re
import shutil
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from image import guest_disk
from image.disk.layout import MIB
from image.qemu import Firmware
from image.recipe import DATA, DISK_MIB, ROOT_A
from tests.image.conftest import BUILD_S, Appliance
from tests.image.unit import FACTORY, PAINT_S, Unit
from tests.netns import inside

pytestmark = [pytest.mark.long, pytest.mark.timeout(BUILD_S)]

CHOSEN = "Correct-Horse-7"
ADDRESSES = "cat /sys/class/net/eth[0-3]/address"
NAMED = "journalctl -b -o cat -u ballast-names | grep -c ^Finished"
TEST_S = 1200
LARGER_MIB = 12 * 1024
COPY_S = 600
GIVEN_UP_S = 600
"""Until three starts of a damaged slot have failed, each with its ten seconds of panic, and the
other one has painted."""
MEMORY_MIB = 350


RUNNING = "running"
"""The name under which the settled unit was kept before it was shut down."""

on_settled = pytest.mark.xdist_group("settled")
"""One process has all that needs the settled unit, so that it settles once."""


@dataclass(frozen=True)
class Settled:
    """A unit that was switched on once, has filled its second slot, and was shut down.

    `disk` also holds the unit as it ran before that, logged in as root (`resumed`).
    """

    disk: Path
    failed: str
    """Units that failed, as systemd lists them."""
    listening: str
    memory_mib: int
    data_mib: int
    cards: str
    """Hardware addresses of eth0 to eth3."""

    def resumed(self, folder: Path) -> Path:
        """A disk of the test's own on which the unit runs on."""
        disk = folder / "disk.qcow2"
        shutil.copyfile(self.disk, disk)
        return disk


def overlay(below: Path, folder: Path) -> Path:
    """A disk of the test's own on top of another."""
    disk = folder / "disk.qcow2"
    asyncio.run(guest_disk.overlay(below, disk))
    return disk


@pytest.fixture(scope="module")
def settled(appliance: Appliance, tmp_path_factory: pytest.TempPathFactory) -> Settled:
    folder = tmp_path_factory.mktemp("settled")
    disk = overlay(appliance.disk, folder)
    asyncio.run(guest_disk.shorten(disk, LARGER_MIB * MIB))
    told: list[str] = inside(_settle, appliance, disk, folder, timeout_s=TEST_S)
    failed, listening, memory, data, cards = told
    return Settled(disk, failed, listening, int(memory), int(data), cards)


def _settle(appliance: Appliance, disk: Path, folder: Path) -> list[str]:
    with Unit(disk, folder, appliance.root) as unit:
        unit.see_status()
        unit.root_shell(CHOSEN, first=True)
        memory = unit.shell("free -m | awk '/^Mem/ {print $3}'")
        copied = "until systemctl is-active -q ballast-slot-copy; do sleep 1; done"
        unit.shell(copied, within_s=COPY_S)
        told = [
            unit.shell("systemctl --failed --no-legend --plain | cat"),
            unit.shell("ss -Hltun | cat"),
            memory,
            unit.shell("df -BM --output=size /data | tail -n 1 | tr -dc 0-9"),
            unit.shell(ADDRESSES),
        ]
        unit.machine.keep(RUNNING)
        unit.switch_off()
        return [each.strip() for each in told]


# ------------------------------------------------------------------------------- the first boot


@on_settled
def test_nothing_failed_and_only_ssh_listens(settled: Settled) -> None:
    assert settled.failed == ""
    assert {line.split()[4].rpartition(":")[2] for line in settled.listening.splitlines()} == {"22"}


@on_settled
def test_it_leaves_most_of_the_smallest_machine_free(settled: Settled) -> None:
    assert settled.memory_mib <= MEMORY_MIB


@on_settled
def test_the_data_partition_has_grown_to_the_disk(settled: Settled) -> None:
    assert settled.data_mib > LARGER_MIB - DISK_MIB + 3000


@on_settled
async def test_the_second_slot_was_filled_and_the_first_called_good(settled: Settled) -> None:
    found = await guest_disk.grub_variables(settled.disk)
    assert {name: found[name] for name in ("A_OK", "A_TRY", "B_OK", "B_TRY")} == {
        "A_OK": "1",
        "A_TRY": "0",
        "B_OK": "1",
        "B_TRY": "0",
    }


# ------------------------------------------------------------------------------------ firmware


def _boot(appliance: Appliance, disk: Path, folder: Path, firmware: Firmware, question: str) -> str:
    with Unit(disk, folder, appliance.root, firmware=firmware) as unit:
        unit.see_status()
        unit.root_shell(CHOSEN, first=True)
        return unit.shell(question)


@pytest.mark.parametrize(
    ("firmware", "secure"), [(Firmware.UEFI, "0"), (Firmware.SECURE_BOOT, "1")]
)
def test_it_starts_under_uefi(
    appliance: Appliance, tmp_path: Path, firmware: Firmware, secure: str
) -> None:
    disk = overlay(appliance.disk, tmp_path)
    asked = "od -An -tu1 -j4 /sys/firmware/efi/efivars/SecureBoot-*"
    told = inside(_boot, appliance, disk, tmp_path, firmware, asked, timeout_s=TEST_S)
    assert told.strip() == secure


# -------------------------------------------------------------------------------------- damage


def _superblock(_: Path) -> tuple[int, int]:
    return 1024, 1024


def _middle_of(folder: str, pattern: str) -> Callable[[Path], tuple[int, int]]:
    """Where the middle of a file lies in slot A of the disk, as the file system says itself."""

    def place(disk: Path) -> tuple[int, int]:
        slot = guest_disk.place_of(ROOT_A)
        listed = _asked(disk, slot.start, f"ls -p {folder}")
        found = re.search(rf"/({pattern})/", listed)
        assert found is not None, listed
        blocks = _asked(disk, slot.start, f"blocks {folder}/{found[1]}").split()
        return int(blocks[len(blocks) // 2]) * 4096, 4096

    return place


def _asked(disk: Path, start: int, question: str) -> str:
    return subprocess.run(
        ["/usr/sbin/debugfs", "-R", question, f"{disk}?offset={start}"],
        check=True,
        capture_output=True,
        text=True,
    ).stdout


DAMAGE: dict[str, Callable[[Path], tuple[int, int]]] = {
    "superblock": _superblock,
    "kernel": _middle_of("/boot", r"vmlinuz-[^/]+"),
    "library": _middle_of("/usr/lib/x86_64-linux-gnu", r"libc\.so\.6"),
}


def _comes_up(appliance: Appliance, disk: Path, folder: Path) -> None:
    with Unit(disk, folder, appliance.root) as unit:
        unit.see("F2 Log in", FACTORY, within_s=GIVEN_UP_S)
        # the boot is called good a moment later
        unit.root_shell(CHOSEN, first=False)
        unit.shell("until systemctl is-active -q ballast-boot-good; do sleep 1; done")
        assert "ballast.slot=b" in unit.shell("cat /proc/cmdline")
        unit.switch_off()


@on_settled
@pytest.mark.parametrize("what", DAMAGE)
def test_the_other_slot_starts_when_this_one_is_damaged(
    appliance: Appliance, settled: Settled, tmp_path: Path, what: str
) -> None:
    disk = overlay(settled.disk, tmp_path)
    offset, size = DAMAGE[what](appliance.disk)
    place = guest_disk.place_of(ROOT_A)
    asyncio.run(guest_disk.overwrite(disk, place.start + offset, size))
    inside(_comes_up, appliance, disk, tmp_path, timeout_s=TEST_S)
    found = asyncio.run(guest_disk.grub_variables(disk))
    assert (found["A_TRY"], found["B_TRY"]) == ("3", "0")


def _says(appliance: Appliance, disk: Path, folder: Path, words: list[str], cards: int) -> None:
    with Unit(disk, folder, appliance.root, cards=cards) as unit:
        unit.see("F2 Log in", FACTORY, *words, within_s=PAINT_S)


@on_settled
def test_a_broken_data_partition_is_said_and_kept_for_rescue(
    appliance: Appliance, settled: Settled, tmp_path: Path
) -> None:
    disk = overlay(settled.disk, tmp_path)
    place = guest_disk.place_of(DATA)
    asyncio.run(guest_disk.overwrite(disk, place.start, 64 * 1024))
    before = asyncio.run(guest_disk.read(disk, place.start, MIB))
    words = ["The data partition", "factory defaults in memory"]
    inside(_says, appliance, disk, tmp_path, words, 4, timeout_s=TEST_S)
    assert asyncio.run(guest_disk.read(disk, place.start, MIB)) == before


def _says_early(appliance: Appliance, disk: Path, folder: Path, words: list[str]) -> None:
    with Unit(disk, folder, appliance.root) as unit:
        unit.see(*words, within_s=PAINT_S)


def test_a_disk_that_is_too_small_is_said(appliance: Appliance, tmp_path: Path) -> None:
    disk = overlay(appliance.disk, tmp_path)
    small_mib = DISK_MIB // 2 + 256
    asyncio.run(guest_disk.shorten(disk, small_mib * MIB))
    words = ["Ballast needs a disk of 8 GiB", f"vda has {small_mib}"]
    inside(_says_early, appliance, disk, tmp_path, words, timeout_s=TEST_S)


def test_one_card_is_enough(appliance: Appliance, tmp_path: Path) -> None:
    disk = overlay(appliance.disk, tmp_path)
    inside(_says, appliance, disk, tmp_path, ["eth0  link up"], 1, timeout_s=TEST_S)


# ---------------------------------------------------------------------------------- power cuts


def _cut(appliance: Appliance, disk: Path, folder: Path, moments_s: list[float]) -> str:
    for moment_s in moments_s:
        with Unit(disk, folder, appliance.root) as unit:
            time.sleep(moment_s)
    with Unit(disk, folder, appliance.root) as unit:
        unit.see_status()
        unit.root_shell(CHOSEN, first=True)
        keys = "ls -s /etc/ssh/ssh_host_*_key /data/ballast/revisions | cat; cat /etc/machine-id"
        return unit.shell(f"systemctl --failed --no-legend --plain | cat; {keys}")


def test_power_cuts_during_the_first_boot_leave_a_unit_that_comes_up_whole(
    appliance: Appliance, tmp_path: Path
) -> None:
    disk = overlay(appliance.disk, tmp_path)
    moments_s = [12.0, 20.0, 28.0]
    told = inside(_cut, appliance, disk, tmp_path, moments_s, timeout_s=TEST_S)
    assert "failed" not in told
    assert not re.search(r"^ *0 /etc/ssh", told, re.MULTILINE), told
    assert re.search(r"^[0-9a-f]{32}$", told, re.MULTILINE), told


def _cut_applies(appliance: Appliance, disk: Path, folder: Path) -> list[tuple[str, str]]:
    """Cut the power in the middle of applies, again and again; what the unit says afterwards."""
    found = []
    with Unit(disk, folder, appliance.root, resume=RUNNING) as unit:
        _begin_applies(unit, 0)
    for turn in range(1, 3):
        with Unit(disk, folder, appliance.root) as unit:
            unit.see_status()
            unit.root_shell(CHOSEN, first=False)
            counted = unit.shell("ballast vip list --json | grep -c label")
            notices = unit.shell("ballast status --json | grep -A3 notices")
            found.append((counted, notices))
            if turn == 1:
                _begin_applies(unit, turn)
                time.sleep(0.7)
    return found


def _begin_applies(unit: Unit, turn: int) -> None:
    """Have services added, one change after the other; comes back when the first is done."""
    add = f"ballast vip add turn{turn}-$i --addresses 192.168.2.1{turn}$i --ports 80"
    unit.type(f"clear; for i in 0 1 2 3 4 5 6 7 8 9; do {add}; done\n")
    unit.see("Done; revision")


@on_settled
def test_a_power_cut_during_an_apply_leaves_the_old_or_the_new_revision(
    appliance: Appliance, settled: Settled, tmp_path: Path
) -> None:
    disk = settled.resumed(tmp_path)
    found = inside(_cut_applies, appliance, disk, tmp_path, timeout_s=2 * TEST_S)
    counted = [int(number) for number, _ in found]
    assert counted == sorted(counted)
    assert counted[-1] >= 1
    assert all(re.search(r'"notices": \[\]', notices) for _, notices in found), found


# ---------------------------------------------------------------------------- factory defaults


def _erased(appliance: Appliance, disk: Path, folder: Path) -> None:
    with Unit(disk, folder, appliance.root, resume=RUNNING) as unit:
        unit.shell("ballast vip add web --addresses 192.168.2.100 --ports 80")
        unit.shell("touch /etc/left-behind; sync")
    with Unit(disk, folder, appliance.root) as unit:
        _choose_factory_defaults(unit)
        unit.see("none yet", "setup / setup", FACTORY, within_s=PAINT_S)
        unit.root_shell(CHOSEN, first=True)
        assert unit.shell("ls /etc/left-behind 2>&1 | cat").count("No such file") == 1
        unit.switch_off()
    with Unit(disk, folder, appliance.root) as unit:
        unit.see_status()
        unit.root_shell(CHOSEN, first=False)  # erased once, not at every start


def _choose_factory_defaults(unit: Unit) -> None:
    """Esc while the boot loader waits, and then the last of its entries."""
    give_up_at = time.monotonic() + 60
    while not unit.in_boot_menu():
        assert time.monotonic() < give_up_at, "the boot loader's menu does not appear"
        unit.press("esc")
        time.sleep(0.2)
    unit.press("down", "down", "down", "ret")


@on_settled
def test_factory_defaults_erase_everything_that_was_configured(
    appliance: Appliance, settled: Settled, tmp_path: Path
) -> None:
    disk = settled.resumed(tmp_path)
    inside(_erased, appliance, disk, tmp_path, timeout_s=TEST_S)


# --------------------------------------------------------------------------------------- cards


def _names(appliance: Appliance, disk: Path, folder: Path, order: list[int]) -> str:
    with Unit(disk, folder, appliance.root, order=order) as unit:
        unit.see_status()
        unit.root_shell(CHOSEN, first=False)
        return unit.shell(ADDRESSES)


@on_settled
def test_cards_that_change_places_keep_their_names(
    appliance: Appliance, settled: Settled, tmp_path: Path
) -> None:
    disk = overlay(settled.disk, tmp_path)
    after = inside(_names, appliance, disk, tmp_path, [2, 3, 1, 0], timeout_s=TEST_S)
    assert settled.cards.split() == after.split() == [f"52:54:00:ba:11:0{n}" for n in range(4)]


def _late(appliance: Appliance, disk: Path, folder: Path) -> list[str]:
    """The drivers of eth1 and eth2 come later, that of eth2 first: the kernel names it eth1."""
    with Unit(disk, folder, appliance.root, resume=RUNNING) as unit:
        told = [unit.shell(NAMED)]
        unit.shell("cd /sys/bus/virtio/drivers/virtio_net; of=/sys/class/net")
        unit.shell("e1=$(basename $(readlink $of/eth1/device))")
        unit.shell("e2=$(basename $(readlink $of/eth2/device)); a2=$(cat $of/eth2/address)")
        unit.shell("echo $e1 > unbind; echo $e2 > unbind; ls $of | grep -c eth[12] | grep 0")
        unit.shell("echo $e2 > bind; until grep -qs $a2 $of/eth2/address; do sleep 1; done")
        unit.shell("echo $e1 > bind; until [ -e $of/eth1 ]; do sleep 1; done")
        return [*told, unit.shell(ADDRESSES)]


@on_settled
def test_cards_are_named_once_at_a_start_and_again_when_a_driver_comes_later(
    appliance: Appliance, settled: Settled, tmp_path: Path
) -> None:
    disk = settled.resumed(tmp_path)
    named, after = inside(_late, appliance, disk, tmp_path, timeout_s=TEST_S)
    assert named == "1"
    assert settled.cards.split() == after.split()


@pytest.fixture(autouse=True)
def _room_is_given_back(tmp_path: Path) -> object:
    yield None
    shutil.rmtree(tmp_path, ignore_errors=True)
