# SPDX-License-Identifier: Apache-2.0
"""This tree's tests in the appliance's own root: its Python, its daemons, its libraries.

The shipped Python has what the product needs; pytest is carried in from the environment that
runs these tests.
"""

from __future__ import annotations

import importlib.metadata
import os
import re
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from tests.tiers import under_ci
from tests.tree import ROOT

PLACE = "ballast-tests"
"""Where the tests lie in that root."""
PYTHON = "/usr/lib/ballast/bin/python3"
LOADER = "/lib64/ld-linux-x86-64.so.2"
LIBRARIES = "usr/lib/x86_64-linux-gnu"
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
    not have: `curl` is the machine's, in the network of whoever calls it. So is `tmux`, but brought
    in, because what it shows is the appliance's. Where a skip is a failure it is one in there too.
    """
    for name in ("host", "before"):
        (root / name).mkdir()
    client = root / "usr/local/bin/curl"
    client.write_text('#!/bin/sh\nexec /usr/sbin/chroot /host curl "$@"\n')
    client.chmod(0o755)
    _lend_tmux(root)
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
        env={
            **ENVIRONMENT,
            "PATH": "/usr/local/bin:/usr/sbin:/usr/bin",
            "LC_ALL": "C.UTF-8",
            "CI": str(under_ci()).lower(),
        },
        check=False,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=timeout_s,
    )
    return done.returncode, done.stdout


def _lend_tmux(root: Path) -> None:
    """With those of its libraries that are not there, and found by it alone."""
    program = shutil.which("tmux")
    if program is None:
        return
    lent = root / PLACE / "lent"
    lent.mkdir()
    shutil.copy(program, lent)
    told = subprocess.run(["ldd", program], check=True, capture_output=True, text=True).stdout
    for name, path in re.findall(r"(\S+) => (/\S+)", told):
        if not (root / LIBRARIES / name).exists():
            shutil.copy(path, lent / name)
    place = f"/{PLACE}/{lent.name}"
    client = root / "usr/local/bin/tmux"
    client.write_text(f'#!/bin/sh\nexec {LOADER} --library-path {place} {place}/tmux "$@"\n')
    client.chmod(0o755)


def _run(*argv: str | Path) -> None:
    subprocess.run([str(each) for each in argv], check=True, stdin=subprocess.DEVNULL, timeout=300)
