# SPDX-License-Identifier: Apache-2.0
"""Asking a HAProxy what it does, as far from the product's own driver as can be.

The driver is under test here, so nothing of it is used: a judge who borrows the accused's
eyes sees what they see.
"""

from __future__ import annotations

import os
import socket
import time
from pathlib import Path

ANSWER_S = 5


class Silent(OSError):
    """Nobody answers on the socket."""


def runtime(path: Path, command: str) -> str:
    """The answer to one command of the runtime API or of the master. Raises `Silent`."""
    answer = bytearray()
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as talk:
        talk.settimeout(ANSWER_S)
        try:
            talk.connect(str(path))
            talk.sendall(f"{command}\n".encode())
            talk.shutdown(socket.SHUT_WR)
            while piece := talk.recv(1 << 20):
                answer += piece
        except OSError as error:
            raise Silent(f"{path}: {error}") from error
    return answer.decode(errors="replace")


def info(path: Path) -> dict[str, str]:
    """`show info` as pairs. Raises `Silent`."""
    lines = runtime(path, "show info").splitlines()
    return dict(line.split(": ", 1) for line in lines if ": " in line)


def worker_pid(path: Path) -> int:
    """The worker that answers on this socket, as numbered inside its namespace."""
    try:
        return int(info(path)["Pid"])
    except KeyError as error:
        raise Silent(f"{path} answers without a Pid") from error


def master_pid(path: Path) -> int:
    """The master that answers on this socket, as numbered inside its namespace."""
    for line in runtime(path, "show proc").splitlines():
        words = line.split()
        if len(words) > 1 and words[1] == "master":
            return int(words[0])
    raise Silent(f"{path} names no master")


def cpu_s(host_pid: int) -> float:
    """CPU seconds that a process has used so far, in the kernel and outside of it."""
    stat = Path(f"/proc/{host_pid}/stat").read_text()
    fields = stat.rpartition(")")[2].split()
    ticks = int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")


def settled(master: Path, *, timeout_s: float = 20) -> None:
    """Wait until every worker of an earlier reload has left, so that turns start alike."""
    give_up_at = time.monotonic() + timeout_s
    while time.monotonic() < give_up_at:
        try:
            if not _old_workers(runtime(master, "show proc")):
                return
        except Silent:
            pass
        time.sleep(0.01)
    raise RuntimeError(f"workers of an earlier reload stay at {master}")


def _old_workers(shown: str) -> bool:
    _, _, old = shown.partition("# old workers")
    return any(line.split()[:1] and line[0].isdigit() for line in old.splitlines())
