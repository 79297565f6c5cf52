# SPDX-License-Identifier: Apache-2.0
"""The one place where programs are started: argv only, clean environment, explicit timeout.

A shell would turn every label into a possible command, an inherited environment would let
whoever starts the agent steer its children, and a missing timeout would let one hanging
program stop the reconcile loop. So all three are decided here, once.
"""

from __future__ import annotations

import asyncio
import io
import logging
import os
import pwd
import shlex
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from services.errors import CommandFailed, Unable

log = logging.getLogger(__name__)

CLEAN_ENV: Mapping[str, str] = {
    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "LC_ALL": "C.UTF-8",
}


@dataclass(frozen=True)
class Output:
    """What a finished program said."""

    status: int
    stdout: str
    stderr: str


async def run(
    argv: Sequence[str],
    *,
    timeout_s: float,
    stdin: str = "",
    env: Mapping[str, str] | None = None,
    accept: Collection[int] = (0,),
    do: str = "Look in the journal for details.",
) -> Output:
    """Run `argv` without a shell and return what it said.

    `timeout_s` has no default on purpose: the caller knows how long is too long. `env` is added
    to the clean environment, for programs that are told things in no other way.
    Raises `CommandFailed`, carrying `do`, for a missing program, a status outside
    `accept`, or a timeout (the child is killed and reaped first).
    """
    log.debug("run: %s", shlex.join(argv))
    try:
        child = await asyncio.create_subprocess_exec(
            *argv,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env={**CLEAN_ENV, **(env or {})},
        )
    except FileNotFoundError as error:
        raise CommandFailed(argv, "is not installed", "", do=do) from error
    except PermissionError as error:
        raise CommandFailed(argv, "may not be started", "", do=do) from error
    except OSError as error:  # no program at all, no memory, no free file
        raise CommandFailed(argv, "cannot be started", error.strerror or "", do=do) from error
    try:
        async with asyncio.timeout(timeout_s):
            out, err = await child.communicate(stdin.encode())
    except TimeoutError as error:
        raise CommandFailed(argv, f"did not finish in {timeout_s:g} s", "", do=do) from error
    finally:
        if child.returncode is None:
            with suppress(ProcessLookupError):
                child.kill()
            await child.wait()
    output = Output(
        child.returncode or 0, out.decode(errors="replace"), err.decode(errors="replace")
    )
    if output.status not in accept:
        raise CommandFailed(
            argv, f"failed with status {output.status}", output.stderr + output.stdout, do=do
        )
    return output


@contextmanager
def output_of(argv: Sequence[str], *, do: str) -> Iterator[io.FileIO]:
    """What `argv` writes, while it writes it: for more than fits into memory.

    For as long as the caller reads, so there is no timeout; leaving ends the program. Leaving
    without an exception after it has failed raises `CommandFailed`, carrying `do`: a program
    that dies in the middle looks like one that was done.
    """
    log.debug("read: %s", shlex.join(argv))
    try:
        child = subprocess.Popen(
            argv,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=CLEAN_ENV,
            bufsize=0,
            pipesize=1 << 20,
        )
    except OSError as error:
        reason = "is not installed" if isinstance(error, FileNotFoundError) else "cannot be started"
        raise CommandFailed(argv, reason, error.strerror or "", do=do) from error
    with child:
        if child.stdout is None or child.stderr is None:
            raise CommandFailed(argv, "has no output", "", do=do)
        try:
            with io.FileIO(child.stdout.fileno(), closefd=False) as output:
                yield output
                at_end = not output.read(1)
            status = child.wait() if at_end else 0
            said = child.stderr.read().decode(errors="replace") if at_end else ""
        finally:
            child.kill()
    if status:
        raise CommandFailed(argv, f"failed with status {status}", said, do=do)


def start_daemon(argv: Sequence[str], *, log_to: Path, do: str) -> int:
    """Start a program that outlives us, and return its process id.

    It gets its own session, so a signal to the agent's group or the agent's death does not
    reach it; its words go to the end of the file `log_to`. It inherits nothing of ours: no
    open file or socket, no blocked or ignored signal. Raises `Unable` if its log cannot be
    opened, `CommandFailed` if it cannot be started.
    """
    log.debug("start: %s", shlex.join(argv))
    program = shutil.which(argv[0], path=CLEAN_ENV["PATH"])
    if program is None:
        raise CommandFailed(argv, "is not installed", "", do=do)
    try:
        output = os.open(log_to, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o640)
    except OSError as error:
        raise Unable(
            f"{argv[0]} has no log: {log_to} cannot be opened: {error.strerror}.",
            do=f"Make {log_to.parent} a folder the agent may write to.",
        ) from error
    try:
        return _spawned(program, argv, output)
    except OSError as error:
        raise CommandFailed(argv, "cannot be started", error.strerror or "", do=do) from error
    finally:
        os.close(output)


def start_watched(argv: Sequence[str]) -> tuple[int, int]:
    """Start a program whose end the caller looks after: its process id, and what it says.

    The second is the reading end of a pipe for standard output and error, which does not block;
    the caller closes it. `argv` begins with a path. Like a daemon it gets a session of its own
    and inherits nothing. Raises `OSError`.
    """
    log.debug("watch: %s", shlex.join(argv))
    reading, writing = os.pipe2(os.O_CLOEXEC)
    os.set_blocking(reading, False)
    try:
        return _spawned(argv[0], argv, writing), reading
    except OSError:
        os.close(reading)
        raise
    finally:
        os.close(writing)


def _spawned(program: str, argv: Sequence[str], output: int) -> int:
    """A process with a session of its own whose words go to `output`."""
    return os.posix_spawn(
        program,
        list(argv),
        dict(CLEAN_ENV),
        file_actions=(
            (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
            (os.POSIX_SPAWN_DUP2, output, 1),
            (os.POSIX_SPAWN_DUP2, output, 2),
            *((os.POSIX_SPAWN_CLOSE, fd) for fd in _inheritable()),
        ),
        setsid=True,
        setsigmask=(),
        # what is ignored stays so in a child: by Python some are, by a shell's `&` others
        setsigdef=signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP},
    )


def _inheritable() -> list[int]:
    """Our open files that a child would get, beyond the first three."""
    found = []
    for entry in Path("/proc/self/fd").iterdir():
        with suppress(OSError):  # the listing's own file is closed by now
            if (fd := int(entry.name)) > 2 and os.get_inheritable(fd):
                found.append(fd)
    return found


def become(argv: Sequence[str], *, env: Mapping[str, str], do: str) -> NoReturn:
    """Replace this process by a program, on the same terminal and in the same session.

    The program finds every signal as a fresh process would: what Python ignores, or we do,
    would stay ignored in it. Raises `CommandFailed` if it cannot be started.
    """
    program = shutil.which(argv[0], path=CLEAN_ENV["PATH"])
    if program is None:
        raise CommandFailed(argv, "is not installed", "", do=do)
    for number in (*_LEFT_ALONE, signal.SIGPIPE, signal.SIGXFSZ, signal.SIGHUP, signal.SIGTERM):
        signal.signal(number, signal.SIG_DFL)
    try:
        os.execve(program, list(argv), dict(env))
    except OSError as error:
        raise CommandFailed(argv, "cannot be started", error.strerror or "", do=do) from error


_LEFT_ALONE = (signal.SIGINT, signal.SIGQUIT, signal.SIGTSTP)
"""Keys of a terminal send these to everybody on it."""


def apart(work: Callable[[], object], *, account: str | None) -> int:
    """Do `work` in a child on the same terminal, as `account` (None: as now); its process id.

    A child of this very interpreter, because a second one would cost a person in front of a
    slow machine another second. It ends with the status that `work` exits with, and with 1
    when it could not be done. Only for a process without threads.
    """
    child = os.fork()
    if child:
        return child
    status = 1
    try:
        if account is not None:
            _turn_into(account)
        work()
        status = 0
    except SystemExit as ended:
        status = ended.code if isinstance(ended.code, int) else int(ended.code is not None)
    except BaseException:
        log.exception("work as %s failed", account)
    finally:
        for stream in (sys.stdout, sys.stderr):
            with suppress(OSError, ValueError):
                stream.flush()
        os._exit(status)


def _turn_into(account: str) -> None:
    """For good: not even the saved ids remain."""
    found = pwd.getpwnam(account)
    os.initgroups(found.pw_name, found.pw_gid)
    os.setresgid(found.pw_gid, found.pw_gid, found.pw_gid)
    os.setresuid(found.pw_uid, found.pw_uid, found.pw_uid)
    os.environ |= {"HOME": found.pw_dir, "USER": found.pw_name, "LOGNAME": found.pw_name}
