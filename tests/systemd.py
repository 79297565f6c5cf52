# SPDX-License-Identifier: Apache-2.0
"""A real systemd with a real journal, as the first process of namespaces of its own.

It knows the units the test gives it and nothing of the host's: its unit path is a folder of
ours, the root file system and /proc/sys are read-only to it, but for the settings of its own
network, /run and the journal are in memory, and its control groups hang below one of ours. So
nothing on the host is started, written or left behind.
"""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.netns import beside, inside, mount

PROGRAMS = ("/usr/lib/systemd/systemd", "/lib/systemd/systemd")
UNITS = Path("/run/units")
CONSOLE = Path("/run/console")
UP_S = 20.0

FIRST = r"""
mount --make-rprivate /
mount -t cgroup2 none /sys/fs/cgroup
mount --bind /run/console /dev/console
mount -t tmpfs none /var/log
mount --bind /proc/sys /proc/sys
mount --bind /proc/sys/net /proc/sys/net
mount -o remount,bind,ro /proc/sys
mount -o remount,bind,ro /
exec "$0" --system --log-level=info --log-target=console --show-status=0
"""

JOURNAL = {
    "systemd-journald.socket": """
[Unit]
DefaultDependencies=no
[Socket]
ListenDatagram=/run/systemd/journal/socket
ListenStream=/run/systemd/journal/stdout
PassCredentials=yes
""",
    "systemd-journald.service": """
[Unit]
DefaultDependencies=no
Requires=systemd-journald.socket
[Service]
Type=notify
ExecStart={folder}/systemd-journald
Sockets=systemd-journald.socket
StandardOutput=null
""",
    "default.target": """
[Unit]
DefaultDependencies=no
Requires=systemd-journald.service
""",
}


def under_systemd(units: Mapping[str, str], function: Callable[..., Any], *args: Any) -> Any:
    """Call `function(*args)` beside a systemd that knows `units` (file name to content).

    The result or the exception comes home as with `tests.netns.inside`. Skips the test
    where no systemd is installed or where it does not come up.
    """
    program = next((path for path in PROGRAMS if Path(path).exists()), None)
    if program is None:
        pytest.skip("this machine lacks systemd")
    group = f"ballast-test-{os.getpid()}"
    try:
        answer = inside(_whole, program, group, dict(units), function, args, timeout_s=120)
    finally:
        inside(_without_group, group)
    if answer[0] is None:
        pytest.skip(f"systemd does not come up here: {answer[1]}")
    return answer[1]


def _whole(
    program: str,
    group: str,
    units: dict[str, str],
    function: Callable[..., Any],
    args: tuple[Any, ...],
) -> tuple[bool | None, Any]:
    mount(b"none", b"/run", b"tmpfs", 0)
    UNITS.mkdir()
    (Path("/run") / "none").mkdir()
    folder = str(Path(program).parent)
    for name, text in (JOURNAL | units).items():
        (UNITS / name).write_text(text.replace("{folder}", folder))
    CONSOLE.touch()
    groups = _groups()
    (groups / group).mkdir(exist_ok=True)
    (groups / group / "cgroup.procs").write_text("0")
    argv = ["unshare", "--cgroup", "--uts", "--ipc", "--pid", "--fork", "--kill-child"]
    with CONSOLE.open("ab") as console:
        systemd = subprocess.Popen(
            [*argv, "--mount-proc", "sh", "-ec", FIRST, program],
            env={
                "PATH": os.environ["PATH"],
                "container": "test",
                "SYSTEMD_UNIT_PATH": str(UNITS),
                "SYSTEMD_GENERATOR_PATH": "/run/none",
                "SYSTEMD_ENVIRONMENT_GENERATOR_PATH": "/run/none",
            },
            stdout=console,
            stderr=console,
        )
    pid = _first_process(systemd)
    if pid is None:
        return None, " ".join(CONSOLE.read_text(errors="replace").split())[-500:]
    return True, beside(pid, function, *args, timeout_s=100)


def _first_process(systemd: subprocess.Popen[bytes]) -> int | None:
    """Its process id as seen from here, once it answers and has its journal."""
    ready = Path("/run/systemd/journal/stdout")
    until = time.monotonic() + UP_S
    while time.monotonic() < until and systemd.poll() is None:
        children = Path(f"/proc/{systemd.pid}/task/{systemd.pid}/children").read_text().split()
        if children and ready.exists() and Path("/run/systemd/private").exists():
            return int(children[0])
        time.sleep(0.02)
    return None


def _groups() -> Path:
    """A cgroup2 tree, whichever layout the host has."""
    folder = Path("/run/groups")
    folder.mkdir(exist_ok=True)
    mount(b"none", os.fsencode(folder), b"cgroup2", 0)
    return folder


def _without_group(group: str) -> None:
    mount(b"none", b"/run", b"tmpfs", 0)
    top = _groups() / group
    if top.exists():
        for folder, _, _ in os.walk(top, topdown=False):
            Path(folder).rmdir()
