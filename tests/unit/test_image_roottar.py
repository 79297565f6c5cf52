# SPDX-License-Identifier: Apache-2.0
"""The archive: sorted, of one time, without what the build left; links and rights survive."""

from __future__ import annotations

import io
import random
import tarfile
from collections.abc import Sequence
from pathlib import Path

import pytest

from image.roottar import KEPT_ATTRIBUTES, Tidying, contents, entries, normalise

TIDYING = Tidying(
    emptied=("tmp",),
    without_files=("var/log",),
    dropped=("etc/ssh/ssh_host_*", "vmlinuz", "var/lib/old"),
    written={"etc/machine-id": b"", "etc/note": b"ours\n"},
    folders={"proc": 0o555},
    modes={"usr/bin/su": 0o755},
)


def member(
    name: str,
    data: bytes = b"",
    *,
    kind: bytes = tarfile.REGTYPE,
    mode: int = 0o644,
    link: str = "",
) -> tuple[tarfile.TarInfo, bytes]:
    made = tarfile.TarInfo(name)
    made.type, made.mode, made.linkname, made.size = kind, mode, link, len(data)
    made.uname, made.mtime = "builder", random.randrange(10**9)
    return made, data


def folder(name: str, mode: int = 0o755) -> tuple[tarfile.TarInfo, bytes]:
    return member(name, kind=tarfile.DIRTYPE, mode=mode)


TREE = [
    folder("."),
    *(folder(f"./{each}") for each in ("etc", "etc/ssh", "tmp", "usr", "usr/bin", "var")),
    *(folder(f"./{each}") for each in ("var/log", "var/log/apt", "var/lib", "var/lib/old")),
    member("./etc/machine-id", b"0123\n"),
    member("./etc/ssh/ssh_host_rsa_key", b"secret", mode=0o600),
    member("./etc/ssh/sshd_config", b"Port 22\n"),
    member("./tmp/left", b"x"),
    member("./usr/bin/su", b"#!", mode=0o4755),
    member("./usr/bin/zz", b"the same bytes", mode=0o755),
    member("./usr/bin/aa", kind=tarfile.LNKTYPE, link="./usr/bin/zz"),
    member("./usr/bin/mm", kind=tarfile.LNKTYPE, link="./usr/bin/zz"),
    member("./usr/bin/sh", kind=tarfile.SYMTYPE, link="zz", mode=0o777),
    member("./var/log/dpkg.log", b"today"),
    member("./var/lib/old/deep", b"x"),
    member("./vmlinuz", kind=tarfile.SYMTYPE, link="boot/vmlinuz-6"),
    member("./usr/vmlinuz", b"another thing of that name"),
]


def write(path: Path, members: Sequence[tuple[tarfile.TarInfo, bytes]]) -> Path:
    with tarfile.open(path, "w", format=tarfile.PAX_FORMAT) as archive:
        for info, data in members:
            archive.addfile(info, io.BytesIO(data) if info.isreg() else None)
    return path


@pytest.fixture
def tidied(tmp_path: Path) -> Path:
    target = tmp_path / "tidied.tar"
    normalise(write(tmp_path / "raw.tar", TREE), target, epoch=1000, tidying=TIDYING)
    return target


def test_members_are_sorted_and_bear_one_time_and_no_name(tidied: Path) -> None:
    with tarfile.open(tidied) as archive:
        members = archive.getmembers()
    assert [each.name for each in members] == sorted(each.name for each in members)
    assert {(each.mtime, each.uname, each.gname) for each in members} == {(1000, "", "")}


def test_what_stays_and_what_goes(tidied: Path) -> None:
    assert [each.name for each in entries(tidied)] == [
        *("", "etc", "etc/machine-id", "etc/note", "etc/ssh", "etc/ssh/sshd_config", "proc"),
        *("tmp", "usr", "usr/bin", "usr/bin/aa", "usr/bin/mm", "usr/bin/sh", "usr/bin/su"),
        *("usr/bin/zz", "usr/vmlinuz", "var", "var/lib", "var/log", "var/log/apt"),
    ]


def test_bytes_and_modes_are_as_wished(tidied: Path) -> None:
    found = contents(tidied, ["etc/machine-id", "etc/note", "etc/ssh/sshd_config"])
    assert found == {
        "etc/machine-id": b"",
        "etc/note": b"ours\n",
        "etc/ssh/sshd_config": b"Port 22\n",
    }
    modes = {each.name: each.mode for each in entries(tidied)}
    assert (modes["usr/bin/su"], modes["proc"], modes["usr/bin/zz"]) == (0o755, 0o555, 0o755)


def test_a_hard_link_that_now_comes_first_is_the_file(tidied: Path) -> None:
    with tarfile.open(tidied) as archive:
        first, second = archive.getmember("./usr/bin/aa"), archive.getmember("./usr/bin/zz")
        assert first.isreg()
        assert second.islnk()
        assert second.linkname == "./usr/bin/aa"
        file = archive.extractfile(second)
        assert file is not None
        assert file.read() == b"the same bytes"


def test_the_same_tree_in_another_order_gives_the_same_bytes(tmp_path: Path, tidied: Path) -> None:
    links = [each for each in TREE if each[0].islnk()]
    others = [each for each in TREE if not each[0].islnk()]
    raw = write(tmp_path / "other.tar", [*reversed(others), *reversed(links)])
    again = tmp_path / "again.tar"
    normalise(raw, again, epoch=1000, tidying=TIDYING)
    assert again.read_bytes() == tidied.read_bytes()


def test_capabilities_are_kept_and_other_attributes_are_not(tmp_path: Path) -> None:
    info, data = member("./ping", b"x")
    info.pax_headers = {KEPT_ATTRIBUTES: "cap", "SCHILY.xattr.user.note": "y", "atime": "1.5"}
    target = tmp_path / "tidied.tar"
    normalise(write(tmp_path / "raw.tar", [(info, data)]), target, epoch=1, tidying=TIDYING)
    with tarfile.open(target) as archive:
        assert archive.getmember("./ping").pax_headers == {KEPT_ATTRIBUTES: "cap"}
