# SPDX-License-Identifier: Apache-2.0
"""Secrets and scripts of health checks.

A secret is never an argument: those stand in the process list and in the shell's history.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from services.cli.common import Json, listing
from services.cli.door import door
from services.cli.output import as_json, data, paragraphs, say
from services.errors import Refused

if TYPE_CHECKING:
    from collections.abc import Callable

    from services.api import StoredFile, StoredKind
    from services.client import Client
    from services.model import Document

secret = typer.Typer(
    name="secret",
    help="Passwords that health checks log in with.",
    no_args_is_help=True,
    rich_markup_mode=None,
)
script = typer.Typer(
    name="script", help="External health checks.", no_args_is_help=True, rich_markup_mode=None
)

LARGEST = 64 << 10
"""Bytes read of a file; the agent takes no more."""

SecretName = Annotated[
    str, typer.Argument(help="A name of yours, as in a check's password.", metavar="NAME")
]
ScriptName = Annotated[
    str, typer.Argument(help="A name of yours, as in a check's script.", metavar="NAME")
]
ScriptFile = Annotated[
    str, typer.Argument(help="The script; - reads standard input.", metavar="FILE")
]


@secret.command("set")
def secret_set(context: typer.Context, name: SecretName) -> None:
    """Store a password, from standard input or asked for; it is never shown again.

    For RADIUS two lines: the password, then the shared secret.
    """
    from services.api import StoredKind

    text = _asked(name) if sys.stdin.isatty() else _read(sys.stdin.buffer.read(LARGEST + 1), name)
    _store(context, StoredKind.SECRET, name, text)


@secret.command("list")
def secret_list(context: typer.Context, *, json: Json = False) -> None:
    """List the names of the stored secrets."""
    from services.api import StoredKind

    found, users = _stored(context, StoredKind.SECRET)
    if json:
        data(as_json([each.name for each in found]))
        return
    rows = [(each.name, users(each)) for each in found]
    listing(rows, ("SECRET", "NEEDED BY"), empty="There is no secret yet.")


@secret.command("delete")
def secret_delete(context: typer.Context, name: SecretName) -> None:
    """Delete a secret that no check needs any more."""
    from services.api import StoredKind

    _forget(context, StoredKind.SECRET, name)


@script.command("add")
def script_add(context: typer.Context, name: ScriptName, file: ScriptFile) -> None:
    """Store a script; it gets VIP, port, RIP, port, and 0 means healthy."""
    from services.api import StoredKind

    try:
        with sys.stdin.buffer if file == "-" else Path(file).open("rb") as source:
            content = source.read(LARGEST + 1)
    except OSError as error:
        raise Refused(f"{file} cannot be read: {error.strerror}.", do="Name another.") from error
    _store(context, StoredKind.SCRIPT, name, _read(content, name))


@script.command("list")
def script_list(context: typer.Context, *, json: Json = False) -> None:
    """List the stored scripts."""
    from services.api import StoredKind

    found, users = _stored(context, StoredKind.SCRIPT)
    if json:
        data(as_json(found))
        return
    rows = [(each.name, each.size, users(each)) for each in found]
    listing(rows, ("SCRIPT", "BYTES", "NEEDED BY"), empty="There is no script yet.")


@script.command("show")
def script_show(context: typer.Context, name: ScriptName, *, json: Json = False) -> None:
    """Print a stored script; into a file or a pipe goes what was stored, byte for byte."""
    found = door(context).ask(lambda client: client.script(name))
    if json:
        data(as_json(found))
    elif sys.stdout.isatty():
        data(paragraphs(found.text.removesuffix("\n").expandtabs()))
    else:
        data(found.text, as_it_is=True)


@script.command("delete")
def script_delete(context: typer.Context, name: ScriptName) -> None:
    """Delete a script that no check needs any more."""
    from services.api import StoredKind

    _forget(context, StoredKind.SCRIPT, name)


def _asked(name: str) -> str:
    from getpass import getpass

    first = getpass(f"Text of {name}: ")
    if getpass("Once more: ") != first:
        raise Refused("The two are not the same.", do="Type it again.")
    return first


def _read(content: bytes, name: str) -> str:
    if len(content) > LARGEST:
        raise Refused(f"The text for {name} is larger than {LARGEST >> 10} kB.", do="Shorten it.")
    try:
        return content.decode()
    except UnicodeDecodeError as error:
        raise Refused(f"The text for {name} is not in UTF-8.", do="Store a text.") from error


def _store(context: typer.Context, kind: StoredKind, name: str, text: str) -> None:
    door(context).ask(lambda client: client.store(kind, name, text))
    say(f"The {kind.value} {name} is stored.")


def _stored(
    context: typer.Context, kind: StoredKind
) -> tuple[tuple[StoredFile, ...], Callable[[StoredFile], str]]:
    """What is stored, and who needs each of it as it runs."""
    from services.model.layer4 import naming

    async def asked(client: Client) -> tuple[tuple[StoredFile, ...], Document]:
        return await client.stored(kind), (await client.document()).document

    found, document = door(context).ask(asked)
    named = list(naming(document.cluster.layer4, kind.field))

    def users(file: StoredFile) -> str:
        return ", ".join(label for _, label, name in named if name == file.name)

    return found, users


def _forget(context: typer.Context, kind: StoredKind, name: str) -> None:
    door(context).ask(lambda client: client.forget(kind, name))
    say(f"The {kind.value} {name} is deleted.")
