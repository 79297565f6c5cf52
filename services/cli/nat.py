# SPDX-License-Identifier: Apache-2.0
"""1:1 NAT entries one at a time, as `ballast vip` does services."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated

import typer

from services.cli.common import Json, listing
from services.cli.door import door
from services.cli.edits import Edited, Wish, editing, put_object, refuse_taken, start
from services.cli.layers import Kinds, Layer
from services.cli.names import complete_nat, labelled, missing
from services.model import Document, NatEntry
from services.model.base import shown

nat = typer.Typer(
    name="nat",
    help="1:1 NAT: outside addresses of single real servers.",
    no_args_is_help=True,
    rich_markup_mode=None,
)

ENTRIES: Kinds = {Layer.FOUR: NatEntry}

Entry = Annotated[
    str,
    typer.Argument(help="Label of a 1:1 NAT entry.", metavar="ENTRY", autocompletion=complete_nat),
]


@nat.command("list")
def nat_list(context: typer.Context, *, json: Json = False) -> None:
    """List the 1:1 NAT entries."""
    entries = door(context).ask(lambda client: client.document()).document.cluster.nat
    heads = ("ENTRY", "OUTSIDE ADDRESS", "REAL SERVER", "PROTOCOL", "PORTS", "COMMENT")
    listing(
        map(_row, entries),
        heads,
        empty="There is no 1:1 NAT entry yet.",
        json=[entry.model_dump(mode="json") for entry in entries] if json else None,
    )


def _row(entry: NatEntry) -> tuple[object, ...]:
    head = (entry.label, entry.address, entry.server, entry.protocol.value)
    return (*head, entry.ports or "all", entry.comment)


@editing(nat, "add", ENTRIES, without=("label",), defaults=True)
def nat_add(document: Document, entry: Entry, *, wish: Wish) -> Edited:
    """Add a 1:1 NAT entry; if it exists, change what is named and leave the rest."""
    return _put(document, labelled(document.cluster.nat, entry), entry, wish)


@editing(nat, "edit", ENTRIES)
def nat_edit(document: Document, entry: Entry, *, wish: Wish) -> Edited:
    """Change what is named of a 1:1 NAT entry; --label renames it."""
    return _put(document, _named(document, entry), entry, wish)


@editing(nat, "delete")
def nat_delete(document: Document, entry: Entry) -> Edited:
    """Delete a 1:1 NAT entry: its outside address leads nowhere any more."""
    gone = _named(document, entry)
    left = (each for each in document.cluster.nat if each is not gone)
    return Edited(_with_entries(document, left), entry, nat=True)


def _put(document: Document, found: NatEntry | None, label: str, wish: Wish) -> Edited:
    new = wish.made(NatEntry, start(label, found))
    if new.label != label:
        taken = (each.label for each in document.cluster.nat)
        refuse_taken(new.label, taken, kind="1:1 NAT entry")
    entries = put_object(document.cluster.nat, new, at=label)
    return Edited(_with_entries(document, entries), new.label, nat=True)


def _named(document: Document, label: str) -> NatEntry:
    entries = document.cluster.nat
    if (found := labelled(entries, label)) is not None:
        return found
    labels = (each.label for each in entries)
    raise missing(f"1:1 NAT entry {shown(label, 63)}", label, labels, see="ballast nat list")


def _with_entries(document: Document, entries: Iterable[NatEntry]) -> Document:
    cluster = document.cluster.model_copy(update={"nat": tuple(entries)})
    return document.model_copy(update={"cluster": cluster})
