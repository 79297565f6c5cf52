# SPDX-License-Identifier: Apache-2.0
"""`ballast-probe`: look at servers and tell the agent."""

from __future__ import annotations

import argparse
import asyncio
import ctypes
import logging
import os
import resource
import signal
import sys
from pathlib import Path

from services.drivers import notify
from services.probe.looker import Looker
from services.probe.ping import Pinger
from services.probe.server import ProbeServer

log = logging.getLogger("ballast.probe")

MOST_LOOKS = 10_000
SPARE_FILES = 200
"""Open files that are no looks: sockets of our own, scripts."""

_SUBREAPER, _AMBIENT, _CLEAR = 36, 47, 4
"""prctl(2): PR_SET_CHILD_SUBREAPER; PR_CAP_AMBIENT with PR_CAP_AMBIENT_CLEAR_ALL."""


async def serve(socket: Path, scripts: Path) -> None:
    """Look until told to end; raises `OSError` if the socket cannot be had."""
    pinger = Pinger()
    _settle()
    looker = Looker(pinger, scripts, most=min(MOST_LOOKS, _files() - SPARE_FILES))
    server = ProbeServer(looker.look)
    ended = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, ended.set)
    pinger.listen()
    listening = await server.serve(socket)
    notify.ready("Waits for jobs")
    try:
        await ended.wait()
    finally:
        notify.stopping()
        listening.close()
        await server.close()
        # connections end by themselves once they are hung up
        if others := asyncio.all_tasks() - {asyncio.current_task()}:
            await asyncio.wait(others, timeout=1)
        pinger.close()
        socket.unlink(missing_ok=True)


def _files() -> int:
    """Open files we may have; the most that we may ask for."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = 1 << 20 if hard == resource.RLIM_INFINITY else hard
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
    return max(most, 2 * SPARE_FILES)


def _settle() -> None:
    """Take in the children that scripts leave behind, and leave scripts no right of ours."""
    libc = ctypes.CDLL(None, use_errno=True)
    for words in ((_SUBREAPER, 1, 0, 0, 0), (_AMBIENT, _CLEAR, 0, 0, 0)):
        if libc.prctl(*map(ctypes.c_ulong, words)):
            log.warning("prctl %d: %s", words[0], os.strerror(ctypes.get_errno()))


def main() -> None:
    """Entry point; exits 0 when told to end, 3 when it cannot begin."""
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s: %(message)s")
    parser = argparse.ArgumentParser(prog="ballast-probe", description=__doc__)
    parser.add_argument("--socket", type=Path, required=True)
    parser.add_argument("--scripts", type=Path, required=True)
    found = parser.parse_args()
    try:
        asyncio.run(serve(found.socket, found.scripts))
    except OSError as error:
        sys.stderr.write(f"The probe cannot listen on {found.socket}: {error.strerror}.\n")
        sys.exit(3)


if __name__ == "__main__":
    main()
