# SPDX-License-Identifier: Apache-2.0
"""Options that many verbs share, declared once so that they read the same everywhere."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Annotated

import typer
from typer.core import TyperCommand

from services.cli.names import complete_rip, complete_vip
from services.cli.output import as_json, data, say

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from services.api import Applied

Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Why = Annotated[str, typer.Option("--why", help="Reason, kept with the revision.", metavar="TEXT")]
Confirm = Annotated[
    int | None,
    typer.Option(
        "--confirm",
        help="Roll back by itself after so many seconds unless `ballast confirm` is given.",
        metavar="SECONDS",
        min=1,
    ),
]
Document = Annotated[
    str, typer.Argument(help="A document in JSON or YAML; - reads standard input.", metavar="FILE")
]
Vip = Annotated[
    str,
    typer.Argument(help="Label of a virtual service.", metavar="VIP", autocompletion=complete_vip),
]
Rip = Annotated[
    str,
    typer.Argument(
        help="Label of one of its real servers.", metavar="RIP", autocompletion=complete_rip
    ),
]


class Verb(TyperCommand):
    """A verb that takes `-1` for the number it is, and then says what is wrong with it.

    Of a short option nobody knows, the parser would say that and nothing of the number.
    """

    def parse_args(  # type: ignore[override]  # it is never given another context
        self, ctx: typer.Context, args: list[str]
    ) -> list[str]:
        """Read the arguments; other options nobody knows are refused as ever."""
        ctx.ignore_unknown_options = any(re.fullmatch(r"-[0-9.]+", each) for each in args)
        return super().parse_args(ctx, args)


def tell(applied: Applied, *, json: bool) -> None:
    """Say what an apply did and print it as JSON if asked to."""
    say(told(applied))
    if json:
        data(as_json(applied))


def told(applied: Applied) -> str:
    """What an apply did, in words."""
    lines = [f"  {change.what}: {change.effect.value}" for change in applied.changes]
    if applied.confirm is not None:
        waits = applied.confirm
        lines.append(
            f"Revision {waits.revision} comes back in {waits.seconds_left} s "
            "unless `ballast confirm` is given."
        )
    elif not applied.changes:
        lines.append(f"There was nothing to do; revision {applied.revision} runs.")
    else:
        lines.append(f"Done; revision {applied.revision} runs.")
    return "\n".join(lines)


def listing(
    rows: Iterable[Sequence[object]],
    heads: Sequence[str],
    *,
    empty: str,
    json: object = None,
) -> None:
    """Print a table, or say that there is nothing to show; or what `json` is, as JSON."""
    from services.cli.output import table

    if json is not None:
        data(as_json(json))
    elif listed := list(rows):
        data(table(heads, listed))
    else:
        say(empty)
