# SPDX-License-Identifier: Apache-2.0
"""The list of every file the image is made of, by hash: enough to make the same bytes again.

It names no mirror: a package is a path in one of Debian's two archives, and whoever repeats the
build says where these lie. A wheel is a file name, and pip knows where to look.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

from services.errors import Refused

FORMAT = 1

_SHA256 = re.compile(r"[0-9a-f]{64}")
_PATH = re.compile(r"pool(/[A-Za-z0-9+.~_-]+)+\.deb")
_WHEEL = re.compile(r"[A-Za-z0-9_.!+-]+\.whl")
_WORD = re.compile(r"[A-Za-z0-9+.~:_-]+")


class Archive(StrEnum):
    """Which of the two mirrors a package lies on."""

    DEBIAN = "debian"
    SECURITY = "debian-security"


@dataclass(frozen=True, order=True)
class Deb:
    """One Debian package."""

    name: str
    version: str
    arch: str
    archive: Archive
    path: str
    """Below the mirror's address, `pool/…`."""
    size: int
    sha256: str


@dataclass(frozen=True, order=True)
class Wheel:
    """One Python package that was fetched; Ballast's own wheel is made from the tree instead."""

    file: str
    sha256: str


@dataclass(frozen=True)
class Manifest:
    """Everything that came from outside."""

    suite: str
    arch: str
    epoch: int
    """The time every file of the image bears."""
    debs: tuple[Deb, ...]
    """Installed in the root file system."""
    boot: tuple[Deb, ...]
    """Taken apart for the disk's boot loaders, installed nowhere."""
    wheels: tuple[Wheel, ...]

    def text(self) -> str:
        """As JSON, sorted: the same list is the same bytes."""
        whole = {
            "format": FORMAT,
            "suite": self.suite,
            "arch": self.arch,
            "epoch": self.epoch,
            "debs": [asdict(deb) for deb in sorted(self.debs)],
            "boot": [asdict(deb) for deb in sorted(self.boot)],
            "wheels": [asdict(wheel) for wheel in sorted(self.wheels)],
        }
        return json.dumps(whole, indent=1) + "\n"


def read(text: str, *, where: str) -> Manifest:
    """The manifest in `text`; raises `Refused` naming `where` when it is none.

    Every path of it ends in an address or a file name, so nothing is taken that could leave
    the folder it is meant for.
    """
    try:
        whole = json.loads(text)
        if whole["format"] != FORMAT:
            raise ValueError(f"its format is {whole['format']!r}, and this is {FORMAT}")
        return Manifest(
            suite=_word(whole["suite"]),
            arch=_word(whole["arch"]),
            epoch=int(whole["epoch"]),
            debs=tuple(_deb(each) for each in whole["debs"]),
            boot=tuple(_deb(each) for each in whole["boot"]),
            wheels=tuple(_wheel(each) for each in whole["wheels"]),
        )
    except (ValueError, KeyError, TypeError) as error:
        raise Refused(
            f"{where} is no manifest of an image: {error}.",
            do="Give the manifest.json that a build has written beside its products.",
        ) from error


def _deb(raw: dict[str, Any]) -> Deb:
    return Deb(
        name=_word(raw["name"]),
        version=_word(raw["version"]),
        arch=_word(raw["arch"]),
        archive=Archive(raw["archive"]),
        path=_matching(_PATH, raw["path"]),
        size=int(raw["size"]),
        sha256=_matching(_SHA256, raw["sha256"]),
    )


def _wheel(raw: dict[str, Any]) -> Wheel:
    return Wheel(file=_matching(_WHEEL, raw["file"]), sha256=_matching(_SHA256, raw["sha256"]))


def _word(value: object) -> str:
    return _matching(_WORD, value)


def _matching(shape: re.Pattern[str], value: object) -> str:
    if not isinstance(value, str) or not shape.fullmatch(value) or ".." in value.split("/"):
        raise ValueError(f"{value!r} is not what should stand there")
    return value


def locked_hashes(lock: str) -> dict[str, frozenset[str]]:
    """Name → the hashes a lock file allows, names as the lock writes them."""
    found: dict[str, frozenset[str]] = {}
    name = ""
    for line in lock.splitlines():
        if pin := re.match(r"([a-z0-9][a-z0-9.-]*)==", line):
            name = pin[1]
            found[name] = frozenset()
        elif name and (digest := re.match(r"\s+--hash=sha256:([0-9a-f]{64})", line)):
            found[name] |= {digest[1]}
    return found


def pin_of(lock: str, name: str) -> str:
    """The lines of a lock file that pin one package, hashes included; empty if there are none."""
    kept: list[str] = []
    for line in lock.splitlines():
        if line.startswith(f"{name}=="):
            kept = [line]
        elif kept and line.startswith("    --hash="):
            kept.append(line)
        elif kept:
            break
    return "\n".join(kept).rstrip("\\ ") + "\n" if kept else ""


def total_size(debs: Iterable[Deb]) -> int:
    """Bytes to fetch when none of them is there."""
    return sum(deb.size for deb in debs)
