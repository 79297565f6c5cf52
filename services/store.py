# SPDX-License-Identifier: Apache-2.0
"""Applied documents as numbered revisions: once `commit` has returned, not even a power cut
takes one back, and whatever happens before, the old one is still there whole.

A revision is a file of its own that is never written to again, `revisions/00000042.json`:
three lines that are one JSON object, so that anybody can read it with any tool.

    {"format":1,"number":42,"at":1767225600.0,"who":"anna","why":"...","sha256":"...","document":
    {"schema_version":1,"cluster":{...},"local":{...}}
    }

The document stands in a line of its own, just as it was serialised, once; the checksum is
of those bytes. A file that does not keep it is put aside as `00000042.broken` and the
revision before is used, loudly. A file that is whole but written by a newer version is left
in place, because after an update has fallen back the newer version may come again.
Numbers only grow, also past those.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import BinaryIO

from pydantic import ValidationError

from services.drivers.files import unable
from services.errors import NotFound, Unable
from services.model import Document, problems_from
from services.model.base import cleaned

KEPT = 200
"""Revisions that stay; the oldest beyond go."""

MOST_BYTES = 64 << 20
"""Of one revision file; a document has at most a quarter of that."""

FORMAT = 1

_JOINT = b',"document":\n'
_END = b"\n}\n"
_MOST_HEADER = 16 << 10

_NAME = re.compile(r"([0-9]{8,})\.(json|broken)", re.ASCII)
_FRESH = re.compile(r"\.[0-9]{8,}\.new", re.ASCII)


@dataclass(frozen=True)
class RevisionRecord:
    """One revision, without its document."""

    number: int
    """From 1; 0 is the factory's document, which has no file."""
    at: float
    """Seconds since the epoch."""
    who: str
    why: str
    sha256: str
    """Of the document's bytes."""


@dataclass(frozen=True)
class Loaded:
    """One revision with its document."""

    document: Document
    record: RevisionRecord
    notices: tuple[str, ...] = ()
    """Newer revisions that could not be used: sentences for the administrator."""


@dataclass(frozen=True)
class Prepared:
    """A document as the bytes that are kept, and their checksum."""

    data: bytes
    sha256: str


def prepare(document: Document) -> Prepared:
    """The bytes of `document`: one line of JSON, every field written out."""
    data = document.model_dump_json().encode()
    return Prepared(data, hashlib.sha256(data).hexdigest())


class Staged:
    """A revision whose bytes are on the disk, under a name that nobody reads.

    Serialising a document and flushing it take longest and are what fails on a full disk:
    both are done before anything is touched, while HAProxy judges. What is left is a rename.
    """

    def __init__(self, folder: Path, record: RevisionRecord) -> None:
        self._folder = folder
        self.record = record

    def keep(self) -> RevisionRecord:
        """Make it the newest revision; on return it outlives a power cut.

        Raises `Unable`; the revisions are then as they were.
        """
        number = self.record.number
        with _opened(self._folder) as folder:
            name = _fresh(number)
            try:
                os.rename(name, _name(number), src_dir_fd=folder, dst_dir_fd=folder)
                name = _name(number)
                os.fsync(folder)
            except OSError:
                with suppress(OSError):
                    os.unlink(name, dir_fd=folder)
                raise
            # what cannot be dropped now is dropped by the next one
            with suppress(OSError):
                for old, kind in sorted(_entries(self._folder))[:-KEPT]:
                    os.unlink(_name(old, kind), dir_fd=folder)
        return self.record

    def drop(self) -> None:
        """Forget it."""
        with suppress(OSError):
            (self._folder / _fresh(self.record.number)).unlink(missing_ok=True)


class _Damaged(Exception):
    """The file is not what was once written; the reason as half a sentence."""


class _Newer(Exception):
    """The file is whole, but not of this version; the reason as half a sentence."""


FACTORY = RevisionRecord(
    0, at=0.0, who="factory", why="as delivered", sha256=prepare(Document()).sha256
)


class Store:
    """The revisions in one folder, which one process at a time may write."""

    def __init__(self, folder: Path) -> None:
        """Open the folder and clear away what a killed commit left in it.

        Never fails: with a full or read-only disk the last revision must still load.
        """
        self._folder = folder
        with suppress(OSError):
            for path in folder.iterdir():
                if _FRESH.fullmatch(path.name):
                    path.unlink()

    def newest(self) -> Loaded:
        """The newest revision that can be read; without any, the factory's document.

        Its `notices` tell of newer ones that cannot, as long as no new one is committed.
        """
        notices: list[str] = []
        try:
            entries = sorted(_entries(self._folder), reverse=True)
        except OSError as error:
            entries = []
            notices.append(f"{self._folder} cannot be read: {error.strerror}.")
        for number, kind in entries:
            aside = _name(number, "broken")
            if kind == "broken":
                notices.append(f"Revision {number} is damaged and lies aside as {aside}.")
                continue
            try:
                found = self._load(number)
            except FileNotFoundError:
                continue  # pruned meanwhile
            except _Damaged as error:
                with suppress(OSError):
                    self._path(number).rename(self._folder / aside)
                notices.append(f"Revision {number} is damaged ({error}) and lies aside as {aside}.")
            except (_Newer, OSError) as error:
                notices.append(f"Revision {number} cannot be used: {_reason(error)}.")
            else:
                return Loaded(found.document, found.record, _told(notices, f"revision {number}"))
        return Loaded(Document(), FACTORY, _told(notices, "the factory's configuration"))

    def read(self, number: int) -> Loaded:
        """Revision `number`; 0 is the factory's document. Raises `NotFound` or `Unable`."""
        if number == 0:
            return Loaded(Document(), FACTORY)
        try:
            return self._load(number)
        except (FileNotFoundError, OverflowError) as error:
            raise NotFound(
                f"There is no revision {number}.", do="Choose one that `ballast revisions` lists."
            ) from error
        except (_Damaged, _Newer, OSError) as error:
            raise Unable(
                f"Revision {number} cannot be used: {_reason(error)}.", do="Choose another one."
            ) from error

    def records(self) -> tuple[RevisionRecord, ...]:
        """All revisions that are there, oldest first; only their first lines are read.

        Raises `Unable` when the folder cannot be read.
        """
        found = []
        try:
            entries = _entries(self._folder)
        except OSError as error:
            raise Unable(
                f"{self._folder} cannot be read: {error.strerror}.", do="Look at the disk."
            ) from error
        for number in sorted(number for number, kind in entries if kind == "json"):
            with suppress(OSError, _Damaged, _Newer), _regular(self._path(number)) as file:
                found.append(_record(file.readline(_MOST_HEADER), number))
        return tuple(found)

    def stage(self, document: Document | Prepared, *, who: str, why: str, at: float) -> Staged:
        """Write `document` to the disk as what may become the next revision; one at a time.

        `who` and `why` are cut to 100 and 1,000 characters. Raises `Unable` for a full or
        read-only disk; nothing is left behind then.
        """
        kept = prepare(document) if isinstance(document, Document) else document
        with _opened(self._folder) as folder:
            number = max((number for number, _ in _entries(self._folder)), default=0) + 1
            record = RevisionRecord(number, at, cleaned(who, 100), cleaned(why, 1000), kept.sha256)
            header = json.dumps({"format": FORMAT, **asdict(record)}, separators=(",", ":"))
            content = b"".join((header[:-1].encode(), _JOINT, kept.data, _END))
            _write(content, _fresh(number), folder)
        return Staged(self._folder, record)

    def commit(
        self, document: Document | Prepared, *, who: str, why: str, at: float
    ) -> RevisionRecord:
        """Keep `document` as the next revision: `stage` and `Staged.keep` in one."""
        return self.stage(document, who=who, why=why, at=at).keep()

    def _path(self, number: int) -> Path:
        return self._folder / _name(number)

    def _load(self, number: int) -> Loaded:
        with _regular(self._path(number)) as file:
            if os.fstat(file.fileno()).st_size > MOST_BYTES:
                raise _Damaged("it is too large")
            content = file.read()
        header, _, rest = content.partition(b"\n")
        record = _record(header + b"\n", number)
        data = rest.removesuffix(_END)
        if hashlib.sha256(data).hexdigest() != record.sha256:
            raise _Damaged("its checksum does not match")
        try:
            return Loaded(Document.model_validate_json(data), record)
        except ValidationError as error:
            first = problems_from(error, Document)[0]
            raise _Newer(f"this version does not accept it: {first}") from error


def _entries(folder: Path) -> list[tuple[int, str]]:
    """Number and kind, `json` or `broken`, of every revision file."""
    try:
        found = [_NAME.fullmatch(path.name) for path in folder.iterdir()]
    except FileNotFoundError:
        return []
    return [(int(match[1]), match[2]) for match in found if match]


@contextmanager
def _opened(folder: Path) -> Iterator[int]:
    """The folder, made if it is not there; the kernel's refusals in our words."""
    try:
        if not folder.is_dir():
            folder.mkdir(parents=True)
            folder.chmod(0o750)
            _flush(folder.parent)
        opened = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            yield opened
        finally:
            os.close(opened)
    except OSError as error:
        raise unable(error, str(folder)) from error


@contextmanager
def _regular(path: Path) -> Iterator[BinaryIO]:
    """A file that holds something: a pipe would never begin, a device never end."""
    with open(path, "rb", opener=_without_waiting) as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise _Damaged("it is no file")
        yield file


def _without_waiting(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NONBLOCK | os.O_NOCTTY)


def _name(number: int, kind: str = "json") -> str:
    return f"{number:08d}.{kind}"


def _fresh(number: int) -> str:
    return f".{number:08d}.new"


def _record(line: bytes, number: int) -> RevisionRecord:
    """What a revision file's first line says of it."""
    if not line.endswith(_JOINT):
        raise _Damaged("its first line is incomplete")
    try:
        said = json.loads(line.removesuffix(_JOINT) + b"}")
        if said["format"] > FORMAT:
            raise _Newer(f"its format is {said['format']}, this version reads {FORMAT}")
        record = RevisionRecord(
            number=int(said["number"]),
            at=float(said["at"]),
            who=str(said["who"]),
            why=str(said["why"]),
            sha256=str(said["sha256"]),
        )
    except (ValueError, TypeError, LookupError) as error:
        raise _Damaged("its first line cannot be read") from error
    if record.number != number:
        raise _Damaged(f"it says it is revision {record.number}")
    return record


def _reason(error: Exception) -> str:
    return str(error.strerror if isinstance(error, OSError) else error)


def _told(notices: list[str], instead: str) -> tuple[str, ...]:
    if not notices:
        return ()
    return (*notices, f"The appliance uses {instead} instead: look at it, then apply it anew.")


def _write(content: bytes, name: str, folder: int) -> None:
    """A new file in `folder`, flushed, or none."""
    try:
        file = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, dir_fd=folder)
        try:
            os.fchmod(file, 0o640)
            left = memoryview(content)
            while left:
                left = left[os.write(file, left) :]
            os.fsync(file)
        finally:
            os.close(file)
    except OSError:
        with suppress(OSError):
            os.unlink(name, dir_fd=folder)
        raise


def _flush(folder: Path) -> None:
    opened = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)
