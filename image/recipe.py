# SPDX-License-Identifier: Apache-2.0
"""What the image promises: the one place for its names, versions, sizes, identifiers and modes.

The build reads it to make the image and `image.verify` reads it to judge what was made. Nothing
here is random or secret: two builds from the same inputs are the same bytes, and what must
differ between two appliances (keys, machine id, passwords) is made by the appliance itself.
"""

from __future__ import annotations

import importlib.metadata
import os
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

TREE = Path(__file__).resolve().parent.parent
"""The checkout the image is built from."""
PRODUCTS = TREE / "build" / "image"
"""Where what was built lies; not in git."""
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "ballast"
"""Packages by hash and built roots; may be removed at any time."""

NAME = "ballast"
SUITE = "trixie"
DEBIAN = "13"
ARCH = "amd64"
PYTHON = "3.13"
"""The image's Python, for which the wheels are fetched."""

EPOCH = 1_782_864_000
"""2026-07-01 00:00 UTC: the time that every file of the image bears, unless SOURCE_DATE_EPOCH says
another. A constant, since the clock of the machine that builds must not show in the result."""


def version() -> str:
    """The product's version."""
    return importlib.metadata.version(NAME)


def source_date_epoch(environment: Mapping[str, str] = os.environ) -> int:
    """Seconds since 1970 that stand for "now" throughout the build."""
    return int(environment.get("SOURCE_DATE_EPOCH") or EPOCH)


# ------------------------------------------------------------------------------------------- disk

_NAMESPACE = uuid.UUID("6f0a6a6e-5bd0-5b0c-9a4c-8a1f6d6c7f51")


def identifier(what: str) -> uuid.UUID:
    """The fixed UUID of a part of the image, the same in every build."""
    return uuid.uuid5(_NAMESPACE, what)


@dataclass(frozen=True)
class Partition:
    """One partition of the disk, as the GPT names it."""

    number: int
    label: str
    size_mib: int
    """0: the rest of the disk."""
    kind: uuid.UUID
    """The GPT's type."""

    @property
    def uuid(self) -> uuid.UUID:
        """The partition's own identifier."""
        return identifier(f"partition/{self.label}")


BIOS_BOOT = Partition(1, "bios", 1, uuid.UUID("21686148-6449-6e6f-744e-656564454649"))
ESP = Partition(2, "esp", 128, uuid.UUID("c12a7328-f81f-11d2-ba4b-00a0c93ec93b"))
_ROOT = uuid.UUID("4f68bce3-e8cd-4db1-96e7-fbcaf984b709")
ROOT_A = Partition(3, "root-a", 2048, _ROOT)
ROOT_B = Partition(4, "root-b", 2048, _ROOT)
DATA = Partition(5, "data", 0, uuid.UUID("0fc63daf-8483-4772-8e79-3d69d8477de4"))
PARTITIONS = (BIOS_BOOT, ESP, ROOT_A, ROOT_B, DATA)

DISK_MIB = 8 * 1024
"""The smallest disk the appliance runs on, and the size of the images."""
ESP_LABEL = "ESP"
DATA_LABEL = "ballast-data"
"""Label of the data partition's file system; the initramfs looks for it."""
DISK_UUID = identifier("disk")

# --------------------------------------------------------------------------------------- accounts

PRODUCT_HOME = "/usr/lib/ballast"
"""The product's virtual environment inside the image."""
LOGIN_SHELL = "/usr/libexec/ballast/shell"


@dataclass(frozen=True)
class Account:
    """A person's account as the image has it: the guide's name and password, to be changed."""

    name: str
    uid: int
    groups: tuple[str, ...]
    shell: str
    home: str
    """Its folder; /root and /home are overlays with their upper layer on the data partition."""


FACTORY_GROUP = "ballast-factory"
"""Accounts that still have the password everybody knows; sshd refuses its members."""

ACCOUNTS = (
    Account("root", 0, (FACTORY_GROUP,), "/bin/bash", "/root"),
    Account(
        "loadbalancer",
        1000,
        ("ballast", "ballast-admin", FACTORY_GROUP),
        LOGIN_SHELL,
        "/home/loadbalancer",
    ),
    Account("setup", 1001, ("ballast", "ballast-setup", FACTORY_GROUP), LOGIN_SHELL, "/home/setup"),
)
