# SPDX-License-Identifier: Apache-2.0
"""Starting a lab's first process in namespaces of its own, with root's rights or without.

Without them a user namespace comes first, in which this account is root and nobody else
exists. `unshare` from util-linux does it; it stays as the parent, and its death kills the
first process, so between the launcher's pipe and that nothing is left standing.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from services.errors import Unable
from tests.lab.control import ROOT
from tests.lab.kernel import may_make_namespaces
from tests.lab.layout import Layout

START_S = 30
"""Generous: a loaded machine is slow, and a lab that cannot start says so at once."""


@dataclass
class Launched:
    """A running lab, seen from its launcher."""

    outer: subprocess.Popen[str]
    life: int
    """Our end of the pipe that keeps it alive."""

    def end(self) -> None:
        """Let it end and wait until it has: not a process of it is left afterwards."""
        os.close(self.life)
        try:
            self.outer.wait(10)
        except subprocess.TimeoutExpired:
            self.outer.kill()
            self.outer.wait()
        finally:
            if self.outer.stdout:
                self.outer.stdout.close()


def launch(layout: Layout, folder: Path, lock: int) -> Launched:
    """Start it; on return every machine is on the network and the control socket answers.

    Raises `Unable` with the remedy where this account or this kernel cannot.
    """
    needed = {"unshare": "util-linux", "setpriv": "util-linux", "ip": "iproute2"}
    for program, package in needed.items():
        if not shutil.which(program, path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin"):
            raise Unable(f"The lab needs the program {program}.", do=f"Install {package}.")
    heard, life = os.pipe()
    init = (
        *(sys.executable, "-m", "tests.lab.init", "--folder", str(folder)),
        *("--life", str(heard), "--lock", str(lock)),
        *("--servers", str(layout.servers), "--spares", str(layout.spares)),
    )
    words = folder / "log" / "init.log"
    words.parent.mkdir()
    try:
        with words.open("wb") as said:
            outer = subprocess.Popen(
                [*_unshare(), *init],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=said,
                text=True,
                cwd=ROOT,
                env=environment(folder),
                pass_fds=(heard, lock),
                start_new_session=True,  # Ctrl-C in this terminal is the launcher's business
            )
    except BaseException:
        os.close(life)
        raise
    finally:
        os.close(heard)
    launched = Launched(outer, life)
    try:
        _await_word(outer, words)
    except BaseException:
        launched.end()
        raise
    return launched


def environment(folder: Path) -> dict[str, str]:
    """What programs of a lab get: nothing of ours but where the programs are."""
    venv = str(Path(sys.executable).parent)
    return {
        "PATH": f"{venv}:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        "LC_ALL": "C.UTF-8",
        "HOME": str(folder),
        "BALLAST_SOCKET": str(folder / "run" / "agent.sock"),
    }


def _unshare() -> Sequence[str]:
    user = () if may_make_namespaces() else ("--user", "--map-root-user")
    kinds = ("--mount", "--net", "--uts", "--ipc", "--pid")
    return ("unshare", *user, *kinds, "--fork", "--kill-child=KILL", "--mount-proc", "--")


def _await_word(outer: subprocess.Popen[str], words: Path) -> None:
    """Wait for the first process to say how its start went."""
    assert outer.stdout is not None
    line = outer.stdout.readline()
    if line:
        answer = json.loads(line)
        if answer:
            raise Unable(answer["what"], do=answer["do"])
        return
    said = " ".join(words.read_text(errors="replace").split())[-2000:]
    if "unshare:" in said and "failed to execute" not in said:
        raise Unable(
            f"This account may not make the namespaces that a lab lives in ({said}).",
            do=_remedy(),
        )
    raise Unable(f"The lab's first process ended at once: {said}", do="See its words.")


_SWITCHES = {
    "kernel/apparmor_restrict_unprivileged_userns": ("1", "0"),
    "kernel/unprivileged_userns_clone": ("0", "1"),
    "user/max_user_namespaces": ("0", "10000"),
}
"""Kernel settings that forbid user namespaces: the value that does, and one that does not."""


def _remedy() -> str:
    for path, (forbids, allows) in _SWITCHES.items():
        file = Path("/proc/sys", path)
        if file.exists() and file.read_text().strip() == forbids:
            name = path.replace("/", ".")
            return f"Run it as root, or allow them with `sysctl -w {name}={allows}`."
    return "Run it as root; in a container, with the capability SYS_ADMIN."
