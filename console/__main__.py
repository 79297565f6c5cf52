# SPDX-License-Identifier: Apache-2.0
"""`ballast-console`: the full-screen console on this terminal.

The order matters: arguments and terminal are judged before anything slow is imported, and the
environment is scrubbed before Textual reads it. What a start can do without is not imported,
because a person waits for the Overview and not for Python.
"""

from __future__ import annotations

import argparse
import gc
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from console.app import ConsoleApp
    from services.client import Client

EXIT_USAGE = 2


def main(argv: Sequence[str] | None = None) -> None:
    """Run the console and exit with its status: 0 left, 2 wrong usage, 3 a fault."""
    given = _arguments(argv)
    from console import terminal

    if not terminal.is_there():
        sys.stderr.write(
            "ballast-console needs a terminal; for scripts and pipes there is `ballast`.\n"
        )
        sys.exit(EXIT_USAGE)
    terminal.scrub()
    # a console lives long and makes little garbage while it starts
    gc.disable()
    # the person ends it with a key; from anywhere else SIGTERM is the polite way
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGQUIT, signal.SIG_IGN)
    from console import faults

    faults.log_to(given.log or faults.log_file())
    faults.keep_off_the_screen()
    try:
        status = _run(given)
    except Exception as error:  # noqa: BLE001 - the last door before the screen
        faults.record(error, "starting")
        terminal.clear_after()
        sys.stderr.write(faults.last_words(error) + "\n")
        status = faults.EXIT_FAULT
    else:
        terminal.clear_after()
    sys.stdout.flush()
    sys.exit(status)


def _run(given: argparse.Namespace) -> int:
    from console import faults, terminal
    from services.client import Client
    from services.looking import socket_path

    socket = given.socket or socket_path()
    client = Client(socket, terminal=terminal.draft_name(terminal.name()))
    app = _made(given, client, plain_frames=not terminal.speaks_utf8())
    gc.freeze()
    gc.enable()
    app.run(mouse=False)
    if app.fault is not None:
        sys.stderr.write(faults.last_words(app.fault) + "\n")
        return faults.EXIT_FAULT
    return app.return_value if app.return_value is not None else app.return_code or 0


def _made(given: argparse.Namespace, client: Client, *, plain_frames: bool) -> ConsoleApp:
    from console.app import ConsoleApp, Session, StatusFirst

    kind = Session if given.session else StatusFirst if given.status_screen else ConsoleApp
    return kind(client, plain_frames=plain_frames)


def _arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="ballast-console", description="The full-screen console of a Ballast appliance."
    )
    parser.add_argument(
        "--socket",
        type=Path,
        default=None,
        help="the agent's socket (default: $BALLAST_SOCKET, else /run/ballast/agent.sock)",
    )
    parser.add_argument(
        "--status-screen",
        action="store_true",
        help="begin with the status screen",
    )
    parser.add_argument(
        "--session", action="store_true", help="logging out ends it, as in a login shell"
    )
    parser.add_argument(
        "--log", type=Path, default=None, help="write faults there (default: the system's log)"
    )
    return parser.parse_args(argv)


if __name__ == "__main__":
    os.environ.setdefault("TERM", "linux")
    main()
