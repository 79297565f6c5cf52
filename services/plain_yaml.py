# SPDX-License-Identifier: Apache-2.0
"""YAML as people write it, read into plain values: mappings, lists, texts and nothing else.

Built from libyaml's events rather than with PyYAML's loader, for three reasons.
What a field means is the model's business: a scalar stays the text somebody wrote, so that
`no` is a fine label, `80:90` is not 4890, `010` is not 8 and `expect_status: 200` needs no
quotes; the field's own type then says what it becomes. Hostile input ends early: nesting
and values are counted as they come, before any tree is built, and aliases, the matter
billion laughs are made of, are refused. And it takes half the time, with line numbers.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import yaml

from services.errors import ConfigInvalid, Problem
from services.model.base import cleaned, shown

MOST_DEPTH = 32
"""A document needs 8."""

Plain = dict[str, "Plain"] | list["Plain"] | str | None

_TOO_DEEP = "Remove the inner ones; no field is that deep."

_NOTHING = {"", "~", "null", "Null", "NULL"}


@dataclass
class Parsed:
    """A document and what is wrong with its form although it can be read."""

    value: Plain
    problems: list[Problem] = field(default_factory=list)


@dataclass
class _Open:
    """A mapping or list whose end has not come yet."""

    value: dict[str, Plain] | list[Plain]
    key: str = ""
    """Of a mapping: the key that came last."""
    keyed: bool = False
    """Of a mapping: the key's value comes next."""
    skip: bool = False
    """The key stood there before: its value is read and dropped."""


def parse(text: str, *, name: str, most_values: int) -> Parsed:
    """The one document in `text`; `name` is what the sentences call it.

    Keys that occur twice are listed in `problems`. Raises `ConfigInvalid` for whatever
    else cannot be a document: bad syntax, several documents, an alias or a tag, too deep, more
    than `most_values` fields and list entries.
    """
    try:
        return _Builder(name, most_values).build(_events(text))
    except yaml.MarkedYAMLError as error:
        where = f", line {error.problem_mark.line + 1}" if error.problem_mark else ""
        raise ConfigInvalid(
            [
                Problem(
                    (),
                    f"{name}{where}: this is no YAML ({cleaned(error.problem or 'damaged', 120)}).",
                    "Look at that line and the one before: indentation, colons, quotes.",
                )
            ]
        ) from error
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        raise ConfigInvalid(
            [
                Problem(
                    (),
                    f"{name}, line {line}: there is a control character.",
                    "Remove it; the document is plain text.",
                )
            ]
        ) from error


def _events(text: str) -> Iterator[yaml.Event]:
    loader = yaml.CSafeLoader(text)
    try:
        while (event := loader.get_event()) is not None:
            yield event
    finally:
        loader.dispose()


class _Builder:
    def __init__(self, name: str, most_values: int) -> None:
        self._name = name
        self._most_values = most_values
        self._stack: list[_Open] = []
        self._done: list[Plain] = []
        self._problems: list[Problem] = []
        self._values = 0

    def build(self, events: Iterator[yaml.Event]) -> Parsed:
        for event in events:
            match event:
                case yaml.ScalarEvent():
                    self._scalar(event)
                case yaml.MappingStartEvent():
                    self._begin(event, {})
                case yaml.SequenceStartEvent():
                    self._begin(event, [])
                case yaml.CollectionEndEvent():
                    self._stack.pop()
                case yaml.AliasEvent():
                    self._refuse(
                        event,
                        f"there is an alias, {shown(f'*{event.anchor}')}",
                        "Write the value out; a configuration has no aliases.",
                    )
                case yaml.DocumentStartEvent() if self._done:
                    self._refuse(
                        event, "a second document begins", "Keep one document in one file."
                    )
        return Parsed(self._done[0] if self._done else None, self._problems)

    def _begin(
        self,
        event: yaml.MappingStartEvent | yaml.SequenceStartEvent,
        value: dict[str, Plain] | list[Plain],
    ) -> None:
        if event.tag is not None:
            self._refuse_tag(event, event.tag)
        if len(self._stack) >= MOST_DEPTH:
            self._refuse(event, f"more than {MOST_DEPTH} levels deep", _TOO_DEEP)
        if self._stack and isinstance(self._stack[-1].value, dict) and not self._stack[-1].keyed:
            self._refuse(event, "a name of a field is expected here", "Write `name: value`.")
        self._put(event, value)
        self._stack.append(_Open(value))

    def _scalar(self, event: yaml.ScalarEvent) -> None:
        if event.tag is not None:
            self._refuse_tag(event, event.tag)
        inner = self._stack[-1] if self._stack else None
        if inner is not None and isinstance(inner.value, dict) and not inner.keyed:
            inner.key, inner.keyed = event.value, True
            if event.value in inner.value:
                inner.skip = True
                self._note_twice(event)
        else:
            unquoted = event.implicit[0]
            self._put(event, None if unquoted and event.value in _NOTHING else event.value)

    def _put(self, event: yaml.Event, value: Plain) -> None:
        self._values += 1
        if self._values > self._most_values:
            self._refuse(
                event, f"more than {self._most_values:,} values", "Split the configuration."
            )
        if not self._stack:
            self._done.append(value)
            return
        inner = self._stack[-1]
        if isinstance(inner.value, list):
            inner.value.append(value)
            return
        if not inner.skip:
            inner.value[inner.key] = value
        inner.keyed = inner.skip = False

    def _note_twice(self, event: yaml.ScalarEvent) -> None:
        if len(self._problems) < 100:
            self._problems.append(
                Problem(
                    (*self._path(), cleaned(event.value, 40)),
                    f"{self._name}, {_line(event)}: {shown(event.value)} is here a second time.",
                    "Keep one of the two.",
                )
            )

    def _path(self) -> tuple[str | int, ...]:
        return tuple(
            len(outer.value) - 1 if isinstance(outer.value, list) else cleaned(outer.key, 40)
            for outer in self._stack[:-1]
        )

    def _refuse_tag(self, event: yaml.Event, tag: str) -> None:
        self._refuse(event, f"there is a tag, {shown(tag)}", "Remove it; fields have their types.")

    def _refuse(self, event: yaml.Event, what: str, do: str) -> None:
        raise ConfigInvalid([Problem((), f"{self._name}, {_line(event)}: {what}.", do)])


def _line(event: yaml.Event) -> str:
    return f"line {event.start_mark.line + 1 if event.start_mark else 1}"
