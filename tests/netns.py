# SPDX-License-Identifier: Apache-2.0
"""Network namespaces for tests: made in a forked child, gone with it.

A child rather than a switch of the test's own process: pytest itself never stands anywhere but
on the host's network. The child is the first process of a PID namespace too, so whatever the
test leaves behind, daemons in sessions of their own included, dies with it.

    def test_the_kernel_takes_an_address() -> None:
        assert inside(ask_the_kernel, "10.0.0.1/24") == "10.0.0.1/24"

`Namespace` is a second one beside it, for the far end of a cable.
"""

from __future__ import annotations

import asyncio
import ctypes
import inspect
import os
import pickle
import select
import signal
import subprocess
import sys
import time
import traceback
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NoReturn, Self

CLONE_NEWNS = 0x00020000
CLONE_NEWPID = 0x20000000
CLONE_NEWNET = 0x40000000
MS_REC_PRIVATE = 0x4000 | 0x40000
MS_REMOUNT_READ_ONLY = 0x20 | 0x1
PR_SET_PDEATHSIG = 1

_libc = ctypes.CDLL(None, use_errno=True)


class FailedInside(AssertionError):
    """What went wrong in the child, in words, where its own exception cannot travel."""


def inside(function: Callable[..., Any], *args: Any, timeout_s: float = 60) -> Any:
    """Call `function(*args)` in a child with a network of its own; return its result.

    `function` may be a coroutine function: then it runs in an event loop of the child's.
    The loopback device is up, every mount is private, and /proc shows the child's processes
    only (/sys shows the host's). An exception of the child is raised here, with the child's
    traceback as a note; one that cannot be pickled comes as `FailedInside`. A child that
    takes longer than `timeout_s` is killed.
    """
    return _forked(_apart, _settled, lambda: function(*args), timeout_s)


def beside(pid: int, function: Callable[..., Any], *args: Any, timeout_s: float = 60) -> Any:
    """Call `function(*args)` in a child with the PIDs, mounts and groups of process `pid`."""

    def joined() -> None:
        kinds = ("cgroup", "pid", "mnt")  # the last one changes what /proc is
        for fd in [os.open(f"/proc/{pid}/ns/{kind}", os.O_RDONLY) for kind in kinds]:
            _setns(fd)
            os.close(fd)

    return _forked(joined, lambda: None, lambda: function(*args), timeout_s)


def _apart() -> None:
    _unshare(CLONE_NEWNET | CLONE_NEWNS | CLONE_NEWPID)


def _settled() -> None:
    mount(b"none", b"/", None, MS_REC_PRIVATE)
    mount(b"proc", b"/proc", b"proc", 0)
    ip("link set lo up")


def _forked(
    before: Callable[[], None],
    first: Callable[[], None],
    function: Callable[[], Any],
    timeout_s: float,
) -> Any:
    """Fork twice: a new PID namespace begins with the children of who asked for it."""
    reading, writing = os.pipe()
    sys.stdout.flush()
    sys.stderr.flush()
    # held back until the child knows what to do about it
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    with warnings.catch_warnings():
        # newer Pythons warn of threads; the child touches none of its parent's
        warnings.simplefilter("ignore", DeprecationWarning)
        pid = os.fork()
    if pid == 0:
        os.close(reading)
        _child(before, first, function, writing)
    signal.pthread_sigmask(signal.SIG_SETMASK, mask)
    os.close(writing)
    try:
        answer = _read_all(reading, timeout_s)
    finally:
        os.close(reading)
        # it ends all that is in there, and itself only when nothing is left
        os.kill(pid, signal.SIGTERM)
        os.waitpid(pid, 0)
    if answer is None:
        raise FailedInside(f"The child did not finish in {timeout_s:g} s.")
    if not answer:
        raise FailedInside("The child died without a word.")
    good, value = pickle.loads(answer)  # noqa: S301  our own child wrote it
    if not good:
        raise value
    return value


def _child(
    before: Callable[[], None],
    first: Callable[[], None],
    function: Callable[[], Any],
    writing: int,
) -> NoReturn:
    try:
        try:
            # pytest's alarm and the wake-up of a running loop belong to the parent
            _libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.set_wakeup_fd(-1)
            before()
            if inner := os.fork():
                os.close(writing)
                signal.signal(signal.SIGTERM, lambda *_: os.kill(inner, signal.SIGKILL))
                signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})
                os.waitpid(inner, 0)
                os._exit(0)
            # of a new PID namespace this is the first process: with it all in there ends
            _libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
            signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})
            first()
            value = function()
            if inspect.iscoroutine(value):
                value = asyncio.run(value)
            answer = pickle.dumps((True, value))
        except BaseException as error:  # noqa: BLE001  everything is the parent's to judge
            answer = _carried(error)
        with os.fdopen(writing, "wb") as pipe:
            pipe.write(answer)
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(0)


def _carried(error: BaseException) -> bytes:
    told = "".join(traceback.format_exception(error))
    try:
        error.add_note(f"In the child:\n{told}")
        answer = pickle.dumps((False, error))
        pickle.loads(answer)  # noqa: S301  our own words, only to see whether they travel
    except Exception:  # noqa: BLE001  an exception may carry anything
        return pickle.dumps((False, FailedInside(told)))
    return answer


def _read_all(reading: int, timeout_s: float) -> bytes | None:
    answer = b""
    deadline = time.monotonic() + timeout_s
    while True:
        left_s = max(0.0, deadline - time.monotonic())
        ready, _, _ = select.select([reading], [], [], left_s)
        if not ready:
            return None
        piece = os.read(reading, 1 << 16)
        if not piece:
            return answer
        answer += piece


def _unshare(flags: int) -> None:
    if _libc.unshare(flags):
        number = ctypes.get_errno()
        raise OSError(number, f"unshare: {os.strerror(number)}")


def mount(
    source: bytes, target: bytes, kind: bytes | None, flags: int, options: bytes | None = None
) -> None:
    """Mount something, for the child alone; raises `OSError`."""
    if _libc.mount(source, target, kind, flags, options):
        number = ctypes.get_errno()
        raise OSError(number, f"mount {os.fsdecode(target)}: {os.strerror(number)}")


def ip(*lines: str) -> str:
    """Run `ip` lines, e.g. `ip("link add a type veth peer name b")`, and return its words.

    The judge in tests of our own netlink code: a program of other people. One line may have
    options (`-o addr show`); several go as one batch, which knows none.
    """
    argv = ["ip", *lines[0].split()] if len(lines) == 1 else ["ip", "-batch", "-"]
    told = subprocess.run(argv, input="\n".join(lines).encode(), capture_output=True, check=False)
    if told.returncode:
        raise AssertionError(f"ip {'; '.join(lines)}: {told.stderr.decode().strip()}")
    return told.stdout.decode()


class Namespace:
    """Another network namespace beside the child's own, e.g. the far end of a cable.

    Only for use inside `inside`: it switches the calling thread. Sockets made within
    `with namespace.entered():` go on living in it.
    """

    def __init__(self) -> None:
        home = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
        _unshare(CLONE_NEWNET)
        self.fd = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
        ip("link set lo up")
        _setns(home)
        os.close(home)

    @property
    def path(self) -> str:
        """For `ip link set DEVICE netns PATH`."""
        return f"/proc/{os.getpid()}/fd/{self.fd}"

    @contextmanager
    def entered(self) -> Iterator[Self]:
        """Stand in it for a while."""
        home = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
        try:
            _setns(self.fd)
            yield self
        finally:
            _setns(home)
            os.close(home)


def _setns(fd: int) -> None:
    if _libc.setns(fd, 0):
        number = ctypes.get_errno()
        raise OSError(number, f"setns: {os.strerror(number)}")


def cable(near: str, far: str, to: Namespace) -> None:
    """A cable from `near` here to `far` in the namespace `to`, up at the far end only."""
    ip(f"link add {near} type veth peer name {far}", f"link set {far} netns {to.path}")
    with to.entered():
        ip(f"link set {far} up")


def mount_tmpfs(path: Path, *, size_kib: int) -> None:
    """A small file system of the child's own, e.g. to fill it up."""
    mount(b"tmpfs", os.fsencode(path), b"tmpfs", 0, f"size={size_kib}k".encode())


def remount_read_only(path: Path) -> None:
    """Make a mount of the child's own read-only."""
    mount(b"none", os.fsencode(path), None, MS_REMOUNT_READ_ONLY)
