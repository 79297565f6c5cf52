# SPDX-License-Identifier: Apache-2.0
"""l4.apply and the others that need a kernel with IPVS: measured in one boot of the guest.

The guest is the kernel tier's: the appliance's own root and kernel, with this tree's code, on
emulated processors (TCG) where there is no KVM. So only ratios mean anything, and both sides
of each are of the same boot. keepalived, ldirectord and wrk, which the appliance does not have,
are unpacked beside it.
"""

from __future__ import annotations

import asyncio
import os
import tarfile
import tempfile
from collections.abc import Sequence
from pathlib import Path

from image import mirrors, packages, recipe
from image.root import build
from tests.bench.kernel_results import SUBJECTS, Line, judged
from tests.bench.results import Result
from tests.kernel.machine import Guest, GuestSilent

PACKAGES = ("keepalived", "ldirectord", "wrk")
SILENCE_S = 420.0
"""Between two lines: one of the subjects takes minutes."""
STATUS = "./var/lib/dpkg/status"


def measure(archive: Path | None = None) -> Sequence[Result]:
    """All of them; `archive` is a root.tar, this tree's own unless given."""
    return judged(told(archive or asyncio.run(build()).archive))


def told(archive: Path, subjects: Sequence[str] = tuple(SUBJECTS)) -> dict[str, Line]:
    """What the guest tells of each subject; of those it did not come to, why."""
    debs = asyncio.run(beside(archive))
    words = ("-m", "tests.bench.guest", *subjects)
    lines: dict[str, Line] = {}
    with tempfile.TemporaryDirectory(prefix="ballast-bench-") as folder:
        guest = Guest(Path(folder), archive, words, packages=debs, silence_s=SILENCE_S)
        try:
            for subject in subjects:
                lines[subject] = guest.next_report()
        except GuestSilent as silent:
            lines |= {each: {"failed": f"{silent}"} for each in subjects[len(lines) :]}
        finally:
            guest.close()
    return lines


async def beside(archive: Path) -> tuple[Path, ...]:
    """The packages that `PACKAGES` need and the root does not have, as files."""
    found = mirrors.of_this_machine(os.environ)
    folder = recipe.CACHE / "bench"
    apt = packages.Apt(folder / "apt", found, suite=recipe.SUITE, arch=recipe.ARCH)
    chosen, _ = await apt.choose(PACKAGES, alone=())
    there = installed(archive)
    missing = [deb for deb in chosen if deb.name not in there]
    await packages.fetch(missing, found, folder / "debs")
    return tuple(packages.kept(folder / "debs", deb) for deb in missing)


def installed(archive: Path) -> frozenset[str]:
    """The packages in a root.tar, by its own book."""
    with tarfile.open(archive) as root:
        book = root.extractfile(STATUS)
        text = book.read().decode() if book is not None else ""
    return frozenset(each["Package"] for each in packages.paragraphs(text))
