# SPDX-License-Identifier: Apache-2.0
"""The installer at work, on files in the place of disks and with the real programs as judges."""

from __future__ import annotations

import io
import os
import random
import subprocess
import tty
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from image.installer import medium, survey, writing
from image.installer.disks import Part
from image.installer.pages import Page
from image.installer.payload import CHUNK, DESCRIPTOR_AT, Payload, read
from image.installer.survey import Sources
from image.installer.table import HEAD, relocated
from image.installer.terminals import INVITATION, keys_of, open_all
from image.installer.writing import TAIL
from services.command import output_of
from services.errors import CommandFailed, Unable
from tests.unit.installing import appliance, descriptor

SMALL = 5 * CHUNK + CHUNK // 2
"""Bytes of the appliance's disk here."""
LAYOUT = "label: gpt\nstart=2048, size=2048, name=first\nstart=4096, size=8192, name=data\n"


@pytest.fixture
def image(tmp_path: Path) -> bytes:
    """A disk with a partition table, something here and there, and nothing in between."""
    disk = tmp_path / "image.raw"
    with disk.open("wb") as file:
        file.truncate(SMALL)
    _sfdisk(disk, LAYOUT)
    data = bytearray(disk.read_bytes())
    data[CHUNK + 5 : CHUNK + 4101] = random.Random(7).randbytes(4096)
    data[3 * CHUNK : 3 * CHUNK + 9] = b"something"
    disk.unlink()
    return bytes(data)


def _sfdisk(disk: Path, script: str = "", *flags: str) -> str:
    argv = ["sfdisk", "--no-reread", "--no-tell-kernel", *(flags or ("--quiet",)), str(disk)]
    done = subprocess.run(argv, input=script, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout + done.stderr


@contextmanager
def disk_of(folder: Path, size: int) -> Iterator[tuple[Path, int]]:
    """A disk full of what somebody has left there, and how the installer opens it."""
    path = folder / "sda"
    path.write_bytes(random.Random(1).randbytes(1 << 16) * (size >> 16))
    with writing.opened("sda", devices=folder) as fd:
        yield path, fd


def ignored(*_: int) -> None:
    """Progress nobody looks at."""


# ---------------------------------------------------------------------------------------- writing


@pytest.mark.needs("sfdisk")
@pytest.mark.parametrize("size", [SMALL, SMALL + (8 << 20)])
def test_a_disk_holds_the_image_and_a_table_that_fits(
    tmp_path: Path, image: bytes, size: int
) -> None:
    payload, _ = appliance(tmp_path, image)
    with disk_of(tmp_path, size) as (path, fd):
        writing.write(payload, io.BytesIO(image), fd, ignored)
        writing.verify(payload, fd, ignored)
        assert path.read_bytes()[: len(image)] == image
        writing.fit(fd)
    assert "No errors detected" in _sfdisk(path, "", "--verify")
    said = _sfdisk(path, "", "--dump")
    assert 'name="first"' in said
    assert f"last-lba: {size // 512 - 34}" in said
    data = path.read_bytes()
    assert data[HEAD : len(image) - 33 * 512] == image[HEAD : len(image) - 33 * 512]


@pytest.mark.needs("sfdisk")
def test_a_table_that_fits_is_left_alone_and_none_is_refused(image: bytes) -> None:
    assert relocated(image[:HEAD], SMALL) == ()
    with pytest.raises(Unable, match="partition table"):
        relocated(bytes(HEAD), SMALL)
    with pytest.raises(Unable, match="partition table"):
        relocated(image[:600] + b"!" + image[601:HEAD], SMALL + CHUNK)


@pytest.mark.needs("sfdisk")
def test_an_installation_that_was_cut_off_leaves_no_table_at_either_end(
    tmp_path: Path, image: bytes
) -> None:
    payload, _ = appliance(tmp_path, image)
    size = SMALL + 2 * CHUNK
    with (
        disk_of(tmp_path, size) as (path, fd),
        pytest.raises(Unable, match="read differently"),
    ):
        writing.write(payload, io.BytesIO(image[: 4 * CHUNK]), fd, ignored)
    data = path.read_bytes()
    assert data[:CHUNK] == bytes(CHUNK)
    assert data[-TAIL:] == bytes(TAIL)
    assert data[CHUNK : 2 * CHUNK] == image[CHUNK : 2 * CHUNK]


@pytest.mark.needs("sfdisk")
def test_a_stretch_that_is_not_as_described_is_never_written(tmp_path: Path, image: bytes) -> None:
    payload, _ = appliance(tmp_path, image)
    wrong = bytearray(image)
    wrong[2 * CHUNK + 1] = 1
    with disk_of(tmp_path, SMALL) as (path, fd):
        before = path.read_bytes()[2 * CHUNK : 3 * CHUNK]
        with pytest.raises(Unable, match="read differently"):
            writing.write(payload, io.BytesIO(wrong), fd, ignored)
    assert path.read_bytes()[2 * CHUNK : 3 * CHUNK] == before


@pytest.mark.needs("sfdisk")
@pytest.mark.parametrize("at", [0, 3 * CHUNK, 4 * CHUNK + 7, SMALL - 1])
def test_a_byte_the_disk_did_not_keep_is_found(tmp_path: Path, image: bytes, at: int) -> None:
    payload, _ = appliance(tmp_path, image)
    with disk_of(tmp_path, SMALL) as (_, fd):
        writing.write(payload, io.BytesIO(image), fd, ignored)
        os.pwrite(fd, bytes([image[at] ^ 1]), at)
        with pytest.raises(Unable, match=f"did not keep .* {at // CHUNK * 4} MiB from its start"):
            writing.verify(payload, fd, ignored)


@pytest.mark.needs("sfdisk")
def test_a_disk_that_does_not_take_a_byte_is_an_error_with_a_remedy(
    tmp_path: Path, image: bytes
) -> None:
    payload, _ = appliance(tmp_path, image)
    (tmp_path / "disk").write_bytes(bytes(SMALL))
    fd = os.open(tmp_path / "disk", os.O_RDONLY)
    try:
        with pytest.raises(Unable, match="cannot be written to") as caught:
            writing.write(payload, io.BytesIO(image), fd, ignored)
    finally:
        os.close(fd)
    assert "replaced" in caught.value.do


def test_a_disk_that_went_away_cannot_be_opened(tmp_path: Path) -> None:
    with (
        pytest.raises(Unable, match="sdx cannot be opened"),
        writing.opened("sdx", devices=tmp_path),
    ):
        pass


def test_a_program_is_read_while_it_writes_and_its_failure_is_told() -> None:
    with output_of(["head", "-c", "3000000", "/dev/zero"], do="Look.") as output:
        assert sum(len(block) for block in iter(lambda: output.read(1 << 20), b"")) == 3_000_000
    with pytest.raises(CommandFailed, match="status 1"), output_of(["false"], do="Look.") as output:
        assert output.read(1) == b""
    with (
        pytest.raises(CommandFailed, match="not installed"),
        output_of(["no-such-program"], do="Look."),
    ):
        pass
    with output_of(["cat", "/dev/zero"], do="Look.") as output:
        assert output.read(1) == b"\0"  # leaving in the middle ends it


# ----------------------------------------------------------------------------------------- medium


def test_the_description_survives_its_journey(tmp_path: Path) -> None:
    payload, _ = appliance(tmp_path, bytes(CHUNK) + b"x" * 100)
    assert read(payload.text()) == payload
    assert payload.sums.keys() == {1}
    for wrong in ("", "{}", "[]", payload.text().replace("4194304", "1")):
        with pytest.raises(Unable, match="does not say what it carries"):
            read(wrong)


def test_the_medium_is_found_among_other_media(tmp_path: Path) -> None:
    payload, _ = appliance(tmp_path, b"x" * 100)
    other, _ = appliance(tmp_path, b"y" * 100)
    for name, content in (
        ("sr0", bytes(DESCRIPTOR_AT) + descriptor(other)),
        ("sda", b"short"),
        ("sdb", bytes(DESCRIPTOR_AT) + descriptor(payload)),
    ):
        (tmp_path / name).write_bytes(content)
    names = ("sr0", "sr1", "sda", "sdb")
    assert medium.find(payload, names, devices=tmp_path) == "sdb"
    assert medium.find(payload, names[:3], devices=tmp_path) is None


def test_a_medium_is_checked_to_its_last_byte(tmp_path: Path) -> None:
    payload, file = appliance(tmp_path, random.Random(3).randbytes(3 << 20))
    seen: list[tuple[int, int]] = []
    medium.check(payload, file, lambda *at: seen.append(at))
    assert seen[-1] == (3 << 20, 3 << 20)
    good = file.read_bytes()
    for wrong in (good[:-1], good[:-1] + bytes([good[-1] ^ 1]), good + b"\0"):
        file.write_bytes(wrong)
        with pytest.raises(Unable, match="The medium is damaged"):
            medium.check(payload, file, ignored)
    file.unlink()
    with pytest.raises(Unable, match="The medium cannot be read"):
        medium.check(payload, file, ignored)


# ----------------------------------------------------------------------------------------- survey


@pytest.fixture
def machine(tmp_path: Path) -> Sources:
    """What the kernel and udev say of a server with a disk, a stick and a CD drive."""
    sources = Sources(tmp_path / "block", tmp_path / "udev", tmp_path / "mounts")
    sources.udev.mkdir()
    sources.mounts.write_text("/dev/sdb1 /mnt vfat ro 0 0\nproc /proc proc rw 0 0\n")
    _device(sources, "sda", "8:0", "468862128", udev="E:ID_MODEL=INTEL\nE:ID_SERIAL_SHORT=PH1\n")
    _device(
        *(sources, "sda/sda2", "8:2", "2048"),
        udev="E:ID_FS_TYPE=ntfs\nE:ID_FS_LABEL_ENC=My\\x20\\x1b[2Jdisk\n",
    )
    _device(sources, "sda/sda1", "8:1", "4096", udev="E:ID_PART_ENTRY_NAME=root-a\n")
    _device(
        *(sources, "sdb", "8:16", "31260672"),
        udev="E:ID_BUS=usb\nE:ID_MODEL_ENC=Ultra\\x20Fit\\x20\\x20\n",
    )
    _device(sources, "sdb/sdb1", "8:17", "2048")
    _device(sources, "sdc", "8:32", "16777216", udev="E:ID_FS_TYPE=LVM2_member\n")
    (sources.block / "sdc/holders/dm-0").mkdir(parents=True)
    (sources.block / "sdc/ro").write_text("1\n")
    (sources.block / "sdc/queue").mkdir()
    (sources.block / "sdc/queue/logical_block_size").write_text("4096\n")
    (sources.block / "sdc/device").mkdir()
    (sources.block / "sdc/device/serial").write_text("S3\n")
    for name in ("sr0", "loop0", "zram0", "dm-0"):
        _device(sources, name, "9:9", "100")
    return sources


def _device(sources: Sources, name: str, number: str, sectors: str, udev: str = "") -> None:
    folder = sources.block / name
    folder.mkdir(parents=True)
    (folder / "dev").write_text(f"{number}\n")
    (folder / "size").write_text(f"{sectors}\n")
    if "/" in name:
        (folder / "partition").write_text(f"{name[-1]}\n")
    if udev:
        (sources.udev / f"b{number}").write_text(f"S:disk/by-id/x\n{udev}")


def test_disks_are_described_by_what_kernel_and_udev_say(machine: Sources) -> None:
    sda, sdb, sdc = survey.disks(machine)
    assert (sda.name, sda.size, sda.model, sda.serial) == ("sda", 468862128 * 512, "INTEL", "PH1")
    assert sda.parts == (
        Part("sda1", 4096 * 512, "root-a"),
        Part("sda2", 2048 * 512, "ntfs My ?[2Jdisk"),
    )
    assert (sdb.removable, sdb.model, sdb.used_by) == (True, "Ultra Fit", ("/mnt",))
    assert (sdc.read_only, sdc.sector, sdc.serial) == (True, 4096, "S3")
    assert sdc.used_by == ("dm-0",)
    assert sdc.parts == (Part("sdc", 16777216 * 512, "LVM2_member"),)
    assert not sda.removable


def test_the_medium_is_looked_for_in_drives_first(machine: Sources) -> None:
    assert survey.may_be_medium(machine) == ("sr0", "sda", "sdb", "sdc")


# -------------------------------------------------------------------------------------- terminals


@pytest.mark.parametrize(
    ("data", "keys"),
    [
        (b"\x1b[A\x1b[B\x1bOA\x1bOB", ["up", "down", "up", "down"]),
        (b"\r\n", ["enter"]),
        (b"\x1b", ["escape"]),
        (b"\x1b\x1b", ["escape", "escape"]),
        (b"\x1b[15~\x1b[Cx", ["x"]),
        (b"\x7f\x08", ["backspace", "backspace"]),
        (b"sda \xc3\xa9\0\t", ["s", "d", "a", " "]),
        (b"\x1b[", []),
    ],
)
def test_bytes_are_keys(data: bytes, keys: list[str]) -> None:
    assert keys_of(data) == keys


@pytest.fixture
def lines(tmp_path: Path) -> Iterator[dict[str, int]]:
    """Pseudo-terminals in the place of the screen and of one serial line; the person's ends."""
    ends, others = {}, []
    for name in ("tty1", "ttyS0"):
        near, far = os.openpty()
        tty.setraw(near)
        os.set_blocking(near, False)
        (tmp_path / name).symlink_to(os.ttyname(far))
        ends[name] = near
        others.append(far)
    (tmp_path / "ttyS1").write_text("no terminal")
    yield ends
    for fd in (*ends.values(), *others):
        os.close(fd)


def _told(fd: int) -> bytes:
    try:
        return os.read(fd, 1 << 16)
    except BlockingIOError:
        return b""


def test_a_serial_line_takes_part_after_a_carriage_return(
    tmp_path: Path, lines: dict[str, int]
) -> None:
    first, second = (Page(word, ("body",), "keys") for word in ("first", "second"))
    with open_all(tmp_path) as terminals:
        terminals.show(first)
        assert b"first" in _told(lines["tty1"])
        assert _told(lines["ttyS0"]) == INVITATION
        os.write(lines["ttyS0"], b">>>\nt=status\nst=active\n<<<\n")
        assert terminals.keys(within_s=5) == []
        assert _told(lines["ttyS0"]) == b""
        os.write(lines["ttyS0"], b"noise\rsd")
        assert terminals.keys(within_s=5) == ["s", "d"]
        assert b"first" in _told(lines["ttyS0"])
        terminals.show(second)
        assert all(b"second" in _told(fd) for fd in lines.values())
        os.write(lines["tty1"], b"\x1b[B")
        assert terminals.keys(within_s=5) == ["down"]
        assert terminals.keys(within_s=0) == []


def test_a_page_that_stands_there_is_not_painted_again(
    tmp_path: Path, lines: dict[str, int]
) -> None:
    page = Page("title", ("body",), "keys")
    with open_all(tmp_path) as terminals:
        terminals.show(page)
        assert _told(lines["tty1"])
        terminals.show(page)
        assert _told(lines["tty1"]) == b""


def test_payloads_know_their_last_stretch() -> None:
    payload = Payload("1", "f", 1, "aa", 2 * CHUNK + 10, {})
    assert [payload.length(number) for number in range(payload.chunks)] == [CHUNK, CHUNK, 10]
    assert payload.holds(2, bytes(10))
    assert not payload.holds(2, bytes(11))
    assert not payload.holds(0, bytes(10))
