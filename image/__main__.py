# SPDX-License-Identifier: Apache-2.0
"""`python -m image`: build the appliance, look at what was built, start it."""

from __future__ import annotations

import asyncio
import logging
import sys
from pathlib import Path
from typing import Annotated

import typer

from image import recipe
from services.errors import ApplianceError

app = typer.Typer(
    name="image",
    help="Build the appliance, look at what was built, start it.",
    epilog="Exit status: 0 done, 1 refused, 2 wrong usage, 3 it could not be done.",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)

Products = Annotated[Path, typer.Option("--products", help="Where the products lie.")]


@app.callback()
def _image() -> None:
    """Build the appliance, look at what was built, start it."""


@app.command()
def build(*, products: Products = recipe.PRODUCTS) -> None:
    """Build the appliance: every product, from today's packages."""
    from image.root import build as build_root

    typer.echo(asyncio.run(build_root(products)).archive)


@app.command()
def root(
    *,
    products: Products = recipe.PRODUCTS,
    manifest: Annotated[
        Path | None,
        typer.Option("--manifest", help="Repeat the build that wrote this manifest.json."),
    ] = None,
    fresh: Annotated[
        bool, typer.Option("--fresh", help="Build although the result of these inputs is kept.")
    ] = False,
) -> None:
    """Build the root file system: root.tar, its manifest, its bill of materials."""
    from image.root import build

    built = asyncio.run(build(products, repeat=manifest, fresh=fresh))
    typer.echo(built.archive)


@app.command()
def verify(*, products: Products = recipe.PRODUCTS) -> None:
    """Judge root.tar by the recipe; every problem is named."""
    from image import manifest, root
    from image.verify import demand, problems

    listed = products / root.MANIFEST
    text = listed.read_text(encoding="utf-8")
    demand(problems(products / root.ARCHIVE, manifest.read(text, where=str(listed))))


def main() -> int:
    """Run one verb; an error is a sentence with its remedy, never a traceback."""
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    try:
        app(standalone_mode=True)
    except SystemExit as ended:
        return ended.code if isinstance(ended.code, int) else 0
    except ApplianceError as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_status
    return 0


if __name__ == "__main__":
    sys.exit(main())
