# SPDX-License-Identifier: Apache-2.0
"""image.build.s and image.repro.diff: the whole image from an empty cache, and once more elsewhere.

The second build repeats the first one's manifest, as somebody does who wants to know whether the
image they were given is what its source makes: in a copy of the tree in another folder, under
another host name, time zone and umask, later by the minutes that the first one took, with the
packages kept and every result made anew. What differs is counted in bytes, over every product.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from image import recipe
from tests.bench.results import Formula, Result

BUILD_S = 3600
PIECE = 1 << 20
LEFT_OUT = (".git", ".venv", "build", "*_cache", "__pycache__", "*.egg-info")


def measure() -> Sequence[Result]:
    """Build twice; both go away afterwards."""
    with tempfile.TemporaryDirectory(prefix="ballast-bench-", dir="/var/tmp") as work:
        folder = Path(work)
        first, second = folder / "first", folder / "second"
        begun = time.monotonic()
        _build(recipe.TREE, first, cache=folder / "cache")
        spent = time.monotonic() - begun
        elsewhere = folder / "somewhere" / "else"
        shutil.copytree(
            recipe.TREE, elsewhere, ignore=shutil.ignore_patterns(*LEFT_OUT), symlinks=True
        )
        apart = ("unshare", "--uts", "sh", "-c", 'hostname another; umask 077; exec "$@"', "sh")
        again = ("--manifest", str(first / "manifest.json"), "--fresh")
        _build(elsewhere, second, *again, cache=folder / "cache", before=apart, zone="Asia/Tokyo")
        counted = {name: _differing(first / name, second / name) for name in _products(first)}
    return [
        Result("image.build.s", Formula.MEDIAN, [spent]),
        Result(
            "image.repro.diff",
            Formula.SUM,
            [float(number) for number in counted.values()],
            beside={"bytes": counted},
        ),
    ]


def _build(
    tree: Path,
    products: Path,
    *options: str,
    cache: Path,
    before: Sequence[str] = (),
    zone: str = "UTC",
) -> None:
    environment: Mapping[str, str] = {
        **os.environ,
        "XDG_CACHE_HOME": str(cache),
        "PYTHONPATH": str(tree),
        "TZ": zone,
    }
    argv = [*before, sys.executable, "-m", "image", "build", "--products", str(products), *options]
    done = subprocess.run(
        argv,
        cwd=tree,
        env=environment,
        capture_output=True,
        text=True,
        timeout=BUILD_S,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(done.stderr[-2000:])


def _products(folder: Path) -> list[str]:
    return sorted(
        path.name for path in folder.iterdir() if path.suffix != ".log" and path.is_file()
    )


def _differing(one: Path, other: Path) -> int:
    """How many bytes differ, with what only one of them has."""
    if not other.exists():
        return one.stat().st_size
    return _bytes_that_differ(one, other) + abs(one.stat().st_size - other.stat().st_size)


def _bytes_that_differ(one: Path, other: Path) -> int:
    """As far as the shorter one goes; in pieces, since a disk is larger than the memory."""
    found = 0
    with one.open("rb") as first, other.open("rb") as second:
        while (ours := first.read(PIECE)) and (theirs := second.read(PIECE)):
            if ours != theirs:
                size = min(len(ours), len(theirs))
                apart = int.from_bytes(ours[:size]) ^ int.from_bytes(theirs[:size])
                found += size - apart.to_bytes(size).count(0)
    return found
