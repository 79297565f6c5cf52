# SPDX-License-Identifier: Apache-2.0
"""`/usr/libexec/ballast/shell`: the login shell of the appliance's accounts, which is none.

On a terminal it is the console. With a command (`ssh admin@unit ballast status --json`, or
sshd's ForceCommand) it is the command line, in this very process: the words are split as a
shell would split them and go to `ballast` and nowhere else, so there is nothing to expand,
to pipe into or to escape from. Started by `python -I -X utf8` (see the script of that name
below `overlays/console`), because an account may bring variables that load code.
"""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Mapping, MutableMapping, Sequence

PATH = "/usr/local/bin:/usr/bin:/bin"
KEPT = frozenset(
    {"TERM", "LANG", "COLORTERM", "NO_COLOR", "TZ", "ESCDELAY", "HOME", "USER", "LOGNAME"}
    | {"SSH_CONNECTION", "SSH_CLIENT", "SSH_TTY"}
)
KEPT_PREFIXES = ("LC_",)
COMMAND = "SSH_ORIGINAL_COMMAND"

EXIT_USAGE = 2
LONGEST = 65_536
"""Signs of a command: more than anybody types, less than what is worth parsing."""

ONLY = "This account has no shell: write `ballast ...`, e.g. `ballast status --json`.\n"
NO_TERMINAL = (
    "There is no terminal for the console. With ssh give -t for one, or a command like "
    "`ballast status --json`.\n"
)
RESCUE = (
    "The console does not run; its words are above, the log has more. `ballast` commands work "
    "here, e.g.\n`ballast status`, `ballast rollback`. An empty line logs out.\n"
)


def main(
    argv: Sequence[str] | None = None, environment: MutableMapping[str, str] = os.environ
) -> int:
    """Be what was asked for; the exit status is the console's, or the command line's."""
    command = asked(sys.argv[1:] if argv is None else argv, environment)
    clean(environment)
    if command is not None:
        return run(command)
    from console import terminal

    if not terminal.is_there():
        sys.stderr.write(NO_TERMINAL)
        return EXIT_USAGE
    status = _console()
    return _rescue() if status not in (0, *_SIGNALS) else status


_SIGNALS = (129, 143)
"""The line was hung up, or the machine goes down: nobody is there to be rescued."""


def asked(argv: Sequence[str], environment: Mapping[str, str]) -> str | None:
    """The command somebody wants to run; None: they want the console.

    Options that a login passes to any shell (`-l`, `--login`) are taken and mean nothing.
    """
    words = [word for word in argv if word not in ("-l", "--login", "-i")]
    if words[:1] == ["-c"]:
        given = words[1] if len(words) > 1 else ""
        # with ForceCommand sshd runs this very program, and says what was asked for here
        return environment.get(COMMAND) if _is_ourselves(given) else given
    return environment.get(COMMAND) if not words else shlex.join(words)


def _is_ourselves(command: str) -> bool:
    return command.strip().rpartition("/")[2] in ("shell", "ballast-shell")


def clean(environment: MutableMapping[str, str]) -> None:
    """Leave only what says how to speak to a terminal, and who is there."""
    for name in list(environment):
        if name not in KEPT and not name.startswith(KEPT_PREFIXES):
            del environment[name]
    environment["PATH"] = PATH


def run(command: str) -> int:
    """One verb of the command line; anything else is refused with a sentence."""
    try:
        words = shlex.split(command) if len(command) <= LONGEST else []
    except ValueError as error:
        sys.stderr.write(f"The command cannot be read ({error}): close its quotes.\n")
        return EXIT_USAGE
    if words[:1] not in (["ballast"], ["/usr/bin/ballast"]):
        sys.stderr.write(ONLY)
        return EXIT_USAGE
    from services.cli import main as ballast

    return ballast(words[1:])


def _console() -> int:
    from console.__main__ import main as console

    try:
        console(["--session"])
    except SystemExit as ended:
        return ended.code if isinstance(ended.code, int) else int(ended.code is not None)
    return 0


def _rescue() -> int:
    """Verbs without the console: whoever administers the unit must not lose their only way in."""
    sys.stdout.write(RESCUE)
    status = 0
    while True:
        sys.stdout.write("> ")
        sys.stdout.flush()
        line = sys.stdin.readline(LONGEST + 1)
        if not line.strip():
            return status
        status = run(line)


if __name__ == "__main__":
    sys.exit(main())
