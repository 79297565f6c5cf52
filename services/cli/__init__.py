# SPDX-License-Identifier: Apache-2.0
"""`ballast`: the appliance's API as a command line, for scripts and for rescue.

The table of verbs stands here, once. Data goes to standard output, words for people to
standard error; the exit status is 0 done, 1 refused, 2 wrong usage, 3 the appliance could
not. A traceback is never an answer: an error nobody foresaw is one sentence and status 3.
"""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from services.cli import change, offline, reports, show, switches
from services.cli.common import Verb
from services.cli.doctor import doctor
from services.cli.door import Connect, Door
from services.cli.exchange import exporting, import_document
from services.cli.layer4 import layer4
from services.cli.nat import nat
from services.cli.output import complain, data, say
from services.cli.rip import rip
from services.cli.setup import rip_setup
from services.cli.stored import script, secret
from services.cli.vip import vip
from services.errors import ApplianceError

UNABLE = 3
"""Exit status for what nobody foresaw; that of `services.errors.Unable`."""

app = typer.Typer(
    name="ballast",
    help="Operate a Ballast load balancer.",
    epilog="Exit status: 0 done, 1 refused, 2 wrong usage, 3 the appliance could not.",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(value: object) -> None:
    if value:
        from importlib.metadata import version

        data(f"ballast {version('ballast')}")
        raise typer.Exit


@app.callback()
def _root(
    *,
    socket: Annotated[
        Path | None,
        typer.Option(
            "--socket", help="Where the agent listens.", envvar="BALLAST_SOCKET", metavar="PATH"
        ),
    ] = None,
    version: Annotated[
        bool,
        typer.Option("--version", help="Print the version.", callback=_version, is_eager=True),
    ] = False,
) -> None:
    """Operate a Ballast load balancer."""


for _verb in (
    show.status,
    reports.connections,
    reports.checks,
    show.show,
    offline.check,
    change.plan,
    change.apply,
    change.confirm,
    change.rollback,
    show.revisions,
    show.diff,
    show.journal,
    doctor,
    switches.drain,
    switches.halt,
    switches.online,
    switches.weight,
    offline.render,
    offline.schema,
):
    app.command(_verb.__name__, cls=Verb)(_verb)
app.command("import", cls=Verb)(import_document)
rip.command("setup", cls=Verb)(rip_setup)
for _group in (vip, rip, nat, layer4, secret, script, exporting):
    app.add_typer(_group)


def main(argv: Sequence[str] | None = None, *, connect: Connect | None = None) -> int:
    """Run one verb and return the exit status; tests pass `connect` to meet a fake agent."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # a terminal that cannot show a letter gets its escape, not a traceback
            stream.reconfigure(errors="backslashreplace")
    try:
        command = typer.main.get_command(app)
        command(args=argv, prog_name="ballast", obj=Door(connect))
    except SystemExit as ended:
        return ended.code if isinstance(ended.code, int) else 0
    except ApplianceError as error:
        complain(error)
        return error.exit_status
    except Exception as error:
        if os.environ.get("BALLAST_DEBUG"):
            raise
        say(
            f"ballast: {type(error).__name__}: {error} This is a fault of the program itself. "
            "Run it again with BALLAST_DEBUG=1 and report what it says."
        )
        return UNABLE
    return 0
