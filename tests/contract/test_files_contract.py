# SPDX-License-Identifier: Apache-2.0
"""What every `Files` does, in memory and on a disk; and what only a kernel can prove."""

from __future__ import annotations

import asyncio
import errno
import os
import stat
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from services.drivers.files import DiskFiles, Files
from services.errors import Unable
from services.plan.state import File
from tests.fakes.files import FakeFiles
from tests.netns import inside, mount_tmpfs, remount_read_only


@dataclass
class World:
    files: Files
    folder: str
    link: Callable[[str], None]
    """Makes a symbolic link at that path."""
    mode_of: Callable[[str], int]


@pytest.fixture(params=["fake", "disk"])
def world(request: pytest.FixtureRequest, tmp_path: Path) -> World:
    if request.param == "disk":
        return World(
            DiskFiles(),
            str(tmp_path),
            lambda path: Path(path).symlink_to(tmp_path / "elsewhere"),
            lambda path: stat.S_IMODE(Path(path).stat().st_mode),
        )
    fake = FakeFiles(folders={"/etc/x"})
    return World(fake, "/etc/x", fake.links.add, lambda path: fake.held[path].mode)


async def test_nothing_there_is_none(world: World) -> None:
    assert await world.files.read(f"{world.folder}/absent") is None
    assert await world.files.read(f"{world.folder}/absent/deeper") is None


async def test_what_was_written_is_read(world: World) -> None:
    path = f"{world.folder}/haproxy.cfg"
    await world.files.write(File(path, b"first\n"))
    await world.files.write(File(path, b"second \x00\xff\n"))
    assert await world.files.read(path) == b"second \x00\xff\n"


@pytest.mark.parametrize("mode", [0o600, 0o640, 0o644, 0o666])
async def test_the_mode_is_the_files_own_whatever_the_umask(world: World, mode: int) -> None:
    path = f"{world.folder}/secret"
    before = os.umask(0o077)
    try:
        await world.files.write(File(path, b"x", mode=mode))
    finally:
        os.umask(before)
    assert world.mode_of(path) == mode


async def test_removing_twice_is_success(world: World) -> None:
    path = f"{world.folder}/file"
    await world.files.write(File(path, b"x"))
    await world.files.remove(path)
    await world.files.remove(path)
    await world.files.remove(f"{world.folder}/no/such/folder")
    assert await world.files.read(path) is None


async def test_a_missing_folder_is_named_with_its_remedy(world: World) -> None:
    with pytest.raises(Unable, match=r"The folder .*/absent does not exist. Create it."):
        await world.files.write(File(f"{world.folder}/absent/file", b"x"))


async def test_a_symbolic_link_is_refused_and_left(world: World) -> None:
    path = f"{world.folder}/resolv.conf"
    world.link(path)
    with pytest.raises(Unable, match="is a symbolic link"):
        await world.files.write(File(path, b"x"))


async def test_a_link_is_read_through(tmp_path: Path) -> None:
    (tmp_path / "target").write_bytes(b"there")
    (tmp_path / "link").symlink_to("target")
    assert await DiskFiles().read(str(tmp_path / "link")) == b"there"


async def test_what_is_no_plain_file_is_refused_at_once(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "folder").mkdir()
    for name in ("pipe", "folder"):
        path = str(tmp_path / name)
        with pytest.raises(Unable, match="is no plain file"):
            await asyncio.wait_for(DiskFiles().read(path), timeout=5)
        with pytest.raises(Unable, match="is no plain file"):
            await DiskFiles().write(File(path, b"x"))


async def test_what_a_killed_write_left_is_cleared_away(tmp_path: Path) -> None:
    (tmp_path / ".file.new").write_bytes(b"half")
    await DiskFiles().write(File(str(tmp_path / "file"), b"whole"))
    assert {left.name for left in tmp_path.iterdir()} == {"file"}


async def test_writes_of_one_path_at_once_each_arrive_whole(tmp_path: Path) -> None:
    files, path = DiskFiles(), str(tmp_path / "file")
    datas = [bytes([number]) * 50_000 for number in range(8)]
    await asyncio.gather(*(files.write(File(path, data)) for data in datas))
    assert await files.read(path) in datas
    assert {left.name for left in tmp_path.iterdir()} == {"file"}


async def full_disk(folder: Path) -> None:
    mount_tmpfs(folder, size_kib=64)
    files, path = DiskFiles(), str(folder / "file")
    await files.write(File(path, b"old"))
    with pytest.raises(Unable, match=r"no space left for .*/file. Free some space"):
        await files.write(File(path, b"x" * 200_000))
    assert await files.read(path) == b"old"
    assert [left.name for left in folder.iterdir()] == ["file"]


async def read_only_disk(folder: Path) -> None:
    mount_tmpfs(folder, size_kib=64)
    files, path = DiskFiles(), str(folder / "file")
    await files.write(File(path, b"old"))
    remount_read_only(folder)
    with pytest.raises(Unable, match="read-only file system"):
        await files.write(File(path, b"new"))
    with pytest.raises(Unable, match="read-only file system"):
        await files.remove(path)
    assert await files.read(path) == b"old"


async def no_right(_: Path) -> None:
    folder = Path("/mnt")  # pytest's own folders are closed to others
    mount_tmpfs(folder, size_kib=64)
    folder.chmod(0o755)
    files, path = DiskFiles(), str(folder / "file")
    await files.write(File(path, b"old"))
    os.setresuid(65534, 65534, 65534)
    with pytest.raises(Unable, match=r"may not change .*/file. Run the agent as root"):
        await files.write(File(path, b"new"))
    assert await files.read(path) == b"old"


@pytest.mark.peers
@pytest.mark.parametrize("case", [full_disk, read_only_disk, no_right])
def test_a_disk_that_refuses_leaves_the_old_file(
    case: Callable[[Path], object], tmp_path: Path
) -> None:
    inside(case, tmp_path)


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EROFS, errno.EACCES])
async def test_the_fake_refuses_in_the_same_words(number: int) -> None:
    fake = FakeFiles()
    await fake.write(File("/etc/file", b"old"))
    fake.failing = number
    with pytest.raises(Unable, match="/etc/file"):
        await fake.write(File("/etc/file", b"new"))
    assert await fake.read("/etc/file") == b"old"
