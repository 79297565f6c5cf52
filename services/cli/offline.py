# SPDX-License-Identifier: Apache-2.0
"""Verbs that need no agent: they judge, render and describe documents.

They run where a document is written, which is seldom where it is applied, so they touch
nothing but the files named.
"""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from services.cli.common import Document, Json
from services.cli.output import as_json, data, say
from services.errors import ConfigInvalid, Problem, Unable

if TYPE_CHECKING:
    from services import model


def read(file: str) -> model.Document:
    """The document in `file`, `-` for standard input; raises `ConfigInvalid` or `Refused`."""
    from services.reading import STDIN, read_file

    return read_file(STDIN if file == "-" else Path(file))


def numbered(document: model.Document) -> model.Document:
    """`document` with ids counted from 1 where it has none: the same one makes the same bytes."""
    from services.identity import with_ids
    from services.model import Document as Whole

    count = itertools.count(1)
    return with_ids(document, Whole(), lambda: next(count))


def check(file: Document, *, json: Json = False) -> None:
    """List every problem of a document; exit 1 if there is one."""
    from services.check import check as judge
    from services.check import hints

    problems: tuple[Problem, ...]
    try:
        document = read(file)
        problems = tuple(judge(document))
    except ConfigInvalid as error:
        document, problems = None, error.problems
    if json:
        data(as_json([_wire(problem) for problem in problems]))
    if problems:
        raise ConfigInvalid(problems)
    if document is not None:
        services = document.cluster.services
        servers = sum(len(service.servers) for service in services)
        for hint in hints(document):
            say(f"Worth a second look: {hint}")
        say(f"The document is valid. Virtual services: {len(services)}, real servers: {servers}.")


def _wire(problem: Problem) -> dict[str, object]:
    return {"path": problem.path, "where": problem.where, "what": problem.what, "do": problem.do}


def render(
    file: Document,
    *,
    out: Annotated[Path, typer.Option("--out", help="Folder to write under.", metavar="DIR")],
    json: Json = False,
) -> None:
    """Write every file a document makes under a folder."""
    from services.check import require
    from services.render import Place
    from services.wanted import wanted

    document = numbered(read(file))
    require(document)
    system = wanted(document, Place())
    written = []
    for made in (system.haproxy.config, *system.files):
        place = out / made.path.lstrip("/")
        try:
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(made.data)
            place.chmod(made.mode)
        except OSError as error:
            raise Unable(
                f"{place} could not be written: {error.strerror}.", do="Name another folder."
            ) from error
        written.append(str(place))
    data(as_json(written) if json else "\n".join(written))


def schema() -> None:
    """Print the JSON Schema of the document."""
    from services.model import Document as Whole

    data(as_json(Whole.model_json_schema()))
