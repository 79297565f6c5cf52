# SPDX-License-Identifier: Apache-2.0
"""Documents from bytes and files, and back: the one door for whatever people hand in.

JSON and YAML are told apart by the first sign, not by a file's name: `{` is JSON, because
nobody writes YAML that way and JSON loads ten times as fast. What comes in may be hostile
or merely wrong, a core dump or a 100 MB log; so its size is bounded before it is read, its
depth before it is built, and every refusal says what was found and what to do.
"""

from __future__ import annotations

import json
import os
import stat
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from pydantic import ValidationError

from services.errors import ConfigInvalid, NotFound, Problem, Refused
from services.model import LAYERS, NAT, Document, problems_from
from services.model.base import cleaned, shown

MOST_BYTES = 16 << 20
"""Largest document: 5,000 services with ten servers each, every field written out, take 10 MB."""

STDIN = Path("/dev/stdin")

MOST_VALUES = 800_000
"""Most fields and list entries: that same document has 600,000."""

MOST_TWICE = 100
"""Names given twice that are listed; whoever has more has mixed up two files."""

ALWAYS_WRITTEN = {"hostname", "interfaces"}
"""Local fields that an export names even where they are the factory's: they are the unit itself."""


def read_file(path: Path) -> Document:
    """The document in a file, a pipe or, as `/dev/stdin`, standard input.

    Raises `ConfigInvalid` with every problem, and what `file_data` raises.
    """
    name, data = file_data(path)
    return read_document(data, name=name)


def file_data(path: Path) -> tuple[str, bytes]:
    """What a file, a pipe or standard input is called in sentences, and what is in it.

    Reads no further than `MOST_BYTES`. Raises `ConfigInvalid` for more, `NotFound`, or
    `Refused` for what is no file.
    """
    name = cleaned(str(path), 120)
    try:
        if path == STDIN:
            name = "standard input"
            # opening it by name fails where standard input is a socket
            with open(0, "rb", closefd=False) as file:
                return name, _data_of(file, name)
        with open(path, "rb", opener=_without_waiting) as file:
            kind = os.fstat(file.fileno()).st_mode
            if not stat.S_ISREG(kind) and not stat.S_ISFIFO(kind):
                raise Refused(f"{name} is no file.", do="Name a file that holds a document.")
            os.set_blocking(file.fileno(), True)
            return name, _data_of(file, name)
    except FileNotFoundError as error:
        raise NotFound(f"There is no file {name}.", do="Look at the path again.") from error
    except IsADirectoryError as error:
        raise Refused(f"{name} is a folder.", do="Name the file in it.") from error
    except OSError as error:
        why = error.strerror
        raise Refused(f"{name} cannot be read: {why}.", do="Look at the path again.") from error


def _without_waiting(path: str, flags: int) -> int:
    """Open so that a pipe nobody writes to does not hold us for ever."""
    return os.open(path, flags | os.O_NONBLOCK | os.O_NOCTTY)


def _data_of(file: IO[bytes], name: str) -> bytes:
    if os.fstat(file.fileno()).st_size > MOST_BYTES:
        raise _too_large(name)
    data = file.read(MOST_BYTES + 1)
    if len(data) > MOST_BYTES:
        raise _too_large(name)
    return data


def read_document(data: bytes, *, name: str) -> Document:
    """The document in `data`, JSON or YAML; `name` is what the sentences call it.

    Raises `ConfigInvalid` with all problems of form and of single fields. Rules between
    objects are `services.check`'s.
    """
    name = cleaned(name, 120)
    text = _decoded(data, name)
    if text.lstrip()[:1] == "{":
        return _from_json(text, name)
    return _from_yaml(text, name)


def _decoded(data: bytes, name: str) -> str:
    if len(data) > MOST_BYTES:
        raise _too_large(name)
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise _refused(f"{name} is text in UTF-16.", "Save it in UTF-8.")
    if b"\0" in data:
        raise _refused(f"{name} is no text but binary data.", "Name a document in JSON or YAML.")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise _refused(
            f"{name}, line {line}: byte 0x{data[error.start]:02x} is no text in UTF-8.",
            "Save it in UTF-8.",
        ) from error
    if not text.strip():
        raise _refused(f"{name} is empty.", "Name a document in JSON or YAML.")
    return text


def _from_json(text: str, name: str) -> Document:
    if text.count(",") > MOST_VALUES:  # every value but a group's first has its comma
        raise _refused(f"{name} has more than {MOST_VALUES:,} values.", "Split the configuration.")
    try:
        document = Document.model_validate_json(text)
    except ValidationError as error:
        if error.error_count() == 1 and error.errors()[0]["type"] == "json_invalid":
            raise _bad_json(str(error.errors()[0]["ctx"]["error"]), name) from error
        raise ConfigInvalid([*_twice(text, name), *problems_from(error, Document)]) from error
    if twice := _twice(text, name):
        raise ConfigInvalid(twice)
    return document


def _bad_json(reason: str, name: str) -> ConfigInvalid:
    if reason.startswith("recursion limit"):
        return _refused(
            f"{name} has too many levels.", "Remove the inner ones; no field is that deep."
        )
    return _refused(
        f"{name} begins as JSON but is none: {cleaned(reason, 120)}.",
        "Look at that place and just before it: commas, quotes, brackets.",
    )


class _Twice(dict[str, Any]):
    """A JSON object in which names occur more than once: `names`."""

    names: tuple[str, ...] = ()


def _twice(text: str, name: str) -> list[Problem]:
    """Names that occur twice in one object: pydantic's parser silently takes the last."""
    found: list[_Twice] = []

    def look(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        plain = dict(pairs)
        if len(plain) == len(pairs) or len(found) == MOST_TWICE:
            return plain
        count = Counter(key for key, _ in pairs)
        twice = _Twice(plain)
        twice.names = tuple(key for key in plain if count[key] > 1)
        found.append(twice)
        return twice

    # float: integers of any length, at no cost
    tree = json.loads(text, object_pairs_hook=look, parse_int=float)
    if not found:
        return []
    return [
        Problem(
            (*path, cleaned(key, 40)),
            f"{shown(key)} stands twice in the same group of {name}.",
            "Keep one of the two.",
        )
        for path, twice in _places(tree, ())
        for key in twice.names
    ][:MOST_TWICE]


def _places(
    tree: object, path: tuple[str | int, ...]
) -> Iterator[tuple[tuple[str | int, ...], _Twice]]:
    if isinstance(tree, _Twice):
        yield path, tree
    if isinstance(tree, dict):
        for key, value in tree.items():
            yield from _places(value, (*path, cleaned(key, 40)))
    elif isinstance(tree, list):
        for index, value in enumerate(tree):
            yield from _places(value, (*path, index))


def _from_yaml(text: str, name: str) -> Document:
    from services.plain_yaml import parse  # JSON does without it and starts faster

    parsed = parse(text, name=name, most_values=MOST_VALUES)
    if not isinstance(parsed.value, dict):
        raise _refused(
            f"{name} holds {_kind(parsed.value)}, not the fields of a configuration.",
            "Begin with `schema_version: 1`, then `cluster:` and `local:`.",
        )
    try:
        document = Document.model_validate(parsed.value)
    except ValidationError as error:
        raise ConfigInvalid([*parsed.problems, *problems_from(error, Document)]) from error
    if parsed.problems:
        raise ConfigInvalid(parsed.problems)
    return document


def _kind(value: object) -> str:
    if value is None:
        return "nothing"
    return "a list" if isinstance(value, list) else f"a text, {shown(value)}"


def _refused(what: str, do: str) -> ConfigInvalid:
    return ConfigInvalid([Problem((), what, do)])


def _too_large(name: str) -> ConfigInvalid:
    return _refused(
        f"{name} is larger than {MOST_BYTES >> 20} MiB.",
        "A configuration is never that large: name the right file.",
    )


def write_json(document: Document) -> str:
    """The document as JSON for programs: every field, one line."""
    return document.model_dump_json() + "\n"


def write_yaml(document: Document) -> str:
    """The document as YAML for people: what differs from the defaults, in the model's order.

    Reading it back gives an equal document.
    """
    import yaml

    whole = document.model_dump(mode="json")
    short = document.model_dump(mode="json", exclude_defaults=True)
    local = short.get("local", {})
    told = {
        "schema_version": whole["schema_version"],
        "cluster": short.get("cluster") or {layer: [] for layer in LAYERS},
        "local": {
            name: local.get(name, value)
            for name, value in whole["local"].items()
            if name in local or name in ALWAYS_WRITTEN
        },
    }
    for service in (each for name in (*LAYERS, NAT) for each in told["cluster"].get(name, ())):
        if service.get("ports", "").isdigit():
            service["ports"] = int(service["ports"])  # one port looks like one
    return yaml.dump(told, Dumper=yaml.CSafeDumper, sort_keys=False, allow_unicode=True, width=1000)
