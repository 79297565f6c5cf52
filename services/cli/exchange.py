# SPDX-License-Identifier: Apache-2.0
"""Layer 4 from and to other programs: `ballast import` and `ballast export`.

An import prints a document and applies nothing: what runs, with the file's services added, to be
looked at, planned and applied like any other. Beside it, on standard error, stands every line
that was not understood.
"""

from __future__ import annotations

import ipaddress
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Protocol

import typer

from services.cli.common import Json, Verb
from services.cli.door import door
from services.cli.offline import numbered, read
from services.cli.output import as_json, data, say

if TYPE_CHECKING:
    from collections.abc import Iterable

    from services import model
    from services.errors import Problem
    from services.exchange import Imported, Marks
    from services.exchange.names import Labels

    class Reader(Protocol):
        """Reads the text of one program's configuration."""

        def __call__(self, text: str, *, marks: Marks, labels: Labels) -> Imported: ...


MOST_LISTED = 1000
"""Lines not understood that are listed; of more, only the number is said."""

exporting = typer.Typer(
    name="export",
    help="Layer 4 for other programs.",
    no_args_is_help=True,
    rich_markup_mode=None,
)


class Program(StrEnum):
    """Whose configuration can be read."""

    IPVSADM = "ipvsadm"
    LDIRECTORD = "ldirectord"
    KEEPALIVED = "keepalived"


Exported = Annotated[
    str | None,
    typer.Argument(
        help="A document in JSON or YAML, - for standard input; the running one.", metavar="FILE"
    ),
]
Foreign = Annotated[str, typer.Argument(help="The file; - reads standard input.", metavar="FILE")]
New = Annotated[
    bool,
    typer.Option("--new", help="Add to a factory-new document instead of the running one."),
]
OfMark = Annotated[
    list[str] | None,
    typer.Option(
        "--mark",
        help="Addresses of the services with that firewall mark; may be given again.",
        metavar="MARK=ADDRESS,...",
    ),
]


@exporting.command("ipvsadm", cls=Verb)
def export_ipvsadm(context: typer.Context, file: Exported = None) -> None:
    """Print the kernel's table as rules for `ipvsadm -R`.

    Rules for port lists and ranges know a firewall mark only: `ballast export nftables` prints
    what sets it.
    """
    from services.exchange import write_ipvsadm
    from services.render.ipvs import ipvs_wanted
    from services.render.nft import nft_wanted

    document = _sound(context, file)
    if rules := write_ipvsadm(ipvs_wanted(document).table):
        data(rules)
    else:
        say("There is no layer 4 service.")
    if nft_wanted(document):
        say("These rules need those of `ballast export nftables`.")


@exporting.command("nftables", cls=Verb)
def export_nftables(context: typer.Context, file: Exported = None) -> None:
    """Print the rules of nftables that layer 4 services need, for `nft -f`."""
    from services.render.nft import nft_wanted

    if rules := nft_wanted(_sound(context, file)):
        data(rules)
    else:
        say("No layer 4 service needs rules.")


def _sound(context: typer.Context, file: str | None) -> model.Document:
    """The document in `file`, checked; without one the running one, which is."""
    from services.check import require

    if file is None:
        return door(context).ask(lambda client: client.document()).document
    document = numbered(read(file))
    require(document)
    return document


def import_document(
    context: typer.Context,
    program: Annotated[Program, typer.Argument(help="Whose file it is.", metavar="PROGRAM")],
    file: Foreign,
    *,
    new: New = False,
    mark: OfMark = None,
    json: Json = False,
) -> None:
    """Print a document with the layer 4 services of another program's file.

    ipvsadm: what `ipvsadm -S -n` prints. ldirectord: an ldirectord.cf. keepalived: a
    keepalived.conf; files that it includes are not followed. What was not understood is
    listed, line by line, on standard error.
    """
    from services import exchange
    from services.check import check
    from services.exchange.names import Labels
    from services.model import Document as Whole
    from services.reading import STDIN, file_data, write_yaml

    readers: dict[Program, Reader] = {
        Program.IPVSADM: exchange.read_ipvsadm,
        Program.LDIRECTORD: exchange.read_ldirectord,
        Program.KEEPALIVED: exchange.read_keepalived,
    }
    marks = _marks(mark or ())
    name, found = file_data(STDIN if file == "-" else Path(file))
    text = exchange.text_of(found, name)
    base = Whole() if new else door(context).ask(lambda client: client.document()).document
    services = base.cluster.services
    imported = readers[program](text, marks=marks, labels=Labels(each.label for each in services))
    cluster = base.cluster.with_services((*imported.services, *services))
    document = base.model_copy(update={"cluster": cluster})
    data(as_json(document) if json else write_yaml(document))
    say("\n".join(_told(name, imported, check(document), new=new)))


def _told(
    name: str, imported: Imported, problems: Iterable[Problem], *, new: bool
) -> Iterable[str]:
    servers = sum(len(service.servers) for service in imported.services)
    yield (
        f"Read from {name}: virtual services: {len(imported.services)}, real servers: {servers}. "
        f"They are added to {'a factory-new' if new else 'the running'} document."
    )
    if left := imported.leftovers:
        yield f"Not understood, or not as it stands ({len(left)}):"
        yield from (f"  {each}" for each in left[:MOST_LISTED])
        if len(left) > MOST_LISTED:
            yield f"  There are {len(left) - MOST_LISTED} further lines."
    if told := list(problems):
        yield f"Before the document can be applied, correct these ({len(told)}):"
        yield from (f"  {each}" for each in told[:MOST_LISTED])
        if len(told) > MOST_LISTED:
            yield f"  There are {len(told) - MOST_LISTED} further problems."


def _marks(said: Iterable[str]) -> Marks:
    found: dict[int, tuple[ipaddress.IPv4Address | ipaddress.IPv6Address, ...]] = {}
    for each in said:
        number, _, addresses = each.partition("=")
        try:
            listed = tuple(ipaddress.ip_address(one.strip()) for one in addresses.split(","))
            found[int(number)] = (*found.get(int(number), ()), *listed)
        except ValueError:
            raise typer.BadParameter(
                f"{each!r} is not of the form MARK=ADDRESS,..., e.g. 7=192.0.2.1.",
                param_hint="--mark",
            ) from None
    return found
