# SPDX-License-Identifier: Apache-2.0
"""The one place where programs are started: argv only, clean environment, explicit timeout.

A shell would turn every label into a possible command, an inherited environment would let
whoever starts the agent steer its children, and a missing timeout would let one hanging
program stop the reconcile loop. So all three are decided here, once.
"""

from __future__ import annotations

import asyncio
import logging
import os
import shlex
import shutil
import signal
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

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
            # Python ignores these, and what is ignored stays so in a child
            setsigdef=(signal.SIGPIPE, signal.SIGXFSZ),
        )
    except OSError as error:
        raise CommandFailed(argv, "cannot be started", error.strerror or "", do=do) from error
    finally:
        os.close(output)


def _inheritable() -> list[int]:
    """Our open files that a child would get, beyond the first three."""
    found = []
    for entry in Path("/proc/self/fd").iterdir():
        with suppress(OSError):  # the listing's own file is closed by now
            if (fd := int(entry.name)) > 2 and os.get_inheritable(fd):
                found.append(fd)
    return found
