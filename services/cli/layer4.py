# SPDX-License-Identifier: Apache-2.0
"""The settings that all layer 4 services share: the console's Layer 4 - advanced."""

from __future__ import annotations

import typer

from services.cli.common import Json, listing
from services.cli.door import door
from services.cli.edits import Edited, Wish, editing
from services.cli.layers import Kinds, Layer
from services.cli.settings import settings, written
from services.model import Document, Layer4Advanced

layer4 = typer.Typer(
    name="layer4",
    help="Settings of all layer 4 services.",
    no_args_is_help=True,
    rich_markup_mode=None,
)

ADVANCED: Kinds = {Layer.FOUR: Layer4Advanced}


@layer4.command("show")
def layer4_show(context: typer.Context, *, json: Json = False) -> None:
    """Show the settings that all layer 4 services share."""
    document = door(context).ask(lambda client: client.document()).document
    found = document.cluster.layer4_advanced
    rows = [
        (setting.flag.removeprefix("--"), written(getattr(found, setting.name)), setting.words)
        for setting in settings(Layer4Advanced)
    ]
    listing(
        rows,
        ("SETTING", "VALUE", "MEANING"),
        empty="",
        json=found.model_dump(mode="json") if json else None,
    )


@editing(layer4, "edit", ADVANCED)
def layer4_edit(document: Document, *, wish: Wish) -> Edited:
    """Change what is named of the settings that all layer 4 services share."""
    cluster = document.cluster
    new = wish.made(Layer4Advanced, cluster.layer4_advanced.model_dump(mode="json"))
    changed = cluster.model_copy(update={"layer4_advanced": new})
    return Edited(document.model_copy(update={"cluster": changed}), "")
