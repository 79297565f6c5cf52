# SPDX-License-Identifier: Apache-2.0
"""A root file system as a tar archive that says nothing about when, where and by whom it was made.

diskimage-builder archives a folder as it finds it: in the order of the disk, with today's times,
with what the build left behind. Here the same members are written again sorted, with one time,
without names of owners, and without what belongs to a running system or to the build.
"""

from __future__ import annotations

import io
import tarfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

KEPT_ATTRIBUTES = "SCHILY.xattr.security.capability"
"""The one extended attribute with a meaning in the image: what a program may without root."""

BLOCK = 1 << 20


@dataclass(frozen=True)
class Tidying:
    """What changes on the way from one archive to the other; names are relative, without `./`."""

    emptied: tuple[str, ...]
    """Folders that stay, with nothing in them."""
    without_files: tuple[str, ...]
    """Folders that stay with the folders in them: daemons look for these."""
    dropped: tuple[str, ...]
    """Patterns (`PurePath.match`) of what does not stay, with all below it."""
    written: Mapping[str, bytes]
    """Files that are there with these bytes, whatever was there before."""
    folders: Mapping[str, int]
    """Folders that are there with these modes: where the initramfs and systemd mount."""
    modes: Mapping[str, int]
    """Modes that are not as the packages or git left them."""


def normalise(source: Path, target: Path, *, epoch: int, tidying: Tidying) -> None:
    """Write the archive `target` from `source`: the same tree gives the same bytes.

    Hard links are kept: the first of a group in the new order is the file, the others point to it.
    """
    with (
        tarfile.open(source, "r:", bufsize=BLOCK) as old,
        tarfile.open(target, "w:", format=tarfile.PAX_FORMAT, bufsize=BLOCK) as new,
    ):
        members = {name: each for each in old if (name := _name(each)) is not None}
        for name, data in tidying.written.items():
            members[name] = _made(name, tarfile.REGTYPE, 0o644, size=len(data))
        for name, mode in tidying.folders.items():
            members[name] = _made(name, tarfile.DIRTYPE, mode)
        links = _first_of_each_group(members)
        for name in sorted(members):
            member = members[name]
            if name and _is_left_out(name, member, tidying):
                continue
            fresh = _bare(member, name, epoch=epoch, modes=tidying.modes)
            if not (member.islnk() or member.isreg()):
                new.addfile(fresh)
            elif (first := links.get(name, name)) != name:
                fresh.type, fresh.linkname = tarfile.LNKTYPE, first
                new.addfile(fresh)
            else:
                content = (
                    io.BytesIO(tidying.written[name])
                    if name in tidying.written
                    else _content(old, members, member)
                )
                fresh.type, fresh.linkname = tarfile.REGTYPE, ""
                fresh.size = content.seek(0, io.SEEK_END)
                content.seek(0)
                new.addfile(fresh, content)


def _made(name: str, kind: bytes, mode: int, *, size: int = 0) -> tarfile.TarInfo:
    """A member of root's that is not taken over from the old archive."""
    made = tarfile.TarInfo(name)
    made.type, made.mode, made.size = kind, mode, size
    return made


def _name(member: tarfile.TarInfo) -> str | None:
    name = member.name.removeprefix("./").strip("/")
    return "" if name == "." else name


def _bare(
    member: tarfile.TarInfo, name: str, *, epoch: int, modes: Mapping[str, int]
) -> tarfile.TarInfo:
    fresh = tarfile.TarInfo(f"./{name}" if name else ".")
    fresh.type, fresh.linkname = member.type, member.linkname
    fresh.mode = modes.get(name, member.mode)
    fresh.uid, fresh.gid = member.uid, member.gid
    fresh.mtime = epoch
    fresh.devmajor, fresh.devminor = member.devmajor, member.devminor
    if KEPT_ATTRIBUTES in member.pax_headers:
        fresh.pax_headers = {KEPT_ATTRIBUTES: member.pax_headers[KEPT_ATTRIBUTES]}
    return fresh


def _first_of_each_group(members: Mapping[str, tarfile.TarInfo]) -> dict[str, str]:
    """Each hard-linked name → `./` and the name that comes first in the new order."""
    groups: dict[str, list[str]] = {}
    for name, member in members.items():
        if member.islnk():
            target = member.linkname.removeprefix("./").strip("/")
            groups.setdefault(target, [target]).append(name)
    return {
        name: first if name == (first := min(group)) else f"./{first}"
        for group in groups.values()
        for name in group
    }


def _content(
    old: tarfile.TarFile, members: Mapping[str, tarfile.TarInfo], member: tarfile.TarInfo
) -> io.BufferedReader | io.BytesIO:
    if member.islnk():
        member = members[member.linkname.removeprefix("./").strip("/")]
    found = old.extractfile(member)
    return found if isinstance(found, io.BufferedReader) else io.BytesIO()


def _is_left_out(name: str, member: tarfile.TarInfo, tidying: Tidying) -> bool:
    path = PurePosixPath(name)
    if name in tidying.written:
        return False
    if any(path.is_relative_to(each) and name != each for each in tidying.emptied):
        return True
    if not member.isdir() and any(path.is_relative_to(each) for each in tidying.without_files):
        return True
    lineage = (f"/{each}" for each in (path, *path.parents[:-1]))
    patterns = [f"/{pattern}" for pattern in tidying.dropped]
    return any(PurePosixPath(each).match(pattern) for each in lineage for pattern in patterns)


@dataclass(frozen=True)
class Entry:
    """One member as the verification and the bill of materials look at it."""

    name: str
    """Without `./`; the root itself is empty."""
    kind: str
    """`file`, `folder`, `link` (to `target`), `other`."""
    mode: int
    uid: int
    gid: int
    size: int
    target: str
    mtime: int


def entries(archive: Path) -> Iterator[Entry]:
    """Every member, in the archive's order; a hard link has its file's kind and size 0."""
    with tarfile.open(archive, "r:", bufsize=BLOCK) as old:
        for each in old:
            yield Entry(
                name=_name(each) or "",
                kind=_kind(each),
                mode=each.mode,
                uid=each.uid,
                gid=each.gid,
                size=each.size,
                target=each.linkname,
                mtime=int(each.mtime),
            )


def _kind(member: tarfile.TarInfo) -> str:
    if member.isreg() or member.islnk():
        return "file"
    return "folder" if member.isdir() else "link" if member.issym() else "other"


def contents(archive: Path, names: Iterable[str]) -> dict[str, bytes]:
    """The bytes of the files named, as far as they are there."""
    wanted = {f"./{name}" for name in names}
    found = {}
    with tarfile.open(archive, "r:", bufsize=BLOCK) as old:
        for each in old:
            if each.name in wanted and each.isreg() and (file := old.extractfile(each)):
                found[each.name.removeprefix("./")] = file.read()
    return found
