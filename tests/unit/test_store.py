# SPDX-License-Identifier: Apache-2.0
"""Revisions: the old one whole or the new one whole, whatever happens when.

The process is really killed, at every step of a commit; the disk is really full, and really
read-only.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import signal
import stat
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from services import store as store_module
from services.errors import NotFound, Unable
from services.model import Document, Local
from services.store import FACTORY, Store, prepare
from tests.netns import inside, mount_tmpfs, remount_read_only
from tests.strategies import documents


def named(hostname: str) -> Document:
    return Document(local=Local(hostname=hostname))


def keep(store: Store, hostname: str) -> int:
    return store.commit(named(hostname), who="anna", why="try", at=1.5).number


def folder(tmp_path: Path, *hostnames: str) -> Path:
    store = Store(tmp_path / "revisions")
    for hostname in hostnames:
        keep(store, hostname)
    return tmp_path / "revisions"


def hostname(path: Path) -> str:
    return Store(path).newest().document.local.hostname


# -- keeping


def test_without_a_revision_the_factorys_document_is_number_0(tmp_path: Path) -> None:
    found = Store(tmp_path / "none").newest()
    assert (found.document, found.record, found.notices) == (Document(), FACTORY, ())
    assert not (tmp_path / "none").exists()
    assert Store(tmp_path).read(0).document == Document()
    assert Store(tmp_path).records() == ()


@settings(max_examples=10, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(documents(), st.text(max_size=120), st.text(max_size=50), st.floats(0, 2**33))
def test_a_revision_comes_back_as_it_was_kept(
    tmp_path: Path, document: Document, why: str, who: str, at: float
) -> None:
    store = Store(tmp_path)
    record = store.commit(document, who=who, why=why, at=at)
    found = Store(tmp_path).newest()
    assert found.document == document
    assert found.record == record == store.read(record.number).record == store.records()[-1]
    assert found.notices == ()
    assert (record.at, record.sha256) == (at, prepare(document).sha256)
    assert (record.who + record.why).isprintable()


def test_a_revision_file_is_json_that_any_tool_reads(tmp_path: Path) -> None:
    path = folder(tmp_path, "one") / "00000001.json"
    whole = json.loads(path.read_bytes())
    assert list(whole) == ["format", "number", "at", "who", "why", "sha256", "document"]
    assert whole["document"]["local"]["hostname"] == "one"
    assert len(path.read_bytes().splitlines()) == 3


def test_what_was_prepared_is_kept_as_it_is(tmp_path: Path) -> None:
    record = Store(tmp_path).commit(prepare(named("one")), who="a", why="b", at=1.0)
    assert hostname(tmp_path) == "one"
    assert record.sha256 == prepare(named("one")).sha256


def test_a_staged_revision_is_nobodys_until_it_is_kept(tmp_path: Path) -> None:
    store = Store(folder(tmp_path, "one"))
    staged = store.stage(named("two"), who="a", why="b", at=1.0)
    assert hostname(tmp_path / "revisions") == "one"
    # opening the folder anew has cleared it away, as after a kill
    with pytest.raises(Unable):
        staged.keep()
    assert hostname(tmp_path / "revisions") == "one"
    assert store.stage(named("three"), who="a", why="b", at=1.0).keep().number == 2
    assert hostname(tmp_path / "revisions") == "three"


def test_a_dropped_revision_leaves_nothing(tmp_path: Path) -> None:
    there = folder(tmp_path, "one")
    Store(there).stage(named("two"), who="a", why="b", at=1.0).drop()
    assert [path.name for path in there.iterdir()] == ["00000001.json"]


def test_modes_do_not_depend_on_the_umask(tmp_path: Path) -> None:
    for umask, where in ((0o077, "strict"), (0o000, "open")):
        before = os.umask(umask)
        try:
            keep(Store(tmp_path / where), "one")
        finally:
            os.umask(before)
        assert stat.S_IMODE((tmp_path / where).stat().st_mode) == 0o750
        (path,) = (tmp_path / where).iterdir()
        assert stat.S_IMODE(path.stat().st_mode) == 0o640


def test_the_oldest_revisions_go_and_numbers_go_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert store_module.KEPT >= 50
    monkeypatch.setattr(store_module, "KEPT", 3)
    store = Store(folder(tmp_path, *"abcdefg"))
    assert [record.number for record in store.records()] == [5, 6, 7]
    with pytest.raises(NotFound, match="no revision 4"):
        store.read(4)
    assert keep(store, "h") == 8


@pytest.mark.parametrize("number", [-1, 99, 10**30])
def test_a_revision_that_is_not_there_is_not_found(tmp_path: Path, number: int) -> None:
    with pytest.raises(NotFound, match="There is no revision"):
        Store(folder(tmp_path, "one")).read(number)


# -- damage


def test_a_damaged_revision_lies_aside_and_the_one_before_is_used_loudly(tmp_path: Path) -> None:
    path = folder(tmp_path, "one", "two")
    newest = path / "00000002.json"
    newest.write_bytes(newest.read_bytes().replace(b"two", b"owt"))
    found = Store(path).newest()
    assert found.document == named("one")
    assert found.record.number == 1
    assert found.notices == (
        "Revision 2 is damaged (its checksum does not match) and lies aside as 00000002.broken.",
        "The appliance uses revision 1 instead: look at it, then apply it anew.",
    )
    assert sorted(file.name for file in path.iterdir()) == ["00000001.json", "00000002.broken"]
    again = Store(path).newest()
    assert again.notices[0] == "Revision 2 is damaged and lies aside as 00000002.broken."
    assert keep(Store(path), "three") == 3
    assert Store(path).newest().notices == ()


@pytest.mark.parametrize(
    "content",
    [b"", b"\0" * 500, b"{}", b"[]\n", b"{}\n{}\n}\n", b'{"format":1,"document":\n{}\n}\n'],
)
def test_a_file_that_never_was_a_revision_is_skipped(tmp_path: Path, content: bytes) -> None:
    path = folder(tmp_path, "one")
    (path / "00000002.json").write_bytes(content)
    found = Store(path).newest()
    assert (found.record.number, len(found.notices)) == (1, 2)


@pytest.mark.timeout(20)
@pytest.mark.parametrize("kind", ["pipe", "device", "folder", "loop", "junk"])
def test_what_is_no_file_neither_holds_nor_misleads_the_store(tmp_path: Path, kind: str) -> None:
    path = folder(tmp_path, "one")
    odd = path / "00000002.json"
    match kind:
        case "pipe":
            os.mkfifo(odd)
        case "device":
            odd.symlink_to("/dev/zero")
        case "folder":
            odd.mkdir()
        case "loop":
            odd.symlink_to(odd)
        case _:
            odd.write_bytes(b"\x00" * 5000)
            (path / "notes.txt").write_bytes(b"x")
    store = Store(path)
    assert [record.number for record in store.records()] == [1]
    with pytest.raises(Unable):
        store.read(2)
    found = store.newest()
    assert found.document == named("one")
    assert "Revision 2 " in found.notices[0]
    assert keep(store, "two") == 3
    assert Store(path).newest().document == named("two")


@pytest.mark.parametrize("number", ["99999999", "9999999999", "99999999999999999999"])
def test_whatever_number_a_stray_file_has_the_next_revision_is_found_again(
    tmp_path: Path, number: str
) -> None:
    path = folder(tmp_path, "one")
    (path / f"{number}.json").write_bytes(b"stray")
    assert keep(Store(path), "two") == int(number) + 1
    assert Store(path).newest().document == named("two")
    assert Store(path).read(int(number) + 1).document == named("two")


def test_a_revision_under_another_number_is_damaged(tmp_path: Path) -> None:
    path = folder(tmp_path, "one", "two")
    (path / "00000001.json").rename(path / "00000003.json")
    found = Store(path).newest()
    assert found.record.number == 2
    assert "says it is revision 1" in found.notices[0]


def test_with_nothing_but_damage_the_factorys_document_is_used_loudly(tmp_path: Path) -> None:
    path = folder(tmp_path, "one")
    (path / "00000001.json").write_bytes(b"")
    found = Store(path).newest()
    assert found.document == Document()
    assert "factory" in found.notices[-1]


@pytest.mark.parametrize(
    ("old", "new"),
    [(b'"format":1', b'"format":2'), (b'"schema_version":1', b'"schema_version":2')],
)
def test_a_whole_revision_of_a_newer_version_stays_where_it_is(
    tmp_path: Path, old: bytes, new: bytes
) -> None:
    path = folder(tmp_path, "one", "two")
    newest = path / "00000002.json"
    before = prepare(named("two"))
    document = before.data.replace(old, new)
    content = newest.read_bytes().replace(before.data, document).replace(old, new)
    content = content.replace(before.sha256.encode(), hashlib.sha256(document).hexdigest().encode())
    newest.write_bytes(content)
    found = Store(path).newest()
    assert found.document == named("one")
    assert "Revision 2 cannot be used" in found.notices[0]
    assert newest.read_bytes() == content
    with pytest.raises(Unable, match="Revision 2 cannot be used"):
        Store(path).read(2)
    assert keep(Store(path), "three") == 3


@settings(max_examples=40)
@given(st.booleans(), st.floats(0, 1, exclude_max=True), st.integers(0, 7))
def test_no_flipped_bit_and_no_cut_makes_a_document_nobody_kept(
    flip: bool, place: float, bit: int
) -> None:
    with tempfile.TemporaryDirectory() as name:
        path = folder(Path(name), "old", "new")
        newest = path / "00000002.json"
        content = bytearray(newest.read_bytes())
        at = int(place * len(content))
        if flip:
            content[at] ^= 1 << bit
        else:
            del content[at:]
        newest.write_bytes(content)
        assert hostname(path) in {"old", "new"}
        Store(path).records()


# -- kills and disks

STEPS = ("mkdir", "open", "fchmod", "write", "fsync", "close", "rename", "unlink", "listdir")


def stopping_at(step: int, path: Path) -> bool:
    """Keep "new" in a child that is killed at its `step`-th call; True: it came to the end.

    A call is a step before it and a step after it; a write stops half way, too.
    """
    pid = os.fork()
    if pid == 0:
        left = step

        def count() -> None:
            nonlocal left
            left -= 1
            if left < 0:
                os.kill(os.getpid(), signal.SIGKILL)

        def wrapped(call: Callable[..., Any]) -> Callable[..., Any]:
            def stopping(*args: Any, **options: Any) -> Any:
                count()
                if call is write:
                    half = len(args[1]) // 2
                    write(args[0], args[1][:half])
                    count()
                    return half + write(args[0], args[1][half:])
                found = call(*args, **options)
                count()
                return found

            return stopping

        write = os.write
        for name in STEPS:
            setattr(os, name, wrapped(getattr(os, name)))
        keep(Store(path), "new")
        os._exit(0)
    _, status = os.waitpid(pid, 0)
    assert status in {0, signal.SIGKILL}
    return status == 0


@pytest.mark.parametrize("before", [(), ("old",)])
def test_killed_at_any_step_of_a_commit_the_newest_is_the_old_or_the_new(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, before: tuple[str, ...]
) -> None:
    monkeypatch.setattr(store_module, "KEPT", 2)
    old = before[-1] if before else "lbmaster"
    seen = []
    for step in range(100):
        path = folder(tmp_path / str(step), *before, *before)
        done = stopping_at(step, path)
        found = Store(path).newest()
        assert found.notices == ()
        seen.append(found.document.local.hostname)
        if path.exists():
            assert not [file for file in path.iterdir() if file.name.startswith(".")]
            assert keep(Store(path), "next") > found.record.number
            assert hostname(path) == "next"
        if done:
            break
    turn = seen.index("new")
    assert seen == [old] * turn + ["new"] * (len(seen) - turn)
    assert turn > 10
    assert len(seen) - turn > 3


def test_a_revision_gets_its_name_after_its_bytes_are_flushed_and_its_folder_is_flushed_last(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = folder(tmp_path, "old")
    calls: list[str] = []

    def telling(name: str) -> Callable[..., Any]:
        call = getattr(os, name)

        def told(*args: Any, **options: Any) -> Any:
            kind = ""
            if name == "fsync":
                kind = " folder" if stat.S_ISDIR(os.fstat(args[0]).st_mode) else " file"
            calls.append(name + kind)
            return call(*args, **options)

        return told

    for name in ("write", "fsync", "rename"):
        monkeypatch.setattr(os, name, telling(name))
    keep(Store(path), "new")
    assert calls == ["write", "fsync file", "rename", "fsync folder"]


@pytest.mark.parametrize("kind", ["file", "folder"])
def test_a_disk_that_fails_to_flush_leaves_the_old_revision(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    path = folder(tmp_path, "old")
    flush = os.fsync

    def failing(file: int) -> None:
        if stat.S_ISDIR(os.fstat(file).st_mode) == (kind == "folder"):
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        flush(file)

    monkeypatch.setattr(os, "fsync", failing)
    with pytest.raises(Unable, match="disk fails"):
        keep(Store(path), "new")
    assert [file.name for file in path.iterdir()] == ["00000001.json"]
    assert hostname(path) == "old"


def _fill(path: Path) -> None:
    mount_tmpfs(path, size_kib=64)
    store = Store(path / "revisions")
    keep(store, "old")
    with pytest.raises(OSError, match="No space"):
        (path / "filler").write_bytes(bytes(64 << 10))
    with pytest.raises(Unable) as caught:
        store.commit(named("new"), who="a", why="b", at=1.0)
    assert "no space left" in str(caught.value)
    assert "Free some space" in str(caught.value)
    assert [file.name for file in (path / "revisions").iterdir()] == ["00000001.json"]
    assert hostname(path / "revisions") == "old"
    (path / "filler").unlink()
    assert keep(store, "new") == 2


@pytest.mark.needs("root", "netns")
def test_on_a_full_disk_the_old_revision_stays_and_the_person_is_told(tmp_path: Path) -> None:
    inside(_fill, tmp_path)


def _seal(path: Path) -> None:
    mount_tmpfs(path, size_kib=64)
    keep(Store(path / "revisions"), "old")
    (path / "revisions" / ".00000002.new").write_bytes(b"left by a kill")
    (path / "revisions" / "00000003.json").write_bytes(b"damaged")
    remount_read_only(path)
    store = Store(path / "revisions")
    found = store.newest()
    assert found.document == named("old")
    assert "Revision 3 is damaged" in found.notices[0]
    with pytest.raises(Unable) as caught:
        keep(store, "new")
    assert "read-only file system" in str(caught.value)
    assert "Mount it writable" in str(caught.value)
    assert Store(path / "elsewhere").newest().document == Document()
    with pytest.raises(Unable, match="read-only file system"):
        keep(Store(path / "elsewhere"), "new")


@pytest.mark.needs("root", "netns")
def test_on_a_read_only_disk_the_last_revision_loads_and_the_person_is_told(tmp_path: Path) -> None:
    inside(_seal, tmp_path)


def test_a_file_in_the_place_of_the_folder_is_said(tmp_path: Path) -> None:
    (tmp_path / "revisions").write_bytes(b"")
    store = Store(tmp_path / "revisions")
    assert "cannot be read: Not a directory" in store.newest().notices[0]
    with pytest.raises(Unable, match="cannot be read: Not a directory"):
        store.records()
    with pytest.raises(Unable):
        keep(store, "new")
