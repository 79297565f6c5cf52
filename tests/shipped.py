# SPDX-License-Identifier: Apache-2.0
"""This tree's tests in the appliance's own root: its Python, its daemons, its libraries.

The shipped Python has what the product needs; pytest is carried in from the environment that
runs these tests.
"""

from __future__ import annotations

import importlib.metadata
import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from tests.tree import ROOT

PLACE = "ballast-tests"
"""Where the tests lie in that root."""
PYTHON = "/usr/lib/ballast/bin/python3"
TREE = ("services", "tests", "image", "pyproject.toml")
"""What any test needs of this tree."""
BROUGHT = (
    *("pytest", "pluggy", "iniconfig", "packaging", "pytest-asyncio", "pytest-timeout"),
    "psutil",
)
"""What the tests need and the appliance has not; pure Python, or with the stable ABI (psutil), so
any version will do."""
ENVIRONMENT = {
    "PYTHONPATH": f"/{PLACE}:/{PLACE}/site-packages",
    "PYTHONDONTWRITEBYTECODE": "1",
}


def unpack(archive: Path, root: Path) -> None:
    """As it is: owners, modes, capabilities."""
    root.mkdir(exist_ok=True)
    _run(
        *("tar", "--extract", "--file", archive, "--directory", root, "--numeric-owner"),
        *("--same-permissions", "--xattrs", "--xattrs-include=*"),
    )


def carry(root: Path, names: Sequence[str] = TREE) -> Path:
    """Put the tests and these files and folders of the tree into an unpacked root; where."""
    tests = root / PLACE
    tests.mkdir()
    skip = shutil.ignore_patterns("__pycache__")
    for name in names:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, tests / name, ignore=skip, symlinks=True)
        else:
            shutil.copy(ROOT / name, tests)
    for name in BROUGHT:
        _bring(name, tests / "site-packages")
    # here it takes a second, in an emulated machine half a minute
    _run("chroot", root, PYTHON, "-m", "compileall", "-q", f"/{PLACE}")
    return tests


def _bring(name: str, target: Path) -> None:
    """Copy an installed distribution, without what was compiled for another Python."""
    for file in importlib.metadata.files(name) or ():
        if file.suffix != ".pyc" and ".." not in file.parts:
            (target / file).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(file.locate(), target / file)


def pytest_inside(root: Path, *words: str, timeout_s: float) -> tuple[int, str]:
    """Run pytest in such a root; its status, and what it said.

    To be called in a child of `tests.netns`, which sees the root as its own from then on. It is
    entered by pivot_root, because a lab makes mount namespaces, and who joins one of these has
    left a mere chroot. The machine's own root lies at /host, for clients that an appliance does
    not have: `curl` is the machine's, in the network of whoever calls it.
    """
    for name in ("host", "before"):
        (root / name).mkdir()
    client = root / "usr/local/bin/curl"
    client.write_text('#!/bin/sh\nexec /usr/sbin/chroot /host curl "$@"\n')
    client.chmod(0o755)
    _run("mount", "--bind", root, root)
    _run("mount", "--bind", "/", root / "host")
    _run("mount", "--rbind", "/dev", root / "dev")
    _run("mount", "--bind", "/sys", root / "sys")
    _run("mount", "-t", "proc", "proc", root / "proc")
    for name in ("run", "tmp"):
        _run("mount", "-t", "tmpfs", "tmpfs", root / name)
    _run("pivot_root", root, root / "before")
    os.chdir("/")
    _run("/usr/bin/umount", "--lazy", "/before")
    done = subprocess.run(
        [PYTHON, "-m", "pytest", "-p", "no:cacheprovider", "-q", *words],
        cwd=f"/{PLACE}",
        env={**ENVIRONMENT, "PATH": "/usr/local/bin:/usr/sbin:/usr/bin", "LC_ALL": "C.UTF-8"},
        check=False,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=timeout_s,
    )
    return done.returncode, done.stdout


def _run(*argv: str | Path) -> None:
    subprocess.run([str(each) for each in argv], check=True, stdin=subprocess.DEVNULL, timeout=300)
