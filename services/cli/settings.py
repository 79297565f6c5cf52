# SPDX-License-Identifier: Apache-2.0
"""The model's fields as command-line options: a field added there is an option here.

Name, help, choices and default come from the one declaration of the field, and so does the
judgement of what was typed: an option hands its text to the model, whose sentence says what
is wrong with it. Only a choice or a flag is judged by the command line, because it has to
know those for completion anyway.
"""

from __future__ import annotations

import copy
import functools
import inspect
import types
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, Any, TypeVar, Union, get_args, get_origin

import typer
from pydantic import BaseModel, ValidationError

from services.cli.layers import Kinds, Layer, kind_words
from services.errors import ConfigInvalid, Problem
from services.model import Model, field_help, problems_from

Path = tuple[str, ...]
"""A field's place in its object, e.g. `("check", "kind")`."""

Typed = str | bool

Named = Mapping[Path, Typed]
"""What was typed, by field; a field that is not in it stays as it is."""

Places = Mapping[Path, str]
"""Fields that are typed as arguments, and what the help calls those."""

NOWHERE: Places = types.MappingProxyType({})

_Object = TypeVar("_Object", bound=Model)

NONE = "none"
"""What to write for a field that may be empty."""


def flag_of(path: Path) -> str:
    """What the option of a field is called, e.g. `--check-kind`."""
    return "--" + "-".join(path).replace("_", "-")


@dataclass(frozen=True)
class Setting:
    """One field as an option."""

    path: Path
    kind: type
    """`bool`, a `StrEnum`, or whatever the model reads from text."""
    many: bool
    """A list; written with commas."""
    clearable: bool
    """May be absent; written `none`."""
    words: str
    default: str | None
    """As it would be typed; None: it must be given."""

    @property
    def name(self) -> str:
        """The parameter's name, e.g. `check_kind`."""
        return "_".join(self.path)

    @property
    def flag(self) -> str:
        """The option's name, e.g. `--check-kind`."""
        return flag_of(self.path)

    def value(self, typed: Typed) -> object:
        """What was typed, in the shape the model reads."""
        if isinstance(typed, bool) or (self.clearable and typed == NONE):
            return typed if isinstance(typed, bool) else None
        if self.many:
            return [piece.strip() for piece in typed.split(",")] if typed.strip() else []
        return typed


@dataclass(frozen=True)
class Option:
    """What may be typed for a field, in every layer whose objects have it."""

    settings: Mapping[Layer, Setting]
    everywhere: bool
    """The objects of all layers have it."""

    @property
    def path(self) -> Path:
        """The field's place, the same in every layer."""
        return self._one.path

    @property
    def name(self) -> str:
        """The parameter's name."""
        return self._one.name

    @property
    def _one(self) -> Setting:
        return next(iter(self.settings.values()))

    def parameter(self, *, defaults: bool) -> inspect.Parameter:
        """The option for a verb's signature; `defaults` when it may make a new object."""
        text = self._words()
        if any(each.clearable for each in self.settings.values()):
            text += f" `{NONE}` for none."
        if defaults:
            text += f"  [{self._default()}]"
        flag, kinds = self._one.flag, {each.kind for each in self.settings.values()}
        # two layers' choices differ: both complete, and the model says which of them it has
        kind = kinds.pop() if len(kinds) == 1 else str
        choices = sorted({str(each) for one in kinds if issubclass(one, StrEnum) for each in one})
        typed = kind if kind is bool or issubclass(kind, StrEnum) else str
        metavar = f"[{'|'.join(choices)}]" if choices else "NUMBER" if kind is int else "TEXT"
        option = typer.Option(
            f"{flag}/--no-{flag[2:]}" if kind is bool else flag,
            help=text,
            metavar=metavar if typed is str else None,
            autocompletion=_completion(choices) if choices else None,
            show_default=False,
        )
        return inspect.Parameter(
            self.name,
            inspect.Parameter.KEYWORD_ONLY,
            default=None,
            annotation=Annotated[typed | None, option],
        )

    def _default(self) -> str:
        said = {each.default for each in self.settings.values()}
        if len(said) == 1:
            (default,) = said
            return "needed" if default is None else f"default: {default}"
        return ", ".join(
            f"needed in layer {at}"
            if each.default is None
            else f"default in layer {at}: {each.default}"
            for at, each in self.settings.items()
        )

    def _words(self) -> str:
        """Words that are the same everywhere once, others with their layer before them."""
        if self.everywhere and len({each.words for each in self.settings.values()}) == 1:
            return self._one.words
        return " ".join(f"Layer {at}: {each.words}" for at, each in self.settings.items())


def _completion(choices: Sequence[str]) -> Callable[[str], list[str]]:
    # typer reads the parameters of a function, and of nothing else that can be called
    def beginning(incomplete: str) -> list[str]:
        return [each for each in choices if each.startswith(incomplete)]

    return beginning


def options(kinds: Kinds) -> tuple[Option, ...]:
    """Every field of these kinds of objects as an option, once, in the models' order."""
    found: dict[str, dict[Layer, Setting]] = {}
    for layer, model in kinds.items():
        for setting in settings(model):
            found.setdefault(setting.name, {})[layer] = setting
    return tuple(Option(each, len(each) == len(kinds)) for each in found.values())


@functools.cache
def settings(model: type[Model]) -> tuple[Setting, ...]:
    """Every field of `model` that an option can hold, in the model's order.

    Not among them: `id`, which the appliance gives, and lists of objects, which have verbs
    of their own.
    """
    found = tuple(_settings(model, (), None))
    names = [setting.name for setting in found]
    if len(set(names)) != len(names):
        raise ValueError(f"two fields of {model.__name__} make the same option")
    return found


def _settings(model: type[BaseModel], above: Path, given: BaseModel | None) -> Iterable[Setting]:
    for name, field in model.model_fields.items():
        if name == "id":
            continue
        kind, many, clearable = _shape(field.annotation)
        required = given is None and field.is_required()
        default = None if required else getattr(given, name) if given else field.get_default()
        if issubclass(kind, BaseModel):
            if not many:
                yield from _settings(kind, (*above, name), default)
            continue
        yield Setting(
            path=(*above, name),
            kind=kind,
            many=many,
            clearable=clearable,
            words=field_help(model, name),
            default=None if required else written(default),
        )


def _shape(annotation: object) -> tuple[type, bool, bool]:
    """Type of one value, whether there are many, whether there may be none."""
    origin, inner = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _shape(inner[0])
    if origin is tuple:
        return _shape(inner[0])[0], True, False
    if origin in (Union, types.UnionType):
        kind, many, _ = _shape(inner[0])
        return kind, many, type(None) in inner
    return (annotation if isinstance(annotation, type) else str), False, False


def written(value: object) -> str:
    """A value as it would be typed."""
    match value:
        case None:
            return NONE
        case bool():
            return "yes" if value else "no"
        case tuple():
            return ",".join(map(str, value)) or "empty"
        case _:
            return str(value) or "empty"


def amended(
    model: type[_Object], start: Mapping[str, Any], named: Named, *, places: Places = NOWHERE
) -> _Object:
    """`start` (an object's JSON) with what was typed in it, judged by the model.

    Raises `ConfigInvalid` whose paths are the options, or the `places` of fields that were
    typed elsewhere: it names what the person sees before them.
    """
    wanted = copy.deepcopy(dict(start))
    by_path = {setting.path: setting for setting in settings(model)}
    if foreign := [path for path in named if path not in by_path]:
        what = f"{kind_words(model).capitalize()} has no such setting."
        raise ConfigInvalid([Problem((flag_of(path),), what, "Leave it out.") for path in foreign])
    for path, typed in named.items():
        inside = wanted
        for step in path[:-1]:
            inside = inside.setdefault(step, {})
        inside[path[-1]] = by_path[path].value(typed)
    try:
        return model.model_validate(wanted)
    except ValidationError as error:
        raise ConfigInvalid(
            [as_typed(problem, model, places) for problem in problems_from(error, model)]
        ) from None


def as_typed(problem: Problem, model: type[Model], places: Places) -> Problem:
    """A problem of a `model`, whose path is inside it, with the option in the path's place."""
    path = tuple(step for step in problem.path if isinstance(step, str))
    known = any(setting.path == path for setting in settings(model))
    if not known:
        return problem
    return Problem((places.get(path) or flag_of(path),), problem.what, problem.do)
