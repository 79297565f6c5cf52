# SPDX-License-Identifier: Apache-2.0
"""The first process of a lab: builds it, starts what runs in it, buries it.

It is process 1 of a process namespace, so its death, however it comes, is the death of
everything inside. It lives exactly as long as its launcher: the launcher holds the other
end of a pipe, and the kernel closes that whatever kills the launcher. A death signal
(PR_SET_PDEATHSIG) would fire too early, when the *thread* that started the lab ends.

It knows no daemon by heart. Whoever asks on its socket says what to start and where; an
orphan of anything started (the HAProxy of a killed agent) becomes its child, runs on, and is
reaped when it ends. It stays a single thread, because a process with threads cannot change
its mount namespace.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import shutil
import signal
import socket
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from services.errors import ApplianceError
from tests.lab import kernel, net
from tests.lab.layout import Layout

MESSAGE_LIMIT = 200_000
STDIO = (0, 1, 2)
REMEMBERED = 4096
"""How many ended processes are remembered for somebody who asks late."""


@dataclass
class Job:
    """A program with a name, which can be started again the same way."""

    namespace: str
    argv: Sequence[str]
    env: Mapping[str, str]
    cwd: str
    log: Path
    pid: int = 0
    """Of the latest run; 0 before the first."""


@dataclass
class Conversation:
    """One connection to the control socket."""

    connection: socket.socket
    tied: set[int] = field(default_factory=set)
    """Processes that must not outlive it."""

    def say(self, answer: Mapping[str, object]) -> None:
        """Answer; a listener who has gone has no use for it."""
        with suppress(OSError):
            self.connection.send(json.dumps(answer).encode())


class Init:
    """Starts, signals, awaits and reaps."""

    def __init__(self, namespaces: Mapping[str, kernel.Namespace], folder: Path) -> None:
        self._namespaces = namespaces
        self._folder = folder
        self._jobs: dict[str, Job] = {}
        self._running: set[int] = set()
        self._ended: dict[int, int] = {}
        self._waiting: dict[int, list[Conversation]] = {}

    def serve(self, listener: socket.socket) -> None:
        """Answer on `listener` and reap, from now on."""
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGCHLD, self.reap)
        loop.add_reader(listener, self._accept, listener)

    def reap(self) -> None:
        """Take the status of every child that has ended, adopted ones as well."""
        with suppress(ChildProcessError):
            while (found := os.waitpid(-1, os.WNOHANG))[0]:
                pid, status = found
                if pid not in self._running:
                    continue
                self._running.discard(pid)
                self._ended[pid] = os.waitstatus_to_exitcode(status)
                for listening in self._waiting.pop(pid, []):
                    listening.tied.discard(pid)
                    listening.say({"exit": self._ended[pid]})
        while len(self._ended) > REMEMBERED:
            del self._ended[next(iter(self._ended))]

    def _accept(self, listener: socket.socket) -> None:
        connection, _ = listener.accept()
        connection.setblocking(False)
        loop = asyncio.get_running_loop()
        loop.add_reader(connection, self._hear, Conversation(connection))

    def _hear(self, talk: Conversation) -> None:
        descriptors: list[int] = []
        try:
            message, descriptors, *_ = socket.recv_fds(talk.connection, MESSAGE_LIMIT, len(STDIO))
            if not message:
                self._hang_up(talk)
                return
            answer = self._obey(json.loads(message), descriptors, talk)
            if answer is not None:
                talk.say(answer)
        except BlockingIOError:
            pass
        except ConnectionError:
            self._hang_up(talk)
        except (OSError, KeyError, TypeError, ValueError) as error:
            talk.say({"error": f"{type(error).__name__}: {error}"})
        finally:
            for descriptor in descriptors:
                os.close(descriptor)

    def _hang_up(self, talk: Conversation) -> None:
        asyncio.get_running_loop().remove_reader(talk.connection)
        talk.connection.close()
        for listening in self._waiting.values():
            if talk in listening:
                listening.remove(talk)
        for pid in talk.tied & self._running:
            with suppress(ProcessLookupError):
                os.killpg(pid, signal.SIGKILL)

    def _obey(
        self, wish: Mapping[str, Any], descriptors: Sequence[int], talk: Conversation
    ) -> Mapping[str, object] | None:
        match wish["do"]:
            case "spawn":
                pid = self._spawn(
                    wish["in"], wish["argv"], wish["env"], wish["cwd"], stdio=descriptors
                )
                if wish["tied"]:
                    talk.tied.add(pid)
                return {"pid": pid}
            case "define":
                log = self._folder / "log" / f"{wish['name']}.log"
                self._jobs[wish["name"]] = Job(
                    wish["in"], wish["argv"], wish["env"], wish["cwd"], log
                )
                return {}
            case "start":
                return {"pid": self._start(self._jobs[wish["name"]])}
            case "signal":
                if wish["pid"] in self._running:
                    send = os.killpg if wish["group"] else os.kill
                    send(wish["pid"], wish["signal"])
                return {}
            case "wait":
                if wish["pid"] in self._ended:
                    return {"exit": self._ended[wish["pid"]]}
                if wish["pid"] not in self._running:
                    raise ValueError(f"process {wish['pid']} is none of this lab's")
                self._waiting.setdefault(wish["pid"], []).append(talk)
                return None
            case "status":
                return self._status()
            case unknown:
                raise ValueError(f"cannot {unknown}")

    def _status(self) -> Mapping[str, object]:
        spaces = self._namespaces.values()
        jobs = {
            name: {
                "pid": job.pid,
                "running": job.pid in self._running,
                "exit": self._ended.get(job.pid),
                "log": str(job.log),
            }
            for name, job in self._jobs.items()
        }
        return {
            "jobs": jobs,
            "namespaces": {one.name: [one.net, one.mnt, one.uts] for one in spaces},
        }

    def _start(self, job: Job) -> int:
        """Start a job unless it runs; its words go to the end of its log."""
        if job.pid not in self._running:
            null = os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)
            append = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
            log = os.open(job.log, append, 0o600)
            try:
                stdio = (null, log, log)
                job.pid = self._spawn(job.namespace, job.argv, job.env, job.cwd, stdio=stdio)
            finally:
                os.close(null)
                os.close(log)
        return job.pid

    def _spawn(
        self,
        namespace: str,
        argv: Sequence[str],
        env: Mapping[str, str],
        cwd: str,
        *,
        stdio: Sequence[int],
    ) -> int:
        """Start a program inside `namespace`, in a session of its own. Raises `OSError`."""
        if len(stdio) != len(STDIO):
            raise ValueError("a program needs three descriptors")
        space = self._namespaces[namespace]
        said, failure = os.pipe()
        pid = os.fork()
        if pid == 0:
            _become(space, argv, env, cwd, stdio, failure)
        os.close(failure)
        with os.fdopen(said, "rb") as pipe:
            refused = pipe.read()
        if refused:
            os.waitpid(pid, 0)
            raise OSError(int(refused), f"{os.strerror(int(refused))}: {argv[0]}")
        self._ended.pop(pid, None)
        self._running.add(pid)
        return pid


def _become(
    space: kernel.Namespace,
    argv: Sequence[str],
    env: Mapping[str, str],
    cwd: str,
    stdio: Sequence[int],
    failure: int,
) -> None:
    """In the new process: turn into the program, or tell the error number and end."""
    try:
        os.setsid()
        space.enter()
        os.chdir(cwd)
        # copied away first, lest one of the three is overwritten before it is used
        away = [os.dup(descriptor) for descriptor in stdio]
        for number, descriptor in zip(STDIO, away, strict=True):
            os.dup2(descriptor, number)
        # Python ignores these; a program started from a shell would not
        for number in (signal.SIGPIPE, signal.SIGXFSZ):
            signal.signal(number, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_SETMASK, ())
        os.execvpe(argv[0], list(argv), dict(env))
    except OSError as error:
        os.write(failure, str(error.errno or 1).encode())
    finally:
        os._exit(127)


def end_everything(folder: Path) -> None:
    """Kill whatever runs inside, wait until it is gone, and take the folder away."""
    with suppress(ProcessLookupError):
        os.kill(-1, signal.SIGKILL)
    with suppress(ChildProcessError):
        while True:
            os.waitpid(-1, 0)
    shutil.rmtree(folder, ignore_errors=True)


async def live(namespaces: Mapping[str, kernel.Namespace], folder: Path, life: int) -> None:
    """Serve until the launcher closes its end of the pipe `life`."""
    loop = asyncio.get_running_loop()
    over = asyncio.Event()
    loop.add_reader(life, over.set)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        loop.add_signal_handler(number, over.set)
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as listener:
        listener.setblocking(False)
        listener.bind(str(folder / "control.sock"))
        (folder / "control.sock").chmod(0o600)
        listener.listen(64)
        Init(namespaces, folder).serve(listener)
        _tell({})
        await over.wait()


def _tell(answer: Mapping[str, str]) -> None:
    """Say to the launcher, in one line, how the start went."""
    sys.stdout.write(json.dumps(answer) + "\n")
    sys.stdout.flush()


def main(argv: Sequence[str] | None = None) -> int:
    """Command line of the first process; `tests.lab.launch` starts it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--life", type=int, required=True)
    parser.add_argument("--lock", type=int, required=True)
    parser.add_argument("--servers", type=int, required=True)
    parser.add_argument("--spares", type=int, required=True)
    given = parser.parse_args(argv)
    for descriptor in (given.life, given.lock):
        os.set_inheritable(descriptor, False)
    layout = Layout(given.servers, given.spares)
    try:
        socket.sethostname("lab")
        namespaces = {node.name: kernel.new_namespace(node.name) for node in layout.nodes}
        net.build(layout, namespaces)
    except ApplianceError as error:
        _tell({"what": error.what, "do": error.do})
        return 1
    except OSError as error:
        what = f"The lab's namespaces could not be built: {error}."
        _tell({"what": what, "do": "See that this kernel has network namespaces and may use them."})
        return 1
    try:
        asyncio.run(live(namespaces, given.folder, given.life))
    finally:
        end_everything(given.folder)
    return 0


if __name__ == "__main__":
    sys.exit(main())
