# SPDX-License-Identifier: Apache-2.0
"""The transaction on a whole document: look at the plan, apply, keep or go back."""

from __future__ import annotations

from typing import Annotated

import typer

from services.cli.common import Confirm, Document, Json, Why, tell
from services.cli.door import door
from services.cli.offline import read
from services.cli.output import as_json, data, paragraphs, say, table

Base = Annotated[
    int | None,
    typer.Option(
        "--base",
        help="Refuse if another revision runs than the one the document was made from.",
        metavar="REV",
        min=0,
    ),
]


def plan(
    context: typer.Context,
    file: Document,
    *,
    files: Annotated[
        bool, typer.Option("--files", help="Also show how the generated files change.")
    ] = False,
    json: Json = False,
) -> None:
    """Show what applying a document would do; nothing is changed."""
    from services.api import ApplyRequest

    request = ApplyRequest(document=read(file))
    view = door(context).ask(lambda client: client.plan(request))
    if json:
        data(as_json(view))
        return
    parts = []
    if view.changes:
        rows = [(step.what, step.effect.value, step.connections or "") for step in view.changes]
        parts.append(table(("CHANGE", "EFFECT ON TRAFFIC", "CONNECTIONS DROPPED"), rows))
    parts += [paragraphs(text.rstrip("\n")) for text in (view.diff, files and view.files) if text]
    if parts:
        data("\n\n".join(parts))
    else:
        say("The document runs already; there is nothing to do.")
    if view.confirm_advised:
        say(
            "It changes an address or a route you may be connected through: "
            "apply it with --confirm 60, so that it comes back by itself if it cuts you off."
        )
    for problem in view.lacking:
        say(f"It would be refused: {problem.what} {problem.do}")
    for hint in view.hints:
        say(f"Worth a second look: {hint.what} {hint.do}")


def apply(
    context: typer.Context,
    file: Document,
    *,
    confirm: Confirm = None,
    why: Why = "",
    base: Base = None,
    json: Json = False,
) -> None:
    """Make a document the running one, or change nothing."""
    from services.api import ApplyRequest

    request = ApplyRequest(document=read(file), base=base, why=why, confirm_s=confirm)
    tell(door(context).ask(lambda client: client.apply(request)), json=json)


def confirm(context: typer.Context, *, json: Json = False) -> None:
    """Keep the change that waits for it."""
    applied = door(context).ask(lambda client: client.confirm())
    say(f"Kept; revision {applied.revision} runs.")
    if json:
        data(as_json(applied))


def rollback(
    context: typer.Context,
    revision: Annotated[
        int | None, typer.Argument(help="A revision; the one before.", metavar="REV", min=0)
    ] = None,
    *,
    why: Why = "",
    json: Json = False,
) -> None:
    """Apply an earlier revision again.

    While a change waits to be confirmed, end it and go back at once.
    """
    tell(door(context).ask(lambda client: client.rollback(revision, why=why)), json=json)
