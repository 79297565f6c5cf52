# SPDX-License-Identifier: Apache-2.0
"""The root file system entered without booting it: its own programs, on top of its own files.

What is written goes into memory and is gone with the child that wrote it; the network is the
child's own.
"""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from tests.netns import inside

PATH = "/usr/sbin:/usr/bin"


class Entered:
    """A copy of the root file system in which programs can be run."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def run(
        self, *argv: str, stdin: str = "", user: int | None = None, **environment: str
    ) -> subprocess.CompletedProcess[str]:
        """Run a program there as root or `user`; whatever its status is."""
        rights = ("--userspec", f"{user}:{user}") if user is not None else ()
        return subprocess.run(
            ["chroot", *rights, str(self.folder), *argv],
            check=False,
            input=stdin,
            capture_output=True,
            text=True,
            timeout=60,
            env={"PATH": PATH, "LC_ALL": "C.UTF-8", **environment},
        )

    def start(self, *argv: str) -> subprocess.Popen[bytes]:
        """Start a daemon; it ends with the child."""
        return subprocess.Popen(["chroot", str(self.folder), *argv], env={"PATH": PATH})

    def groups(self, name: str) -> set[str]:
        """The groups an account is in."""
        return set(self.run("id", "--name", "--groups", name).stdout.split())


def entered(root: Path, function: Callable[..., Any], *args: Any, timeout_s: float = 120) -> Any:
    """Call `function(Entered, *args)` in a child that sees a changeable copy of `root`."""
    return inside(_enter, root, function, args, timeout_s=timeout_s)


def _enter(root: Path, function: Callable[..., Any], args: Sequence[Any]) -> Any:
    memory = root.parent / f"{root.name}-memory"
    memory.mkdir(exist_ok=True)
    _mount("tmpfs", "-t", "tmpfs", to=memory)
    upper, work, top = (memory / each for each in ("upper", "work", "top"))
    for each in (upper, work, top):
        each.mkdir()
    _mount(
        "overlay", "-t", "overlay", "-o", f"lowerdir={root},upperdir={upper},workdir={work}", to=top
    )
    _mount("proc", "-t", "proc", to=top / "proc")
    _mount("devtmpfs", "-t", "tmpfs", "-o", "mode=755", to=top / "dev")
    for name in ("null", "zero", "random", "urandom", "tty"):
        (top / "dev" / name).touch()
        _mount(f"/dev/{name}", "--bind", to=top / "dev" / name)
    (top / "dev" / "pts").mkdir()
    _mount("devpts", "-t", "devpts", "-o", "newinstance,ptmxmode=0666", to=top / "dev" / "pts")
    (top / "dev" / "ptmx").symlink_to("pts/ptmx")
    return function(Entered(top), *args)


def _mount(what: str, *options: str, to: Path) -> None:
    subprocess.run(["mount", *options, what, str(to)], check=True)
