# SPDX-License-Identifier: Apache-2.0
"""Pydantic's findings in our words, so that only this module knows pydantic's.

A document's own words, a misspelt field's name among them, are quoted bounded and without
control characters: a refusal is printed on terminals.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from services.errors import Problem
from services.model.base import cleaned, shown

MOST_LISTED = 1000
"""Problems that are spelled out; of more, only the number is said."""
MOST_ERRORS = 20_000
"""Wrong fields beyond which a document is not taken for a configuration at all."""


def problems_from(error: ValidationError, model: type[BaseModel]) -> tuple[Problem, ...]:
    """What is wrong, every field once, each with path, sentence and remedy.

    Bounded: a hostile document of a few megabytes has a million wrong fields, and nobody
    reads the second thousand.
    """
    if error.error_count() > MOST_ERRORS:
        return (
            Problem(
                (),
                f"There are {error.error_count()} errors in it: this is no configuration.",
                "Start from the one that `ballast show` prints.",
            ),
        )
    errors = error.errors(include_url=False)
    inside = {found["loc"][:-1] for found in errors}
    # a list whose every entry was refused is also "too short": said once, at the entries
    errors = [
        found for found in errors if not (found["type"] == "too_short" and found["loc"] in inside)
    ]
    listed = [_problem(found, model) for found in errors[:MOST_LISTED]]
    if len(errors) > MOST_LISTED:
        more = f"There are {len(errors) - MOST_LISTED} further problems like these."
        listed.append(Problem((), more, "Correct these first."))
    return tuple(listed)


_REMEDIES: Mapping[str, tuple[str, str]] = {
    "missing": ("is missing.", "Add it."),
    "int_type": ("is no whole number.", "Write digits only."),
    "int_parsing": ("is no whole number.", "Write digits only."),
    "int_parsing_size": ("is too large a number.", "Write a smaller one."),
    "int_from_float": ("is no whole number.", "Write digits only."),
    "bool_type": ("is neither true nor false.", "Write true or false."),
    "bool_parsing": ("is neither true nor false.", "Write true or false."),
    "string_type": ("is no text.", "Write it in quotes."),
    "tuple_type": ("is no list.", "Write a list, even of one."),
    "model_type": ("is no group of fields.", "Write its fields as name and value."),
    "model_attributes_type": ("is no group of fields.", "Write its fields as name and value."),
}


def _problem(found: ErrorDetails, model: type[BaseModel]) -> Problem:
    path = found["loc"]
    context: dict[str, Any] = found.get("ctx", {})
    name = str(path[-1]) if path else "The document"
    title = _title_at(model, path)
    value = shown(found["input"]) if isinstance(found["input"], str | int | float) else title
    match found["type"]:
        case "ballast":
            return Problem(path, context["what"], context["do"])
        case "extra_forbidden":
            near = difflib.get_close_matches(name, _fields_at(model, path[:-1]), n=1)
            hint = f"Did you mean `{near[0]}`?" if near else "Remove it."
            # the last step is the document's own word: as untrusted as any value
            path = (*path[:-1], cleaned(name, 40))
            return Problem(path, f"There is no field {shown(name)}.", hint)
        case "greater_than_equal" | "less_than_equal":
            limit = context.get("ge", context.get("le"))
            side = "least" if "ge" in context else "most"
            return Problem(path, f"{value} is out of range.", f"Write {limit} at {side}.")
        case "enum" | "literal_error":
            return Problem(
                path, f"{value} is not a choice here.", f"Write one of {context['expected']}."
            )
        case "too_short" | "too_long":
            limit = context.get("min_length", context.get("max_length"))
            side = "least" if "min_length" in context else "most"
            return Problem(
                path,
                f"{title} has {context.get('actual_length') or 'no'} entries.",
                f"Give {limit} at {side}.",
            )
        case kind:
            what, do = _REMEDIES.get(
                kind, ("is not accepted: " + found["msg"] + ".", "Correct it.")
            )
            return Problem(path, f"{value} {what}", do)


def _title_at(model: type[BaseModel], path: tuple[str | int, ...]) -> str:
    """What people call the field at `path`, e.g. `IP address`, or an entry of such a list."""
    if not path:
        return "The document"
    *above, last = path
    if isinstance(last, int):
        return f"Entry {last + 1} of {_title_at(model, tuple(above))}"
    inside = _model_at(model, tuple(above))
    field = inside.model_fields.get(last) if inside else None
    return (field.title if field else None) or last


def _fields_at(model: type[BaseModel], path: tuple[str | int, ...]) -> list[str]:
    """The field names of the model at `path`, for "did you mean"; empty if it is no model."""
    found = _model_at(model, path)
    return list(found.model_fields) if found else []


def _model_at(model: type[BaseModel], path: tuple[str | int, ...]) -> type[BaseModel] | None:
    for step in path:
        if isinstance(step, int):
            continue
        field = model.model_fields.get(step)
        inner = _model_in(field.annotation) if field else None
        if inner is None:
            return None
        model = inner
    return model


def _model_in(annotation: object) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    found = (_model_in(part) for part in getattr(annotation, "__args__", ()))
    return next((part for part in found if part is not None), None)
