# SPDX-License-Identifier: Apache-2.0
"""What nobody foresaw goes into the log, never onto the screen.

Textual would print a traceback with every local variable, and on an appliance those hold
passwords and keys. The log gets the kind of error and the lines of code it passed through;
the words of an error are kept only where they are ours, since a library's quote the value
that it choked on.
"""

from __future__ import annotations

import logging
import logging.handlers
import os
import sys
import threading
import traceback
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType

from services.errors import ApplianceError

SYSLOG = Path("/dev/log")
EXIT_FAULT = 3
"""As the command line: the appliance's side could not."""

log = logging.getLogger("ballast.console")


class _Discreet(logging.Formatter):
    """Formats an exception without its values."""

    def formatException(  # noqa: N802 - the name is logging's
        self,
        ei: tuple[type[BaseException], BaseException, TracebackType | None]
        | tuple[None, None, None],
    ) -> str:
        return described(ei[1]) if ei[1] is not None else ""


def described(error: BaseException) -> str:
    """Kind of error and where it happened, without any value of the program."""
    words = f": {error}" if isinstance(error, ApplianceError) else ""
    frames = traceback.extract_tb(error.__traceback__)
    path = "".join(f"\n  {frame.filename}:{frame.lineno} in {frame.name}" for frame in frames)
    text = f"{type(error).__name__}{words}{path}"
    if error.__cause__ is not None:
        text += f"\ncaused by {described(error.__cause__)}"
    return text


def log_to(target: Path | None) -> None:
    """Send every log line there; None: to the system's log where there is one, else nowhere."""
    handler: logging.Handler
    try:
        if target is not None:
            target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            handler = logging.FileHandler(target, encoding="utf-8", delay=False)
        else:
            handler = logging.handlers.SysLogHandler(str(SYSLOG))
    except OSError:
        # the console is for when things are broken: a full disk must not keep it from starting
        handler = logging.NullHandler()
    handler.setFormatter(_Discreet("ballast-console[%(process)d]: %(message)s"))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
    # a failing log must not write onto the screen either
    logging.raiseExceptions = False


def log_file(environment: Mapping[str, str] = os.environ) -> Path | None:
    """Where the log goes without a system log; None: there is one, or no place at all."""
    if SYSLOG.exists():
        return None
    if state := environment.get("XDG_STATE_HOME"):
        return Path(state, "ballast", "console.log")
    home = environment.get("HOME")
    return Path(home, ".local", "state", "ballast", "console.log") if home else None


def record(error: BaseException, doing: str) -> None:
    """Log a fault."""
    log.error("fault while %s: %s", doing, described(error))


def keep_off_the_screen() -> None:
    """Every way in which Python itself would print a traceback ends in the log."""

    def uncaught(
        kind: type[BaseException], error: BaseException, _trace: TracebackType | None
    ) -> None:
        if not issubclass(kind, SystemExit):
            record(error, "running")

    sys.excepthook = uncaught
    sys.unraisablehook = lambda unraisable: (
        record(unraisable.exc_value, "clearing up") if unraisable.exc_value else None
    )
    threading.excepthook = lambda failed: (
        record(failed.exc_value, "running a thread") if failed.exc_value else None
    )


def last_words(error: BaseException) -> str:
    """The one line a person sees."""
    return (
        f"ballast-console met a fault ({type(error).__name__}) and closed; "
        "the log tells where. Nothing of the appliance was changed by that. Start it again."
    )
