# SPDX-License-Identifier: Apache-2.0
"""Talking to a lab's first process from outside: start, signal, await, enter.

One question, one answer, one short connection each; programs get their three descriptors
handed over the socket. So there is nothing to keep in step, and any number of callers, in
threads or in other terminals, may ask at once.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from services.command import Output
from services.errors import CommandFailed, Unable

ROOT = Path(__file__).resolve().parents[2]
"""Where the packages of the project lie; every program starts there."""


class Ended(Unable):
    """The lab does not answer: it has ended."""


@dataclass(frozen=True)
class Control:
    """The control socket of a lab."""

    folder: Path
    env: Mapping[str, str]
    """What a program gets that names nothing else."""

    def connect(self, timeout_s: float) -> socket.socket:
        """A connection to close. Raises `Ended`."""
        talk = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        talk.settimeout(timeout_s)
        try:
            talk.connect(str(self.folder / "control.sock"))
        except OSError as error:
            talk.close()
            raise Ended("The lab has ended.", do="Start another one.") from error
        return talk

    def ask(
        self, wish: Mapping[str, object], descriptors: Sequence[int] = (), timeout_s: float = 10
    ) -> dict[str, Any]:
        """One question and its answer. Raises `Unable`, or `TimeoutError`."""
        with self.connect(timeout_s) as talk:
            return exchange(talk, wish, descriptors)

    @property
    def init_pid(self) -> int:
        """The first process, as numbered outside: the kernel translates it for us."""
        with self.connect(10) as talk:
            size = struct.calcsize("3i")
            credentials = talk.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, size)
        pid: int = struct.unpack("3i", credentials)[0]
        return pid

    def host_pid(self, pid: int) -> int:
        """The number outside the lab of process `pid` of the lab. Raises `ProcessLookupError`."""
        space = Path(f"/proc/{self.init_pid}/ns/pid").readlink()
        for folder in Path("/proc").glob("[0-9]*"):
            try:
                inner = next(
                    line.split()[-1]
                    for line in (folder / "status").read_text().splitlines()
                    if line.startswith("NSpid:")
                )
                if int(inner) == pid and (folder / "ns/pid").readlink() == space:
                    return int(folder.name)
            except (OSError, StopIteration):
                continue
        raise ProcessLookupError(f"the lab has no process {pid}")


def exchange(
    talk: socket.socket, wish: Mapping[str, object], descriptors: Sequence[int] = ()
) -> dict[str, Any]:
    """One question and its answer over an open connection."""
    try:
        socket.send_fds(talk, [json.dumps(wish).encode()], list(descriptors))
        content = talk.recv(1 << 20)
    except ConnectionError as error:
        raise Ended("The lab has ended.", do="Start another one.") from error
    if not content:
        raise Ended("The lab has ended.", do="Start another one.")
    answer: dict[str, Any] = json.loads(content)
    if "error" in answer:
        raise Unable(f"The lab could not {wish['do']}: {answer['error']}.", do="See its words.")
    return answer


@dataclass(frozen=True)
class Process:
    """A program that was started in a lab."""

    control: Control
    pid: int
    """As numbered inside the lab; it leads a session and a process group of its own."""

    def wait(self, timeout_s: float) -> int:
        """Its exit status, negative for a signal, once it has ended. Raises `TimeoutError`."""
        status: int = self.control.ask({"do": "wait", "pid": self.pid}, timeout_s=timeout_s)["exit"]
        return status

    def signal(self, number: signal.Signals, *, group: bool = False) -> None:
        """Send a signal; nothing happens if it has ended."""
        wish = {"do": "signal", "pid": self.pid, "signal": int(number), "group": group}
        self.control.ask(wish)

    def kill(self) -> None:
        """Kill it and what it started in its group, and wait until it is dead."""
        self.signal(signal.SIGKILL, group=True)
        self.wait(10)

    @property
    def host_pid(self) -> int:
        """Its number outside the lab, for whoever measures it."""
        return self.control.host_pid(self.pid)


@dataclass(frozen=True)
class Job:
    """A program with a name: it can be started again, also from another terminal."""

    control: Control
    name: str

    def start(self) -> Process:
        """Start it unless it runs."""
        return Process(self.control, self.control.ask({"do": "start", "name": self.name})["pid"])

    def stop(self, timeout_s: float = 15) -> int:
        """Ask it to end, as systemd would, and return its exit status."""
        return self._end(signal.SIGTERM, timeout_s)

    def kill(self) -> int:
        """Kill this one process, without a warning; whatever it started runs on."""
        return self._end(signal.SIGKILL, 10)

    def _end(self, number: signal.Signals, timeout_s: float) -> int:
        process = self.process
        process.signal(number)
        return process.wait(timeout_s)

    @property
    def process(self) -> Process:
        """The latest run of it. Raises `Unable` before the first."""
        pid = self._status["pid"]
        if not pid:
            raise Unable(f"{self.name} was never started.", do="Start it.")
        return Process(self.control, pid)

    @property
    def running(self) -> bool:
        """Whether it runs."""
        alive: bool = self._status["running"]
        return alive

    @property
    def log(self) -> str:
        """All it has said."""
        path = Path(self._status["log"])
        return path.read_text(errors="replace") if path.exists() else ""

    @property
    def _status(self) -> dict[str, Any]:
        jobs = self.control.ask({"do": "status"})["jobs"]
        if self.name not in jobs:
            raise Unable(f"This lab has no {self.name}.", do=f"It has {', '.join(sorted(jobs))}.")
        found: dict[str, Any] = jobs[self.name]
        return found


@dataclass(frozen=True)
class Place:
    """One machine of the lab."""

    control: Control
    name: str

    def run(
        self,
        argv: Sequence[str],
        *,
        timeout_s: float,
        stdin: str = "",
        env: Mapping[str, str] | None = None,
        accept: Sequence[int] | None = (0,),
    ) -> Output:
        """Run a program to its end and return what it said.

        It does not outlive this call, nor this process. `accept=None` accepts every status.
        Raises `CommandFailed` for another status and for a timeout, `Unable` when it cannot
        be started.
        """
        files = [os.memfd_create(name) for name in ("stdin", "stdout", "stderr")]
        try:
            os.pwrite(files[0], stdin.encode(), 0)
            with self.control.connect(timeout_s) as talk:
                pid = exchange(talk, self._spawn(argv, env, tied=True), files)["pid"]
                try:
                    status = exchange(talk, {"do": "wait", "pid": pid})["exit"]
                except TimeoutError as error:
                    said = _content(files[2]) + _content(files[1])
                    why = f"did not finish in {timeout_s:g} s"
                    raise CommandFailed(argv, why, said, do="See what it waits for.") from error
            output = Output(status, _content(files[1]), _content(files[2]))
        finally:
            for descriptor in files:
                os.close(descriptor)
        if accept is not None and status not in accept:
            said = output.stderr + output.stdout
            raise CommandFailed(argv, f"failed with status {status}", said, do="See its words.")
        return output

    def spawn(
        self, argv: Sequence[str], *, log: Path, env: Mapping[str, str] | None = None
    ) -> Process:
        """Start a program that runs until it is told otherwise or the lab ends.

        Its words go to the end of the file `log`. Raises `Unable` when it cannot be started.
        """
        with Path(os.devnull).open("rb") as null, log.open("ab") as said:
            stdio = (null.fileno(), said.fileno(), said.fileno())
            answer = self.control.ask(self._spawn(argv, env, tied=False), stdio)
        return Process(self.control, answer["pid"])

    def define(self, name: str, argv: Sequence[str], **env: str) -> Job:
        """Give a program a name under which it can be started, stopped and started again."""
        self.control.ask(self._wish("define", argv, env) | {"name": name})
        return Job(self.control, name)

    def enter_argv(self) -> tuple[str, ...]:
        """What to put before a command so that it runs here and keeps this terminal.

        Unlike `run` and `spawn` the command stays a child of the caller, with its session
        and terminal; it still dies with the lab. Raises `Unable` for a machine it has not.
        """
        machines = self.control.ask({"do": "status"})["namespaces"]
        if self.name not in machines:
            raise Unable(
                f"This lab has no {self.name}.", do=f"It has {', '.join(sorted(machines))}."
            )
        net, mnt, uts = machines[self.name]
        proc = Path(f"/proc/{self.control.init_pid}")
        same_user = (proc / "ns/user").readlink() == Path("/proc/self/ns/user").readlink()
        user = () if same_user else (f"--user={proc}/ns/user", "--preserve-credentials")
        return (
            "nsenter",
            *user,
            *(f"--{kind}={proc}/ns/{kind}" for kind in ("pid", "ipc")),
            *(f"--net={proc}/fd/{net}", f"--uts={proc}/fd/{uts}", f"--mount={proc}/fd/{mnt}"),
            f"--wd={ROOT}",
            "--",
        )

    def _spawn(
        self, argv: Sequence[str], env: Mapping[str, str] | None, *, tied: bool
    ) -> dict[str, object]:
        return self._wish("spawn", argv, env or {}) | {"tied": tied}

    def _wish(self, do: str, argv: Sequence[str], env: Mapping[str, str]) -> dict[str, object]:
        return {
            "do": do,
            "in": self.name,
            "argv": [os.fspath(word) for word in argv],
            "env": {**self.control.env, **env},
            "cwd": str(ROOT),
        }


def _content(descriptor: int) -> str:
    return os.pread(descriptor, os.fstat(descriptor).st_size, 0).decode(errors="replace")
