# SPDX-License-Identifier: Apache-2.0
"""The few system calls that Python 3.11 does not offer: namespaces, and mounting into them.

A namespace of the lab is held by an open descriptor of its first process and by nothing
else. A bind mount under /run/netns would outlive a crash; a descriptor dies with its
process, and the namespace with it.
"""

from __future__ import annotations

import ctypes
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

CLONE_NEWNS = 0x00020000
CLONE_NEWUTS = 0x04000000
CLONE_NEWNET = 0x40000000
_CAP_SYS_ADMIN = 21

_libc = ctypes.CDLL(None, use_errno=True)


def _check(result: int, doing: str) -> None:
    if result != 0:
        error = ctypes.get_errno()
        raise OSError(error, f"{os.strerror(error)} ({doing})")


def unshare(flags: int) -> None:
    """Give this process namespaces of its own."""
    _check(_libc.unshare(flags), "unshare")


def setns(descriptor: int, kind: int) -> None:
    """Move this process into a namespace."""
    _check(_libc.setns(descriptor, kind), "setns")


def mount(kind: str, target: str) -> None:
    """Mount a file system that needs neither a device nor options."""
    name = kind.encode()
    _check(_libc.mount(name, target.encode(), name, 0, None), f"mount {target}")


def may_make_namespaces() -> bool:
    """Whether this process can do without a user namespace.

    The capability decides and not the user id: root in a container often lacks it.
    """
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("CapEff:"):
            return bool(int(line.split()[1], 16) & 1 << _CAP_SYS_ADMIN)
    return False


@dataclass(frozen=True)
class Namespace:
    """A network with the mount table and the host name that belong to it."""

    name: str
    net: int
    mnt: int
    uts: int

    def enter(self) -> None:
        """Move this process in for good; its working folder becomes /."""
        setns(self.mnt, CLONE_NEWNS)
        setns(self.uts, CLONE_NEWUTS)
        setns(self.net, CLONE_NEWNET)

    @contextmanager
    def network(self) -> Iterator[None]:
        """Be in its network for a moment: sockets, programs and /proc/sys/net are its own."""
        before = os.open("/proc/self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        try:
            setns(self.net, CLONE_NEWNET)
            try:
                yield
            finally:
                setns(before, CLONE_NEWNET)
        finally:
            os.close(before)


def opened(name: str) -> Namespace:
    """The namespaces which this process is in, held open under `name`."""
    kinds = ("net", "mnt", "uts")
    found = (os.open(f"/proc/self/ns/{kind}", os.O_RDONLY | os.O_CLOEXEC) for kind in kinds)
    return Namespace(name, *found)


def new_namespace(name: str) -> Namespace:
    """Make one and come back; the calling process must have a single thread."""
    folder = Path.cwd()
    home = opened(name)
    try:
        unshare(CLONE_NEWNS | CLONE_NEWUTS | CLONE_NEWNET)
        # /sys/class/net shows the network of whoever mounted it; a container may forbid the
        # mount, and then only a person who looks there is misled
        with suppress(OSError):
            mount("sysfs", "/sys")
        socket.sethostname(name)
        return opened(name)
    finally:
        home.enter()
        os.chdir(folder)
        for descriptor in (home.net, home.mnt, home.uts):
            os.close(descriptor)
